package telnet

import "bytes"

// MaxSub is the longest sub-negotiation that a Decoder passes on, counted
// without its option byte. Longer ones are swallowed whole, so that a peer that
// never ends one costs no more memory than this.
const MaxSub = 512

// Kind is the kind of an Event.
type Kind uint8

// The kinds of Event.
const (
	None      Kind = iota // the bytes ended before an event did
	Command               // IAC and one byte: NOP, BRK, AYT, …
	Negotiate             // WILL, WONT, DO or DONT, and an option
	Sub                   // a sub-negotiation
)

// Event is what a Decoder found between data bytes.
type Event struct {
	Kind   Kind
	Verb   byte   // the command byte of Command and Negotiate
	Option byte   // the option of Negotiate and Sub
	Data   []byte // the unescaped payload of Sub; valid until the next call
}

// Decoder takes a Telnet byte stream apart (RFC 854, RFC 855). The result does
// not depend on how the stream is cut. The zero Decoder is ready, and in binary
// mode; it is for one goroutine.
type Decoder struct {
	// NVT reports that the sender has not agreed to send binary (RFC 856), so
	// that a NUL after a carriage return is padding (RFC 854, "the NVT printer
	// and keyboard") and dropped.
	NVT bool

	// Complete, if not nil, reports whether the payload of a sub-negotiation
	// has the full length that its option prescribes. Some peers do not double
	// an IAC in it; if the payload is complete with a doubled IAC and SE
	// follows, the second IAC was the one before SE.
	Complete func(opt byte, payload []byte) bool

	state state
	verb  byte
	cr    bool   // in NVT mode: the last data byte was a carriage return
	sub   []byte // option and payload so far
	long  bool   // the sub-negotiation has outgrown MaxSub
}

type state uint8

const (
	ground state = iota
	afterIAC
	afterVerb
	inSub
	inSubIAC
	inSubComplete // after a doubled IAC that may not have been doubled
)

// Next decodes p up to the first event. It returns the data that comes before
// the event, unescaped in place at the front of p, what of p comes after it,
// and the event. With no event in p, rest is empty and ev.Kind is None.
func (d *Decoder) Next(p []byte) (data, rest []byte, ev Event) {
	r, w := 0, 0
	for r < len(p) {
		if d.state == ground {
			r, w = d.run(p, r, w)
			continue
		}
		if d.state == inSubComplete {
			d.state = inSub
			if p[r] == SE {
				if ev = d.endSub(); ev.Kind != None {
					return p[:w], p[r+1:], ev
				}
				r++
				continue
			}
		}
		if d.state == inSub {
			n := bytes.IndexByte(p[r:], IAC)
			if n < 0 {
				d.keep(p[r:])
				break
			}
			d.keep(p[r : r+n])
			d.state = inSubIAC
			r += n + 1
			continue
		}
		c := p[r]
		r++
		if d.state == afterIAC && c == IAC {
			p[w] = IAC
			w++
			d.state, d.cr = ground, false
			continue
		}
		if ev = d.command(c); ev.Kind != None {
			return p[:w], p[r:], ev
		}
	}
	return p[:w], nil, Event{}
}

// run moves data from p[r:] to p[w:], up to and past an IAC that is not doubled.
func (d *Decoder) run(p []byte, r, w int) (int, int) {
	for r < len(p) {
		end := indexFrom(p, r, IAC)
		switch {
		case d.NVT:
			// A NUL after a carriage return is no data (RFC 854).
			dst := p[w:]
			src := p[r:end]
			n := 0
			for _, c := range src {
				if pad := d.cr && c == nul; !pad {
					dst[n] = c
					n++
				}
				d.cr = c == cr
			}
			w += n
		case r == w:
			w = end
		default:
			w += copy(p[w:], p[r:end])
		}
		if r = end; r == len(p) {
			break
		}
		switch {
		case r+1 == len(p) || p[r+1] != IAC:
			d.state = afterIAC
			return r + 1, w
		case r+2 < len(p) && p[r+2] != IAC: // by far the most common case
			p[w] = IAC
			r, w = r+2, w+1
		default:
			n := iacRun(p[r:]) / 2
			copy(p[w:], p[r:r+n])
			r, w = r+2*n, w+n
		}
		d.cr = false
	}
	return r, w
}

func (d *Decoder) keep(p []byte) {
	if d.long || len(d.sub)+len(p) > MaxSub+1 {
		d.long = true
		return
	}
	d.sub = append(d.sub, p...)
}

// command handles the byte c in a state after an IAC.
func (d *Decoder) command(c byte) Event {
	switch d.state {
	case afterVerb:
		d.state = ground
		return Event{Kind: Negotiate, Verb: d.verb, Option: c}
	case inSubIAC:
		switch c {
		case IAC:
			d.state = inSub
			d.keep([]byte{IAC})
			if d.Complete != nil && !d.long && len(d.sub) > 1 && d.Complete(d.sub[0], d.sub[1:]) {
				d.state = inSubComplete
			}
			return Event{}
		case SE:
			return d.endSub()
		}
		// No other command belongs here. It ends a sub-negotiation that its
		// sender has given up.
	}
	// c follows an IAC that is not inside a sub-negotiation.
	switch {
	case c == SB:
		d.state, d.sub, d.long = inSub, d.sub[:0], false
	case c >= WILL && c <= DONT:
		d.state, d.verb = afterVerb, c
	case c == IAC || c == SE:
		d.state = ground
	default:
		d.state = ground
		return Event{Kind: Command, Verb: c}
	}
	return Event{}
}

func (d *Decoder) endSub() Event {
	d.state = ground
	if d.long || len(d.sub) == 0 {
		return Event{}
	}
	return Event{Kind: Sub, Option: d.sub[0], Data: d.sub[1:]}
}

// Commands (RFC 854, "TELNET command structure"). Each follows an IAC.
const (
	SE   byte = 240 // end of a sub-negotiation
	NOP  byte = 241 // no operation
	DM   byte = 242 // data mark
	BRK  byte = 243 // break
	IP   byte = 244 // interrupt process
	AO   byte = 245 // abort output
	AYT  byte = 246 // are you there
	EC   byte = 247 // erase character
	EL   byte = 248 // erase line
	GA   byte = 249 // go ahead
	SB   byte = 250 // begin of a sub-negotiation
	WILL byte = 251 // the sender offers an option for itself
	WONT byte = 252 // the sender does not use an option
	DO   byte = 253 // the sender asks the other side to use an option
	DONT byte = 254 // the sender asks the other side not to use an option
	IAC  byte = 255 // interpret as command
)

// Options that a remote port meets.
const (
	Binary     byte = 0  // RFC 856: eight bits a byte, no end-of-line rules
	Echo       byte = 1  // RFC 857
	SGA        byte = 3  // RFC 858: suppress go ahead
	TimingMark byte = 6  // RFC 860: an answer means that all before it was processed
	ComPort    byte = 44 // RFC 2217
)

const (
	cr  byte = '\r'
	nul byte = 0
)
