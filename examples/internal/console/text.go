package console

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns a writer for what a script shows of itself and of the peer, for one
// goroutine. Line ends, tabs, backspaces and bells act; every other control
// character is shown, an ESC as ^[, so that a peer cannot act on a terminal that it
// was not given. A byte that is not UTF-8 is shown as in ISO 8859-1.
func (s *Screen) Text() io.Writer { return &textWriter{w: s} }

type textWriter struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (t *textWriter) Write(b []byte) (int, error) {
	var out strings.Builder
	in := append(t.rest, b...)
	for utf8.FullRune(in) {
		r, size := utf8.DecodeRune(in)
		if r == utf8.RuneError && size == 1 {
			r = rune(in[0])
		}
		switch {
		case unicode.IsGraphic(r), strings.ContainsRune("\a\b\t\n\r", r):
			out.WriteRune(r)
		case r < utf8.RuneSelf:
			out.WriteString("^" + string(r^0x40))
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		in = in[size:]
	}
	t.rest = append([]byte(nil), in...)
	if out.Len() == 0 {
		return len(b), nil
	}
	if _, err := io.WriteString(t.w, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}
