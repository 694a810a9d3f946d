// Package mask hides secrets in texts and in streams that are about to be
// shown.
//
// A peer echoes a password in many ways: in other letter case, with parity
// bits, wrapped to the width of its terminal, with a character lost or damaged,
// cut to the eight characters that old systems keep, overtyped with backspaces;
// and programs print it quoted, in hexadecimal, in base64 or escaped for a URL.
// A [Masker] knows these forms of its secrets. It hides every piece of a form
// that is long enough to be recognised, with one error in it at most, and
// ignores line ends, control characters and terminal sequences in between.
//
// A piece is long enough if it has all characters of the secret but one, or
// eight. Secrets of fewer than [Short] bytes would be found in ordinary words:
// they are hidden only where an echo is expected, up to the next line end; see
// [Masker.Expect].
package mask

import (
	"bytes"
	"sync"
)

// Mark is what is shown in place of a secret.
const Mark = "***"

// Short is the length in bytes from which a secret is hidden everywhere.
const Short = 4

// Masker holds secrets. The zero Masker has none and is ready for use. Its
// methods may be called from several goroutines.
type Masker struct {
	mu    sync.Mutex // guards what follows
	known map[string]bool
	forms []*form
	whole *Stream // for Mask
	grams *filter // of the forms, as of its last use

	short  []string // secrets that Expect announced
	before int      // how many of them were dropped from the front of short
}

// keptShort is how many announced secrets are remembered.
const keptShort = 8

// Expect announces that the secret is about to be sent, so that its echo may
// follow up to the next line end of every stream. It does what Add does for a
// secret that is not short.
func (m *Masker) Expect(secret string) {
	trimmed := trim(secret)
	if len(trimmed) >= Short {
		m.Add(secret)
		return
	}
	if trimmed == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.short = append(m.short, trimmed)
	if n := len(m.short) - keptShort; n > 0 {
		m.short = append(m.short[:0], m.short[n:]...)
		m.before += n
	}
}

// Add registers a secret. White space at its end is not part of it, since the
// line end that it is sent with is echoed in another form. A short secret is
// ignored; see Short.
func (m *Masker) Add(secret string) {
	trimmed := trim(secret)
	if len(trimmed) < Short {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[trimmed] {
		return
	}
	if m.known == nil {
		m.known = make(map[string]bool)
	}
	m.known[trimmed] = true
	m.forms = append(m.forms, formsOf(trimmed)...)
}

// Empty reports whether no secret is registered that is hidden everywhere.
func (m *Masker) Empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.forms) == 0
}

// Mask returns a copy of b that may be shown. The beginning of a secret at the
// end of b is hidden as well, since an echo may still be arriving. If b is the
// last part of a longer text, tail must be set: then the end of a secret at the
// start of b is hidden, a piece of one that fills b, and an announced short
// secret up to the first line end.
func (m *Masker) Mask(b []byte, tail bool) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.forms) == 0 && len(m.short) == 0 {
		return bytes.Clone(b)
	}
	if m.whole == nil {
		m.whole = new(Stream)
	}
	s := m.whole
	s.start(m)
	s.sync()
	var out []byte
	if tail {
		for _, secret := range m.short {
			s.expect(secret)
		}
	}
	s.holdAll(b)
	if tail {
		s.hideEnds()
	}
	s.Flush(func(b []byte) { out = append(out, b...) })
	if out == nil {
		out = []byte{}
	}
	return out
}

// MaskText returns a copy of a text that is whole and may be shown, such as a
// message: only what is recognised is hidden, and its end is not treated as the
// beginning of a secret that is still arriving.
func (m *Masker) MaskText(text string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.forms) == 0 {
		return text
	}
	if m.whole == nil {
		m.whole = new(Stream)
	}
	s := m.whole
	s.start(m)
	s.sync()
	s.holdAll([]byte(text))
	s.hide = -1
	var out []byte
	s.Flush(func(b []byte) { out = append(out, b...) })
	return string(out)
}

func trim(secret string) string {
	return string(bytes.TrimRight([]byte(secret), "\r\n \t"))
}
