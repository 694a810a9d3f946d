package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// maxBlock bounds a block of a file that is read.
const maxBlock = 1 << 20

// PortInfo describes a port of a recording.
type PortInfo struct {
	Name string // may be empty
	Mode string // at the start, as port.ParseMode reads it; may be empty
}

// Reader reads a recording: a pcapng file as Writer makes it, or what editcap(1)
// and mergecap(1) make of one. It accepts either byte order, several sections and
// any resolution of times. It is for use by one goroutine at a time.
type Reader struct {
	r       *bufio.Reader
	offset  int64 // of the next block
	order   binary.ByteOrder
	ports   []PortInfo
	section []source // the interfaces of the section
	lines   []lineState
	skipped int
	block   []byte
	err     error
}

// source is an interface of a section.
type source struct {
	port   int // index in Reader.ports; -1: not one of ours
	ticks  timeUnit
	offset int64 // seconds that are added
}

// lineState is what is known of the modem lines of a port.
type lineState struct {
	known bool
	bits  byte
}

// timeUnit is the resolution of timestamps: a second has base**exp of them.
type timeUnit struct {
	base, exp uint
}

// NewReader returns a Reader of the recording in r, which it reads up to the
// description of the first port. It fails with a *FormatError if r is no pcapng
// file or has interfaces none of which is a port. A file that ends after the section
// header is a recording without ports and events.
func NewReader(r io.Reader) (*Reader, error) {
	x := &Reader{r: bufio.NewReaderSize(r, 64<<10)}
	for len(x.ports) == 0 {
		kind, body, at, err := x.next()
		switch {
		case err == io.EOF && at == 0:
			return nil, &FormatError{0, errors.New("the file is empty")}
		case err == io.EOF && len(x.section) == 0 && x.skipped == 0:
			x.err = io.EOF
			return x, nil
		case err == io.EOF:
			return nil, &FormatError{at, fmt.Errorf("the file has no interface of link type %d (RTAC serial): it is no recording of a serial port", linkType)}
		case err != nil:
			return nil, err
		}
		if _, _, err := x.handle(kind, body, at); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// Ports returns the ports that were described so far: all of them once Next has
// returned io.EOF, and mostly all at the start.
func (r *Reader) Ports() []PortInfo { return slices.Clone(r.ports) }

// Skipped returns how many packets were skipped because they are of another link
// type or have no time.
func (r *Reader) Skipped() int { return r.skipped }

// Offset returns where in the file the block after the last event begins.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next event, or io.EOF at the end. A file that is cut off gives
// all its whole events and then a *FormatError that matches io.ErrUnexpectedEOF.
// Other errors are *FormatError too, and those of the underlying reader. An error
// is returned again by every later call. The event's memory is the caller's.
func (r *Reader) Next() (Event, error) {
	for r.err == nil {
		kind, body, at, err := r.next()
		if err != nil {
			r.err = err
			break
		}
		e, ok, err := r.handle(kind, body, at)
		if err != nil {
			r.err = err
			break
		}
		if ok {
			return e, nil
		}
	}
	return Event{}, r.err
}

// next reads a block: its type and what is between the two lengths, which is
// valid until the next call. at is its offset. The error is io.EOF only between
// two blocks.
func (r *Reader) next() (kind uint32, body []byte, at int64, err error) {
	at = r.offset
	fail := func(err error) (uint32, []byte, int64, error) {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("the file is cut off within a block: %w", io.ErrUnexpectedEOF)
		}
		return 0, nil, at, &FormatError{at, err}
	}
	var head [12]byte
	n, err := io.ReadFull(r.r, head[:8])
	switch {
	case err == io.EOF:
		return 0, nil, at, io.EOF
	case err != nil && err != io.ErrUnexpectedEOF: // nothing is known of the file
		return fail(err)
	case r.order == nil && (n < 4 || binary.LittleEndian.Uint32(head[:]) != blockSection):
		return fail(errors.New("this is no pcapng file: it does not begin with a section header"))
	case err != nil:
		return fail(err)
	}
	read := 8
	if binary.LittleEndian.Uint32(head[:]) == blockSection { // in either order
		if _, err := io.ReadFull(r.r, head[8:]); err != nil {
			return fail(err)
		}
		read = 12
		switch binary.LittleEndian.Uint32(head[8:]) {
		case byteOrder:
			r.order = binary.LittleEndian
		case bits.ReverseBytes32(byteOrder):
			r.order = binary.BigEndian
		default:
			return fail(errors.New("this is no pcapng file: its section header has no byte-order magic"))
		}
		r.section = r.section[:0]
	}
	kind = r.order.Uint32(head[:])
	size := r.order.Uint32(head[4:])
	switch {
	case size%4 != 0 || size < uint32(read)+4:
		return fail(fmt.Errorf("a block has the length %d, which is not valid", size))
	case size > maxBlock:
		return fail(fmt.Errorf("a block of %d bytes is larger than the limit of %d", size, maxBlock))
	}
	rest := int(size) - read
	r.block = append(r.block[:0], head[8:read]...)
	r.block = slices.Grow(r.block, rest)[:read-8+rest]
	if _, err := io.ReadFull(r.r, r.block[read-8:]); err != nil {
		return fail(err)
	}
	body = r.block[:len(r.block)-4]
	if again := r.order.Uint32(r.block[len(r.block)-4:]); again != size {
		return fail(fmt.Errorf("a block has the length %d at its start and %d at its end", size, again))
	}
	r.offset += int64(size)
	return kind, body, at, nil
}

// handle reads a block. ok reports whether it is an event.
func (r *Reader) handle(kind uint32, body []byte, at int64) (e Event, ok bool, err error) {
	switch kind {
	case blockSection:
		if len(body) < 16 {
			return e, false, &FormatError{at, errors.New("a section header is too short")}
		}
		if major := r.order.Uint16(body[4:]); major != 1 {
			return e, false, &FormatError{at, fmt.Errorf("the section has version %d of pcapng: only 1 is known", major)}
		}
	case blockInterface:
		err = r.describe(body)
	case blockPacket, blockSimple:
		r.skipped++
	case blockEnhanced:
		e, ok, err = r.event(body)
	}
	if err != nil {
		return Event{}, false, &FormatError{at, err}
	}
	return e, ok, nil
}

var errOptions = errors.New("the options of a block are longer than the block")

// eachOption calls f with the options of a block.
func (r *Reader) eachOption(b []byte, f func(code int, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return errOptions
		}
		code, n := int(r.order.Uint16(b)), int(r.order.Uint16(b[2:]))
		if code == optEnd {
			return nil
		}
		b = b[4:]
		padded := (n + 3) &^ 3
		if padded > len(b) {
			return errOptions
		}
		if err := f(code, b[:n]); err != nil {
			return err
		}
		b = b[padded:]
	}
	return nil
}

// describe reads an interface block.
func (r *Reader) describe(body []byte) error {
	if len(body) < 8 {
		return errors.New("an interface block is too short")
	}
	s := source{port: -1, ticks: timeUnit{10, 6}}
	var info PortInfo
	err := r.eachOption(body[8:], func(code int, value []byte) error {
		switch code {
		case optName:
			info.Name = strings.ToValidUTF8(string(value[:min(len(value), maxName)]), "\uFFFD")
		case optDescription:
			info.Mode = strings.ToValidUTF8(string(value[:min(len(value), maxName)]), "\uFFFD")
		case optResolution:
			if len(value) < 1 {
				return errOptions
			}
			if s.ticks = (timeUnit{10, uint(value[0])}); value[0]&0x80 != 0 {
				s.ticks = timeUnit{2, uint(value[0] & 0x7F)}
			}
			if s.ticks.base == 10 && s.ticks.exp > 19 || s.ticks.exp > 63 {
				return fmt.Errorf("an interface has a resolution of %d**-%d seconds, which is not supported", s.ticks.base, s.ticks.exp)
			}
		case optOffset:
			if len(value) < 8 {
				return errOptions
			}
			s.offset = int64(r.order.Uint64(value))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.order.Uint16(body) == linkType {
		if len(r.ports) >= maxPorts {
			return fmt.Errorf("the file has more than %d ports", maxPorts)
		}
		s.port = len(r.ports)
		r.ports = append(r.ports, info)
		r.lines = append(r.lines, lineState{})
	}
	if len(r.section) >= maxInterfaces {
		return fmt.Errorf("the section has more than %d interfaces", maxInterfaces)
	}
	r.section = append(r.section, s)
	return nil
}

// The ports of a file, the interfaces of a section and the characters of their
// names are bounded, and so is the memory for them.
const (
	maxPorts      = 1 << 14 // one for each time that a line was opened
	maxInterfaces = 1 << 16
	maxName       = 1 << 8
)

// time returns the time of a timestamp.
func (s *source) time(stamp uint64) time.Time {
	unit := uint64(1)
	for range s.ticks.exp {
		unit *= uint64(s.ticks.base)
	}
	sec, rest := stamp/unit, stamp%unit
	hi, lo := bits.Mul64(rest, uint64(time.Second))
	nano, _ := bits.Div64(hi, lo, unit) // hi < unit, since rest < unit
	return time.Unix(int64(sec)+s.offset, int64(nano)).UTC()
}

// event reads a packet block.
func (r *Reader) event(body []byte) (e Event, ok bool, err error) {
	if len(body) < 20 {
		return e, false, errors.New("a packet block is too short")
	}
	index := r.order.Uint32(body)
	if uint64(index) >= uint64(len(r.section)) {
		return e, false, fmt.Errorf("a packet is from interface %d, which the section does not have", index)
	}
	from := &r.section[index]
	if from.port < 0 {
		r.skipped++
		return e, false, nil
	}
	stamp := uint64(r.order.Uint32(body[4:]))<<32 | uint64(r.order.Uint32(body[8:]))
	n := r.order.Uint32(body[12:])
	rest := body[20:]
	if uint64(n) > uint64(len(rest)) || n < headerLen {
		return e, false, fmt.Errorf("a packet has %d bytes of data, which is not valid", n)
	}
	data, options := rest[:n], rest[min((uint64(n)+3)&^3, uint64(len(rest))):]
	if int(data[8]) >= len(typeKinds) {
		return e, false, fmt.Errorf("a packet has the event type %d, which is not known", data[8])
	}
	e = Event{Time: from.time(stamp), Port: from.port, Kind: typeKinds[data[8]]}
	for i, line := range lineBits {
		if data[9]&(1<<i) != 0 {
			e.Lines |= line
		}
	}
	if n > headerLen {
		e.Data = bytes.Clone(data[headerLen:])
	}
	if err := r.packetOptions(&e, options); err != nil {
		return e, false, err
	}
	state := &r.lines[e.Port]
	if e.Kind == LinesChanged && e.Note != "" && (!state.known || state.bits == data[9]) {
		e.Kind = Note
	}
	*state = lineState{true, data[9]}
	return e, true, nil
}

// packetOptions reads the options of a packet block: notes, which parts of its
// data were secret, and the direction of a break.
func (r *Reader) packetOptions(e *Event, options []byte) error {
	var notes []string
	err := r.eachOption(options, func(code int, value []byte) error {
		switch code {
		case optComment:
			text := string(value)
			if len(e.Data) > 0 && strings.HasPrefix(text, "rasline:hidden ") {
				var s Span
				if n, err := fmt.Sscanf(text, hiddenForm, &s.Offset, &s.Len); err == nil && n == 2 {
					e.Secrets = append(e.Secrets, s)
					return nil
				}
			}
			notes = append(notes, strings.ToValidUTF8(text, "\uFFFD"))
		case optFlags:
			if len(value) < 4 {
				return errOptions
			}
			e.Out = e.Kind == Break && r.order.Uint32(value)&3 == outbound
		}
		return nil
	})
	if err != nil {
		return err
	}
	end := 0
	for _, s := range e.Secrets {
		if s.Offset < end || s.Len <= 0 || s.Len > len(e.Data)-s.Offset {
			return fmt.Errorf("a comment marks %d bytes at %d as hidden, which the packet does not have", s.Len, s.Offset)
		}
		end = s.Offset + s.Len
	}
	e.Note = strings.Join(notes, "\n")
	return nil
}
