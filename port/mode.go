package port

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mode is the bit rate, the character format and the flow control of a serial
// line. A field that is zero means "leave as it is", so the zero Mode changes
// nothing.
type Mode struct {
	Baud     int // bits a second, 1 or more; any rate that the driver can make
	DataBits int // 5 to 8
	Parity   Parity
	StopBits StopBits
	Flow     Flow
}

// Parity is the parity bit of a character.
type Parity uint8

// The parities. Mark and space send a parity bit that is always 1 or 0.
const (
	ParityNone Parity = iota + 1
	ParityOdd
	ParityEven
	ParityMark
	ParitySpace
)

// StopBits is the length of the stop element.
type StopBits uint8

// The stop elements. One and a half goes with 5 data bits only, and 5 data
// bits do not go with two (the 8250 family).
const (
	StopOne StopBits = iota + 1
	StopOneHalf
	StopTwo
)

// Flow is the flow control of a line.
type Flow uint8

// The kinds of flow control.
const (
	FlowNone Flow = iota + 1
	FlowRTSCTS
	FlowXONXOFF
	FlowBoth   // RTS/CTS and XON/XOFF together
	FlowDSRDTR // DSR holds the sender off, DTR the peer (Windows and package virtual)
)

// The usual characters of XON/XOFF flow control.
const (
	xon  = 0x11 // DC1
	xoff = 0x13 // DC3
)

const (
	parityLetters = " NOEMS"
	maxBaud       = 1<<31 - 1
)

var (
	stopNames = [...]string{"", "1", "1.5", "2"}
	flowNames = [...]string{"", "none", "rtscts", "xonxoff", "both", "dsrdtr"}
)

// String returns the letter that ParseMode reads: N, O, E, M or S, and "-" for
// a parity left as it is.
func (p Parity) String() string {
	if p == 0 || int(p) >= len(parityLetters) {
		return "-"
	}
	return parityLetters[p : p+1]
}

// String returns "1", "1.5" or "2", and "-" for stop bits left as they are.
func (s StopBits) String() string { return nameOf(stopNames[:], int(s)) }

// String returns "none", "rtscts", "xonxoff", "both" or "dsrdtr", and "-" for a flow
// control left as it is.
func (f Flow) String() string { return nameOf(flowNames[:], int(f)) }

func nameOf(names []string, i int) string {
	if i == 0 || i >= len(names) {
		return "-"
	}
	return names[i]
}

// String returns the mode as ParseMode reads it, without the fields that are
// zero.
func (m Mode) String() string {
	var parts []string
	if m.Baud != 0 {
		parts = append(parts, strconv.Itoa(m.Baud))
	}
	if m.DataBits != 0 || m.Parity != 0 || m.StopBits != 0 {
		bits := "-"
		if m.DataBits != 0 {
			bits = strconv.Itoa(m.DataBits)
		}
		parts = append(parts, bits+m.Parity.String()+m.StopBits.String())
	}
	if m.Flow != 0 {
		parts = append(parts, m.Flow.String())
	}
	return strings.Join(parts, ",")
}

// Merge returns m with its zero fields taken from base.
func (m Mode) Merge(base Mode) Mode {
	return Mode{
		Baud:     cmp.Or(m.Baud, base.Baud),
		DataBits: cmp.Or(m.DataBits, base.DataBits),
		Parity:   cmp.Or(m.Parity, base.Parity),
		StopBits: cmp.Or(m.StopBits, base.StopBits),
		Flow:     cmp.Or(m.Flow, base.Flow),
	}
}

// Mismatch returns the first field of m that a port in the mode have does not
// match: its name, as in "bit rate", and the values in m and in have. Fields of
// m that are zero match anything, and so does a bit rate within two per cent,
// which a UART receives without errors. The name is empty if all match.
func (m Mode) Mismatch(have Mode) (field string, want, got any) {
	off := max(m.Baud-have.Baud, have.Baud-m.Baud)
	switch {
	case m.Baud != 0 && off > m.Baud/50:
		return "bit rate", m.Baud, have.Baud
	case m.DataBits != 0 && m.DataBits != have.DataBits:
		return "data bits", m.DataBits, have.DataBits
	case m.Parity != 0 && m.Parity != have.Parity:
		return "parity", m.Parity, have.Parity
	case m.StopBits != 0 && m.StopBits != have.StopBits:
		return "stop bits", m.StopBits, have.StopBits
	case m.Flow != 0 && m.Flow != have.Flow:
		return "flow control", m.Flow, have.Flow
	}
	return "", nil, nil
}

// Validate returns an error that names the first field whose value no serial
// line has. Zero fields are valid; 5 data bits with 2 stop bits and 6 to 8
// with 1.5 are not.
func (m Mode) Validate() error {
	switch {
	case m.Baud < 0 || m.Baud > maxBaud:
		return fmt.Errorf("bit rate %d is out of range: use 1 to %d", m.Baud, maxBaud)
	case m.DataBits != 0 && (m.DataBits < 5 || m.DataBits > 8):
		return fmt.Errorf("%d data bits: use 5, 6, 7 or 8", m.DataBits)
	case m.Parity > ParitySpace:
		return fmt.Errorf("parity %d: use none, odd, even, mark or space", m.Parity)
	case m.StopBits > StopTwo:
		return fmt.Errorf("stop bits %d: use 1, 1.5 or 2", m.StopBits)
	case m.Flow > FlowDSRDTR:
		return fmt.Errorf("flow control %d: use none, rtscts, xonxoff, both or dsrdtr", m.Flow)
	case m.DataBits == 5 && m.StopBits == StopTwo:
		return fmt.Errorf("5 data bits do not go with 2 stop bits: use 1 or 1.5")
	case m.DataBits > 5 && m.StopBits == StopOneHalf:
		return fmt.Errorf("%d data bits do not go with 1.5 stop bits: use 1 or 2", m.DataBits)
	}
	return nil
}

// ParseMode reads a mode from up to three parts in this order, joined by
// commas: the bit rate, the character format as data bits, parity letter and
// stop bits, and the flow control. Each part may be missing and leaves its
// fields zero: "115200,8N1,rtscts", "8N1", "9600", "7E1,xonxoff". Letter case
// does not matter. Format characters may be "-" for "leave as it is".
func ParseMode(s string) (Mode, error) {
	var m Mode
	step := 0
	for part := range strings.SplitSeq(s, ",") {
		next, err := m.parsePart(strings.TrimSpace(part))
		if err == nil && next <= step {
			err = fmt.Errorf("%q comes twice or out of order", part)
		}
		if err != nil {
			return Mode{}, fmt.Errorf("mode %q: %w; write it as 115200,8N1,rtscts", s, err)
		}
		step = next
	}
	if m == (Mode{}) {
		return Mode{}, fmt.Errorf("mode %q sets nothing; write it as 115200,8N1,rtscts", s)
	}
	if err := m.Validate(); err != nil {
		return Mode{}, fmt.Errorf("mode %q: %w", s, err)
	}
	return m, nil
}

// parsePart sets what part specifies and returns its place in the order.
func (m *Mode) parsePart(part string) (int, error) {
	if part != "" && strings.Trim(part, "0123456789") == "" {
		// 64 bits, so that a processor of 32 refuses the same rates with the
		// same words.
		baud, err := strconv.ParseInt(part, 10, 64)
		if err != nil || baud < 1 || baud > maxBaud {
			return 0, fmt.Errorf("bit rate %s is out of range: use 1 to %d", part, maxBaud)
		}
		m.Baud = int(baud)
		return 1, nil
	}
	if m.parseFormat(part) {
		return 2, nil
	}
	for i, name := range flowNames {
		if i > 0 && strings.EqualFold(part, name) {
			m.Flow = Flow(i)
			return 3, nil
		}
	}
	return 0, fmt.Errorf("%q is no bit rate, no format and no flow control", part)
}

func (m *Mode) parseFormat(part string) bool {
	if len(part) < 3 {
		return false
	}
	bits, parity, stop := part[0], part[1:2], part[2:]
	if bits != '-' && (bits < '5' || bits > '8') {
		return false
	}
	p := strings.Index(parityLetters, strings.ToUpper(parity))
	st := slices.Index(stopNames[:], stop)
	if stop == "-" {
		st = 0
	}
	if parity == "-" {
		p = 0
	} else if p < 1 {
		return false
	}
	if st < 0 {
		return false
	}
	if bits != '-' {
		m.DataBits = int(bits - '0')
	}
	m.Parity, m.StopBits = Parity(p), StopBits(st)
	return true
}
