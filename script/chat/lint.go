package chat

import (
	"strings"
	"time"

	"github.com/rasline/rasline/script/lint"
)

// maxEntries is how many strings the lists of chat(8) hold.
const maxEntries = 50

// linter looks for what is allowed and probably not meant.
type linter struct {
	found   *findings
	aborts  []word // the texts awaited by ABORT at this point
	entries [kindSay + 1]int
	limit   time.Duration // of the time-out in force; 0 if options decide
	prompt  string        // the text awaited last
	name    pos           // of the first send with \T in it, if there is one
}

// inspect adds warnings about the steps of a script, and returns the place of the
// first send with \T in it.
func inspect(steps []step, found *findings) (name pos) {
	l := &linter{found: found}
	for _, s := range steps {
		l.step(s)
	}
	if n := len(steps); n > 0 && steps[n-1].kind == kindExpect && steps[n-1].word.text != "" {
		found.warn(steps[n-1].word.pos, "the script ends with a text to wait for: the number of words is odd")
	}
	return l.name
}

func (l *linter) step(s step) {
	switch s.kind {
	case kindExpect:
		l.expect(s.word)
	case kindSend:
		l.send(s.word)
	case kindAbort, kindReport:
		l.entry(s)
	case kindClearAbort:
		l.clear(s.word)
	case kindTimeout:
		l.timeout(s.word)
	}
}

func (l *linter) expect(w word) {
	if isPhoneNumber(w.text) {
		l.found.warn(w.pos, "%q is awaited, and its dashes divide it into sub-expects: write \\- to wait for a dash, or check the order of the words", w.text)
	}
	for rest, more := w.text, true; more; {
		var text string
		at := len(w.text) - len(rest)
		text, rest, _ = splitExpect(rest)
		l.await(w.part(at, text))
		if rest == "" {
			return
		}
		at = len(w.text) - len(rest)
		text, rest, more = splitExpect(rest)
		l.send(w.part(at, text))
	}
}

// await checks one part of an expect word.
func (l *linter) await(w word) {
	text := expectText(w.text, nil)
	if text == "" {
		return
	}
	l.prompt = text
	if hasHighBit(strings.TrimPrefix(text, "\ufeff")) { // there is a warning of its own for a byte order mark
		l.found.warn(w.pos, "%q can come only in 8-bit mode: the high bit of what is received is cleared", text)
	}
	for _, a := range l.aborts {
		switch {
		case a.text == text:
			l.found.warn(w.pos, "%q is an abort string as well; it is taken as awaited", text)
		case strings.Contains(strings.TrimSuffix(text, a.text), a.text):
			l.found.warn(w.pos, "the abort string %q is a part of %q and comes first", a.text, text)
		}
	}
}

func (l *linter) send(w word) {
	if _, ok := keywords[w.text]; ok {
		l.found.warn(w.pos, "%s is sent here and is no keyword: count the words before it, or write ''", w.text)
	}
	if i := strayC(w.text); i >= 0 {
		l.found.warn(w.at(i), "\\c sends the letter c: it keeps the carriage return back only at the end")
	}
	m := sendText(w.text, nil, inserts{})
	if m.usesT && l.name == (pos{}) {
		l.name = w.pos
	}
	if asksForSecret(l.prompt) && !m.hidden && !strings.HasPrefix(w.text, "@") && m.text != "" {
		l.found.warn(w.pos, "what answers %q is shown in logs: begin it with \\q", l.prompt)
	}
	l.pauses(w, &m)
	l.prompt = ""
}

// pauses checks that those before the last byte fit into the time-out.
func (l *linter) pauses(w word, m *message) {
	limit := l.limit
	if limit == 0 {
		limit = defaultTimeout
	}
	parts := m.parts()
	var total time.Duration
	for _, p := range parts[:lastSend(parts)+1] {
		if p.action == actionPause {
			total += longPause
		}
	}
	if total >= limit {
		l.found.warn(w.pos, "the pauses of %v take longer than the time-out of %v, which limits the send too", total, limit)
	}
}

func (l *linter) entry(s step) {
	name := "ABORT"
	if s.kind == kindReport {
		name = "REPORT"
	}
	text := expectText(s.word.text, nil)
	if text == "" {
		l.found.warn(s.word.pos, "an empty %s string comes with the first byte of any wait", name)
	}
	if l.entries[s.kind]++; l.entries[s.kind] == maxEntries+1 {
		l.found.warn(s.word.pos, "chat(8) takes %d %s strings at most", maxEntries, name)
	}
	if s.kind == kindAbort && text != "" && len(l.aborts) < maxEntries {
		l.aborts = append(l.aborts, word{pos: s.word.pos, text: text})
	}
}

func (l *linter) clear(w word) {
	text := expectText(w.text, nil)
	kept := l.aborts[:0]
	for _, a := range l.aborts {
		if a.text != text {
			kept = append(kept, a)
		}
	}
	l.entries[kindAbort] -= len(l.aborts) - len(kept)
	l.aborts = kept
}

func (l *linter) timeout(w word) {
	l.limit = seconds(expectText(w.text, nil))
	if l.limit <= 0 {
		l.limit = defaultTimeout
		l.found.warn(w.pos, "TIMEOUT %s sets 45 seconds, not an endless wait", w.text)
	}
}

// isPhoneNumber reports whether an expect word looks like a number to dial.
func isPhoneNumber(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c != '-':
			return false
		}
	}
	return digits >= 3 && strings.Contains(s, "-")
}

func hasHighBit(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// strayC returns the index of a \c that does not end the word, or -1.
func strayC(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if s[i+1] == 'c' && i+2 < len(s) {
			return i
		}
		i++
	}
	return -1
}

// asksForSecret reports whether a prompt asks for something that is no log's
// business. The beginning of the word is often left out, since it may have been
// lost.
func asksForSecret(prompt string) bool {
	prompt = lint.Fold(prompt)
	for _, s := range []string{"ssword", "asswd", "sscode", "ssphrase", "secret"} {
		if strings.Contains(prompt, s) {
			return true
		}
	}
	return strings.HasSuffix(prompt, "word:")
}
