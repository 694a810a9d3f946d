package capture

import (
	"encoding/binary"
	"fmt"

	"github.com/rasline/rasline/port"
)

// The numbers of pcapng (draft-ietf-opsawg-pcapng, sections 3.5, 4.1 to 4.3).
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrder = 0x1A2B3C4D

	optEnd     = 0
	optComment = 1

	optUserAppl = 4 // of a section

	optName        = 2 // of an interface
	optDescription = 3
	optResolution  = 9
	optOffset      = 14

	optFlags = 2 // of a packet

	inbound  = 1
	outbound = 2
)

// linkType is LINKTYPE_RTAC_SERIAL: each packet begins with a header of
// headerLen bytes.
const (
	linkType  = 250
	headerLen = 12
)

// The event types of LINKTYPE_RTAC_SERIAL.
const (
	typeStatus = iota
	typeSent
	typeReceived
	typeSentEnd
	typeReceivedEnd
	typeLost
	typeEnd
	typeFraming
	typeParity
	typeBreak
	typeOverflow
)

var kindTypes = [...]byte{
	Note: typeStatus, Sent: typeSent, Received: typeReceived, LinesChanged: typeStatus, Break: typeBreak,
	Framing: typeFraming, Parity: typeParity, Overflow: typeOverflow, Lost: typeLost, End: typeEnd,
}

var typeKinds = [...]Kind{
	typeStatus: LinesChanged, typeSent: Sent, typeReceived: Received, typeSentEnd: Note, typeReceivedEnd: Note,
	typeLost: Lost, typeEnd: End, typeFraming: Framing, typeParity: Parity, typeBreak: Break, typeOverflow: Overflow,
}

// lineBits are the modem lines in the order of their bits in the header.
var lineBits = [...]port.Lines{port.CTS, port.DCD, port.DSR, port.RTS, port.DTR, port.RI}

// hiddenForm is the comment that marks a secret: its offset in the data and the
// length of what replaces it. It holds no word that could be a password.
const hiddenForm = "rasline:hidden %d %d"

// encoder appends blocks to a buffer, in little-endian order as it is written on
// every machine.
type encoder struct {
	buf   []byte
	start int // of the block that is being appended
}

var le = binary.LittleEndian

// begin starts a block; end completes it.
func (e *encoder) begin(kind uint32) {
	e.start = len(e.buf)
	e.buf = le.AppendUint32(e.buf, kind)
	e.buf = le.AppendUint32(e.buf, 0)
}

func (e *encoder) end() {
	n := uint32(len(e.buf) - e.start + 4)
	le.PutUint32(e.buf[e.start+4:], n)
	e.buf = le.AppendUint32(e.buf, n)
}

func (e *encoder) pad() {
	for (len(e.buf)-e.start)%4 != 0 {
		e.buf = append(e.buf, 0)
	}
}

func (e *encoder) option(code int, value string) {
	e.buf = le.AppendUint16(e.buf, uint16(code))
	e.buf = le.AppendUint16(e.buf, uint16(len(value)))
	e.buf = append(e.buf, value...)
	e.pad()
}

func (e *encoder) endOptions() { e.buf = le.AppendUint32(e.buf, optEnd) }

func (e *encoder) section(application string) {
	e.begin(blockSection)
	e.buf = le.AppendUint32(e.buf, byteOrder)
	e.buf = le.AppendUint16(e.buf, 1) // version 1.0
	e.buf = le.AppendUint16(e.buf, 0)
	e.buf = le.AppendUint64(e.buf, 1<<64-1) // the length of the section is not known
	e.option(optUserAppl, application)
	e.endOptions()
	e.end()
}

func (e *encoder) port(name, mode string) {
	e.begin(blockInterface)
	e.buf = le.AppendUint16(e.buf, linkType)
	e.buf = le.AppendUint16(e.buf, 0)
	e.buf = le.AppendUint32(e.buf, 0) // packets of any length
	e.option(optName, name)
	if mode != "" {
		e.option(optDescription, mode)
	}
	e.option(optResolution, "\x09")
	e.endOptions()
	e.end()
}

// event appends an event; at is in nanoseconds since 1970.
func (e *encoder) event(index uint32, kind Kind, out bool, at int64, lines port.Lines, data []byte, spans []Span, note string) {
	e.begin(blockEnhanced)
	e.buf = le.AppendUint32(e.buf, index)
	e.buf = le.AppendUint32(e.buf, uint32(uint64(at)>>32))
	e.buf = le.AppendUint32(e.buf, uint32(at))
	n := uint32(headerLen + len(data))
	e.buf = le.AppendUint32(e.buf, n)
	e.buf = le.AppendUint32(e.buf, n)
	be := binary.BigEndian
	e.buf = be.AppendUint32(e.buf, uint32(at/1e9))
	e.buf = be.AppendUint32(e.buf, uint32(at%1e9/1e3))
	var levels byte
	for i, line := range lineBits {
		if lines.Has(line) {
			levels |= 1 << i
		}
	}
	e.buf = append(e.buf, kindTypes[kind], levels, 0, 0)
	e.buf = append(e.buf, data...)
	e.pad()
	direction := uint32(0)
	switch {
	case kind == Sent || out:
		direction = outbound
	case kind == Received || kind == Break:
		direction = inbound
	}
	if direction == 0 && note == "" && len(spans) == 0 {
		e.end()
		return
	}
	if note != "" {
		e.option(optComment, note)
	}
	for _, s := range spans {
		e.option(optComment, fmt.Sprintf(hiddenForm, s.Offset, s.Len))
	}
	if direction != 0 {
		e.buf = le.AppendUint16(e.buf, optFlags)
		e.buf = le.AppendUint16(e.buf, 4)
		e.buf = le.AppendUint32(e.buf, direction)
	}
	e.endOptions()
	e.end()
}

// events counts the whole events in blocks that an encoder has made.
func events(blocks []byte) (n int) {
	for len(blocks) >= 8 {
		size := int(le.Uint32(blocks[4:]))
		if size > len(blocks) {
			break
		}
		if le.Uint32(blocks) == blockEnhanced {
			n++
		}
		blocks = blocks[size:]
	}
	return n
}
