package switchinf

// A matcher follows one response line through the bytes of a response. It
// holds all places of the pattern at which the bytes so far may be, so a
// byte costs no more than the pattern is long.
type matcher struct {
	response *response
	places   []int // ascending: the elements that may be next
	spare    []int

	// ready reports that all of the pattern but its ending has fitted, with the
	// first at bytes of the response. Silence then completes it.
	ready bool
	at    int
}

func newMatcher(r *response) matcher {
	m := matcher{response: r}
	m.reset(0)
	return m
}

// reset begins a new response at the offset.
func (m *matcher) reset(from int) {
	m.places, m.ready, m.at = append(m.places[:0], 0), false, from
	if len(m.response.pattern.elems) == 0 {
		m.places = m.places[:0]
		m.ready = m.response.pattern.ending != endNone
	}
}

// take follows the next byte, the one that makes total, and reports whether the
// pattern fits now.
func (m *matcher) take(b byte, total int) bool {
	if m.ready || len(m.places) == 0 {
		return false
	}
	p := &m.response.pattern
	next, fits := m.spare[:0], false
	for _, at := range m.places {
		e := &p.elems[at]
		if e.gap && (len(next) == 0 || next[len(next)-1] != at) {
			next = append(next, at)
		}
		if !e.any && e.b != b {
			continue
		}
		if at+1 == len(p.elems) {
			fits = true
			continue
		}
		next = append(next, at+1)
	}
	m.places, m.spare = next, m.places
	if fits && p.ending != endNone {
		m.ready, m.at = true, total // silence completes it
		return false
	}
	return fits
}

// A reading is one way to read what was received for a step: as a response from
// the byte with offset from on. What is before it is the echo of the command.
type reading struct {
	from    int
	matches []matcher
}

// echo follows what may be the echo of the command: its bytes in order, each CR
// with an LF after it or without.
//
// While every byte received may be of the echo, nothing shows whether it is.
//
//	state      entered                                  what was received is
//	possible   with the command                         the echo or a response
//	complete   when all of the command was received     the echo, of a command with text
//	over       at the first byte that does not fit      a response, if the echo is not complete
type echo struct {
	want   []byte
	secret []span // passwords in want
	taken  int    // bytes of want that were received
	bytes  int    // bytes received as the echo, with the line feeds
	hadCR  bool   // the last of them is a CR
	over   bool
	text   bool // the command has more than line ends
}

type span struct{ from, to int }

func (e *echo) reset() { *e = echo{want: e.want[:0], secret: e.secret[:0], over: true} }

func (e *echo) expect(b []byte, secret bool) {
	if secret {
		e.secret = append(e.secret, span{len(e.want), len(e.want) + len(b)})
	}
	e.want = append(e.want, b...)
	for _, c := range b {
		e.text = e.text || c != '\r' && c != '\n'
	}
	e.over = len(e.want) == 0
}

// take reports whether b may be of the echo. The first byte that is not ends it.
func (e *echo) take(b byte) bool {
	switch {
	case e.over:
		return false
	case e.taken < len(e.want) && e.want[e.taken] == b:
		e.taken++
		e.hadCR = b == '\r'
	case e.hadCR && b == '\n':
		e.hadCR = false
	default:
		e.over = true
		return false
	}
	e.bytes++
	return true
}

func (e *echo) complete() bool { return e.taken == len(e.want) && e.taken > 0 }

const (
	maxBuffer = 1 << 16 // bytes of a response that are kept
	keptTail  = 1 << 10 // bytes of it that an error shows
)

// buffer is the response so far. When it is full its first half is dropped.
type buffer struct {
	kept  []byte
	total int // bytes of the response, those that were dropped included
}

func (b *buffer) reset() { b.kept, b.total = b.kept[:0], 0 }

func (b *buffer) add(c byte) {
	if len(b.kept) == maxBuffer {
		b.kept = b.kept[:copy(b.kept, b.kept[maxBuffer/2:])]
	}
	b.kept = append(b.kept, c)
	b.total++
}

// after returns what follows the first n bytes of the response.
func (b *buffer) after(n int) []byte {
	return b.kept[max(0, len(b.kept)-(b.total-n)):]
}

// cut removes what follows the first n bytes, and returns it.
func (b *buffer) cut(n int) []byte {
	rest := b.after(n)
	b.kept, b.total = b.kept[:len(b.kept)-len(rest)], n
	return rest
}
