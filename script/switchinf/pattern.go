package switchinf

import (
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// An action is what a response that fits does.
type action uint8

const (
	actNone    action = iota // not a response
	actNext                  // OK
	actLoop                  // LOOP
	actConnect               // CONNECT, CONNECT_EC and the like
	actFail                  // ERROR, ERROR_NO_CARRIER and the like
)

// actionOf returns the action of a keyword in capital letters.
func actionOf(keyword string) action {
	switch keyword {
	case "OK":
		return actNext
	case "LOOP":
		return actLoop
	case "CONNECT":
		return actConnect
	case "ERROR":
		return actFail
	}
	if name, ok := strings.CutPrefix(keyword, "CONNECT_"); ok && isName(name, "") {
		return actConnect
	}
	if name, ok := strings.CutPrefix(keyword, "ERROR_"); ok && isName(name, "_0123456789") {
		return actFail
	}
	return actNone
}

// isName reports whether s begins with a capital letter and has only those and
// the bytes of more.
func isName(s, more string) bool {
	for i := range len(s) {
		letter := 'A' <= s[i] && s[i] <= 'Z'
		if !letter && (i == 0 || strings.IndexByte(more, s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// A response is one line of a step.
type response struct {
	line    int
	keyword string
	action  action
	pattern pattern
	text    string // the line as it is written
}

// shown returns the line for a message, cut if it is long.
func (r *response) shown() string {
	const shown = 60
	text := lint.Visible(strings.TrimRight(r.text, " \t"))
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "..."
	}
	return text
}

// An ending is what a pattern has after its last byte.
type ending uint8

const (
	endNone        ending = iota
	endIgnore             // <ignore>
	endDiagnostics        // <diagnostics>
)

// A pattern is what a response must look like. It fits the start of what arrived,
// but for bytes before an element with a gap.
type pattern struct {
	elems  []elem
	ending ending
}

// An elem is one byte of a response.
type elem struct {
	b   byte
	any bool // whatever byte it is
	gap bool // any number of bytes may precede it
}

// parsePattern reads what follows the equals sign of a response, without
// the blanks around it.
func (p *parser) parsePattern(l *line, from int) pattern {
	v := &value{p: p, line: l, pos: from, end: len(strings.TrimRight(l.text, " \t"))}
	for v.pos < v.end && isBlank(l.text[v.pos]) {
		v.pos++
	}
	b := patternBuilder{p: p, value: v}
	start := v.pos
	for !b.closed {
		t, ok := v.next()
		if !ok {
			break
		}
		b.add(t)
	}
	if len(b.pattern.elems) > maxPattern {
		p.fail(l.at(start), "the pattern is longer than %d bytes: shorten it", maxPattern)
	}
	if start == v.end {
		p.warn(l.at(0), "an empty pattern never fits: write <ignore> for any response")
	}
	return b.pattern
}

type patternBuilder struct {
	p       *parser
	value   *value
	pattern pattern
	gap     bool // before the next element
	closed  bool // whether what follows does not count
}

func (b *patternBuilder) add(t token) {
	modem := b.p.section.Kind >= KindModem
	if b.pattern.ending != endNone && !modem {
		b.p.mistake(b.value.line.at(t.at), "text after <ignore> or <diagnostics> does not count: leave it out")
		b.closed = true
		return
	}
	switch t.macro {
	case "", "?":
		b.elem(t)
	case "match":
		b.gap = true
		for _, q := range b.value.quoted(t.at) {
			b.elem(q)
		}
	case "ignore":
		b.pattern.ending = endIgnore
	case "diagnostics":
		b.pattern.ending = endDiagnostics
	default:
		if modem {
			// A macro of MODEM.INF represents some text.
			b.pattern.ending = endIgnore
			return
		}
		b.p.wrongMacro(b.value.line, t, "a response")
	}
}

// elem adds one byte. After an <ignore>, which only MODEM.INF has inside a
// pattern, it may follow anywhere.
func (b *patternBuilder) elem(t token) {
	e := elem{b: t.b, any: t.macro == "?", gap: b.gap || b.pattern.ending != endNone}
	b.pattern.elems = append(b.pattern.elems, e)
	b.pattern.ending, b.gap = endNone, false
}
