package ras

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
)

const masked = "***"

// Secret is a text that must not be seen, such as a password. However it is
// printed, logged or marshalled, "***" comes out; only Reveal gives the text.
// The empty Secret prints as "" so that one can see that it was not set.
//
// Package fmt cannot ask the methods of an unexported field, so keep a Secret
// in exported fields or behind a pointer.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or "" for the empty Secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is String, in quotes.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format prints "***" for every verb.
func (s Secret) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'q' || verb == 'v' && f.Flag('#'):
		io.WriteString(f, s.GoString())
	default:
		io.WriteString(f, s.String())
	}
}

// LogValue is what log/slog prints.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what encoding/json and others write.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// masker replaces secrets in texts that are about to be shown.
type masker struct {
	mu      sync.Mutex
	secrets [][]byte // lower case, the longest first
}

func (m *masker) add(text string) {
	if text == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lower := asciiLower([]byte(text))
	if slices.ContainsFunc(m.secrets, func(s []byte) bool { return bytes.Equal(s, lower) }) {
		return
	}
	m.secrets = append(m.secrets, lower)
	slices.SortStableFunc(m.secrets, func(a, b []byte) int { return len(b) - len(a) })
}

// mask returns a copy of b in which every secret reads "***", in whatever
// letter case it came back. At the end the beginning of a secret is masked as
// well, since an echo may still be arriving, and at the front the end of one if
// something was cut off there.
func (m *masker) mask(b []byte, cut bool) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.secrets) == 0 {
		return bytes.Clone(b)
	}
	hidden := make([]bool, len(b))
	lower := asciiLower(b)
	for _, s := range m.secrets {
		hideAll(hidden, lower, s)
		hideStart(hidden, lower, s)
		if cut {
			hideEnd(hidden, lower, s)
		}
	}
	return render(b, hidden)
}

func hideAll(hidden []bool, text, secret []byte) {
	for at := 0; ; {
		i := bytes.Index(text[at:], secret)
		if i < 0 {
			return
		}
		fill(hidden[at+i : at+i+len(secret)])
		at += i + 1
	}
}

// leastPart is the shortest part of a secret that is hidden at an edge: a single
// character gives nothing away and is too often a character of something else.
const leastPart = 2

// hideStart hides the start of a secret at the end of text.
func hideStart(hidden []bool, text, secret []byte) {
	for n := min(len(secret)-1, len(text)); n >= leastPart; n-- {
		if bytes.HasSuffix(text, secret[:n]) {
			fill(hidden[len(text)-n:])
			return
		}
	}
}

// hideEnd hides the end of a secret at the start of text.
func hideEnd(hidden []bool, text, secret []byte) {
	for n := min(len(secret)-1, len(text)); n >= leastPart; n-- {
		if bytes.HasPrefix(text, secret[len(secret)-n:]) {
			fill(hidden[:n])
			return
		}
	}
}

func fill(b []bool) {
	for i := range b {
		b[i] = true
	}
}

func render(b []byte, hidden []bool) []byte {
	out := make([]byte, 0, len(b))
	for i, c := range b {
		switch {
		case !hidden[i]:
			out = append(out, c)
		case i == 0 || !hidden[i-1]:
			out = append(out, masked...)
		}
	}
	return out
}

func asciiLower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
