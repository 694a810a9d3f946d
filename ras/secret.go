package ras

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/rasline/rasline/internal/mask"
)

// Secret is a text that must not be seen, such as a password. Package fmt,
// log/slog, encoding/json, encoding/xml and other users of MarshalText write
// "***" for it, and encoding/gob refuses it; only Reveal gives the text. The
// empty Secret prints as "" so that one can see that it was not set.
//
// Three ways around this remain. For the verbs %p and %w package fmt calls no
// method of the operand and prints the text; go vet reports such a call. Package
// fmt cannot call the methods of an unexported field either: keep a Secret in
// exported fields or in a pointer. And encoding/asn1 and the keys of JSON
// objects write any string type as it is.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or "" for the empty Secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask.Mark
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

// GobEncode refuses: encoding/gob would write the text, and "***" could not be
// read back as what it was.
func (s Secret) GobEncode() ([]byte, error) {
	return nil, errors.New("ras: a Secret is not encoded; leave it out or use Reveal")
}

// GobDecode refuses, as GobEncode does.
func (s *Secret) GobDecode([]byte) error {
	return errors.New("ras: a Secret is not decoded; set it by hand")
}

// MaskWriter hides the secrets of a call in a stream on its way to a writer. It
// holds back what may be the beginning of a secret until more is written or
// Flush is called. It is for use by one goroutine at a time. Call.MaskStream
// makes one.
type MaskWriter struct {
	w      io.Writer
	stream *mask.Stream
	err    error
}

// Write adds b to the stream. It returns len(b), and the first error of the
// writer.
func (m *MaskWriter) Write(b []byte) (int, error) {
	m.stream.Write(b, m.emit)
	return len(b), m.err
}

// Flush writes what is held back, with the beginning of a secret hidden from its
// second byte on.
func (m *MaskWriter) Flush() error {
	m.stream.Flush(m.emit)
	return m.err
}

func (m *MaskWriter) emit(b []byte) {
	if _, err := m.w.Write(b); err != nil && m.err == nil {
		m.err = err
	}
}
