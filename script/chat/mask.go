package chat

import (
	"slices"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// masked stands for a secret in what was received.
const masked = "***"

// mask hides secrets in a stream that is shown as it comes. Bytes with which a
// secret may have begun are held back until it is clear whether they are one.
// Letter case does not matter, as a far end may echo in its own.
type mask struct {
	secrets []string // lower case, the longest first
	held    []byte   // the beginning of some secret, in lower case
	raw     []byte   // the same bytes as they came
	shown   int      // how many of them were shown already, or masked
}

func (m *mask) add(secret string) {
	secret = lint.Fold(secret)
	if secret == "" || slices.Contains(m.secrets, secret) {
		return
	}
	m.secrets = append(m.secrets, secret)
	slices.SortStableFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
}

// put adds a byte to the stream and calls emit for each one that may be shown
// now.
func (m *mask) put(c byte, emit func(c byte)) {
	if len(m.secrets) == 0 {
		emit(c)
		return
	}
	m.held = append(m.held, lint.FoldByte(c))
	m.raw = append(m.raw, c)
	for len(m.held) > 0 && !m.begins() {
		if n := m.complete(); n > 0 {
			m.dropSecret(n, emit)
			continue
		}
		if m.shown == 0 {
			emit(m.raw[0])
		}
		m.drop(1)
	}
}

// begins reports whether held is the beginning of a secret that is longer.
func (m *mask) begins() bool {
	return slices.ContainsFunc(m.secrets, func(s string) bool {
		return len(s) > len(m.held) && s[:len(m.held)] == string(m.held)
	})
}

// complete returns the length of the longest secret with which held begins.
func (m *mask) complete() int {
	for _, s := range m.secrets {
		if strings.HasPrefix(string(m.held), s) {
			return len(s)
		}
	}
	return 0
}

// dropSecret shows the mask for the first n bytes, unless all were shown.
func (m *mask) dropSecret(n int, emit func(c byte)) {
	if m.shown < n {
		emitAll(masked, emit)
	}
	m.drop(n)
}

func (m *mask) drop(n int) {
	m.held = append(m.held[:0], m.held[n:]...)
	m.raw = append(m.raw[:0], m.raw[n:]...)
	m.shown = max(0, m.shown-n)
}

// flush shows what is held back, because nothing may follow for long. It stays
// known as the beginning of a secret. A whole secret or several bytes of one
// are masked; a single byte gives nothing away.
func (m *mask) flush(emit func(c byte)) {
	switch open := len(m.held) - m.shown; {
	case open == 1 && m.complete() == 0:
		emit(m.raw[m.shown])
	case open > 0:
		emitAll(masked, emit)
	}
	m.shown = len(m.held)
}

func emitAll(s string, emit func(c byte)) {
	for i := range len(s) {
		emit(s[i])
	}
}

// apply returns a text that is no part of the stream with the secrets in it
// masked.
func (m *mask) apply(text string) string {
	if len(m.secrets) == 0 {
		return text
	}
	var b strings.Builder
	emit := func(c byte) { b.WriteByte(c) }
	one := mask{secrets: m.secrets}
	for i := range len(text) {
		one.put(text[i], emit)
	}
	one.flush(emit)
	return b.String()
}
