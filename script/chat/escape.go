package chat

import (
	"strings"
)

// Escapes are read in two stages, as chat(8) does. The first replaces what
// represents a byte; for a send it leaves alone what represents an action, and
// for any other byte after a backslash. The second stage, of sends only, acts
// on the backslashes that are left, also on those in inserted texts.

// env gives the values for $NAME, or is nil where $ is an ordinary byte.
type env func(name string) (string, bool)

// expectText returns the text that an expect word waits for.
func expectText(s string, env env) string {
	var b strings.Builder
	for len(s) > 0 {
		c, next := s[0], s[1:]
		switch {
		case c == '\\' && next != "":
			switch e := next[0]; {
			case e == 'q':
				next = next[1:]
			case e == 'T' || e == 'U':
				b.WriteString(`\` + next[:1])
				next = next[1:]
			case isOctal(e):
				v, n := octal(next)
				if v != 0 {
					b.WriteByte(v)
				}
				next = next[n:]
			default:
				b.WriteByte(plain(e))
				next = next[1:]
			}
		case c == '\\':
		case c == '^' && next != "":
			next = control(&b, next)
		case c == '$' && env != nil:
			next = insertValue(&b, next, env)
		default:
			b.WriteByte(c)
		}
		s = next
	}
	return b.String()
}

// plain returns the byte that a backslash and c represent where c names no
// action.
func plain(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 's':
		return ' '
	case 't':
		return '\t'
	}
	return c
}

// control adds the control character that the circumflex before s makes of the
// first byte, unless it is NUL, and returns what follows.
func control(b *strings.Builder, s string) string {
	if c := s[0] & 0x1F; c != 0 {
		b.WriteByte(c)
	}
	return s[1:]
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// octal reads up to three octal digits, of whose value the low 8 bits count.
func octal(s string) (v byte, n int) {
	for n < len(s) && n < 3 && isOctal(s[n]) {
		v = v<<3 | (s[n] - '0')
		n++
	}
	return v, n
}

// insertValue adds the value of the variable named at the start of s, if it is
// set, and returns what follows the name.
func insertValue(b *strings.Builder, s string, env env) string {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	if n > 0 {
		value, _ := env(s[:n])
		b.WriteString(value)
	}
	return s[n:]
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// message is a send word after the first stage.
type message struct {
	text   string // with the escapes of the second stage
	cr     bool   // a carriage return follows
	hidden bool   // \q: the log must not show it
	spans  []span // secret parts of text
	usesT  bool   // \T is in it
	usesU  bool   // \U is in it
}

// span is the part of a text from one index up to another.
type span struct{ from, to int }

// inserts are the texts for \T and \U; nil ones are not given.
type inserts struct{ t, u *string }

// sendText runs the first stage over a send word.
func sendText(s string, env env, in inserts) message {
	var b strings.Builder
	m := message{cr: true}
	for len(s) > 0 {
		c, next := s[0], s[1:]
		switch {
		case c == '\\' && next == "":
			b.WriteString(`\\`)
		case c == '\\' && next == "c":
			m.cr, next = false, ""
		case c == '\\':
			next = m.escape(&b, next, env, in)
		case c == '^' && next != "":
			next = control(&b, next)
		case c == '$' && env != nil:
			next = insertValue(&b, next, env)
		default:
			b.WriteByte(c)
		}
		s = next
	}
	m.text = b.String()
	return m
}

// escape adds what the backslash before s represents in a send, or leaves it to
// the second stage, and returns what follows.
func (m *message) escape(b *strings.Builder, s string, env env, in inserts) string {
	c := s[0]
	m.usesT = m.usesT || c == 'T'
	m.usesU = m.usesU || c == 'U'
	switch {
	case c == 'q':
		m.hidden = true
	case c == 'c':
		b.WriteByte('c')
	case c == 'N':
		b.WriteString("\\\x00")
	case isOctal(c):
		// A backslash keeps the byte from acting in the second stage.
		v, n := octal(s)
		if v == 0 || v == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(v)
		return s[n:]
	case c == 'T' && in.t != nil:
		b.WriteString(*in.t)
	case c == 'U' && in.u != nil:
		from := b.Len()
		b.WriteString(*in.u)
		m.spans = append(m.spans, span{from, b.Len()})
	case plain(c) != c:
		b.WriteByte(plain(c))
	case c == '$' && env != nil:
		b.WriteByte('$')
	default:
		b.WriteString(`\` + s[:1])
	}
	return s[1:]
}

// shown returns the message as a log may show it: without secrets, and up to
// the first NUL, where chat(8) ends it.
func (m *message) shown() string {
	if m.hidden {
		return unshown
	}
	var b strings.Builder
	from := 0
	for _, s := range m.spans {
		b.WriteString(m.text[from:s.from])
		if s.to > s.from {
			b.WriteString(unshown)
		}
		from = s.to
	}
	b.WriteString(m.text[from:])
	if m.cr {
		b.WriteByte('\r')
	}
	text, _, _ := strings.Cut(b.String(), "\x00")
	return text
}

// unshown replaces a secret in the log of a send.
const unshown = "??????"

// action is what a step of a send does.
type action uint8

const (
	actionSend action = iota
	actionPause
	actionShortPause
	actionBreak
)

// part is one step of a send.
type part struct {
	action action
	data   string // for actionSend
}

// parts runs the second stage.
func (m *message) parts() []part {
	text := m.text
	if m.cr {
		text += "\r"
	}
	var out []part
	var data strings.Builder
	flush := func() {
		if data.Len() > 0 {
			out = append(out, part{actionSend, data.String()})
			data.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			data.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'd':
			flush()
			out = append(out, part{action: actionPause})
		case 'p':
			flush()
			out = append(out, part{action: actionShortPause})
		case 'K':
			flush()
			out = append(out, part{action: actionBreak})
		default:
			data.WriteByte(text[i])
		}
	}
	flush()
	return out
}

// onTheLine returns the bytes that the parts send, without the pauses between.
func onTheLine(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.data)
	}
	return b.String()
}

// visible returns s as chat(8) shows it in logs: ^X for control bytes but the
// tab, and M- before those with the high bit.
func visible(s string) string {
	var b []byte
	for i := range len(s) {
		b = appendVisible(b, s[i])
	}
	return string(b)
}

func appendVisible(b []byte, c byte) []byte {
	if c >= 0x80 {
		b = append(b, "M-"...)
		c &= 0x7F
	}
	if c == '\t' {
		return append(b, c)
	}
	return appendCaret(b, c)
}

func appendCaret(b []byte, c byte) []byte {
	if c < ' ' || c == 0x7F {
		return append(b, '^', c^0x40)
	}
	return append(b, c)
}
