package rasabi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// The errors of a text. They are wrapped in a TextError.
var (
	ErrTooLong      = errors.New("the text is too long for the field, and is never cut")
	ErrUnterminated = errors.New("the text has no final NUL")
	ErrNUL          = errors.New("the text contains a NUL character")
	ErrEncoding     = errors.New("the text is not valid Unicode")
)

// A TextError reports which text field was refused and why. It never holds the
// text, which may be a password. Windows has the code ERROR_INVALID_PARAMETER
// for it.
type TextError struct {
	Field string // the C name; empty outside structures
	Err   error  // one of the four above
}

// Error returns the field's name and the cause.
func (e *TextError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Field, e.Err)
}

// Unwrap returns the cause.
func (e *TextError) Unwrap() error { return e.Err }

func withField(err error, f Field) error {
	if err == nil {
		return nil
	}
	return &TextError{Field: f.name, Err: err}
}

// DecodeText returns the UTF-16 text in b up to its NUL. It fails with
// ErrUnterminated if there is none in b, and with ErrEncoding for half a
// surrogate pair, which no Go string can hold.
func DecodeText(b []byte) (string, error) {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			b := b[:i]
			var out []byte
			for i := 0; i < len(b); i += 2 {
				r := rune(binary.LittleEndian.Uint16(b[i:]))
				if utf16.IsSurrogate(r) {
					if i += 2; i >= len(b) {
						return "", ErrEncoding
					}
					r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[i:])))
					if r == utf8.RuneError {
						return "", ErrEncoding
					}
				}
				out = utf8.AppendRune(out, r)
			}
			return string(out), nil
		}
	}
	return "", ErrUnterminated
}

// EncodeText writes s into b as UTF-16 with a NUL and clears the rest of b.
// It fails without a change to b if s and its NUL do not fit (ErrTooLong), if s
// holds a NUL (ErrNUL), or if s is not valid UTF-8 (ErrEncoding).
func EncodeText(b []byte, s string) error {
	text, err := AppendText(nil, s)
	defer clear(text)
	if err != nil {
		return err
	}
	if len(text) > len(b) {
		return ErrTooLong
	}
	clear(b[copy(b, text):])
	return nil
}

// AppendText appends s as UTF-16 with a final NUL. It fails with ErrNUL or
// ErrEncoding as EncodeText does, and then returns b.
func AppendText(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, ErrEncoding
	}
	out := b
	for _, r := range s {
		if r == 0 {
			return b, ErrNUL
		}
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			out = binary.LittleEndian.AppendUint16(out, uint16(hi))
			r = lo
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(r))
	}
	return append(out, 0, 0), nil
}
