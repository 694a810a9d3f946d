// Package plain makes text of any code page fit for a terminal.
package plain

import (
	"strings"
	"unicode/utf8"
)

// Text returns s in UTF-8 with blanks for control characters, one character for
// each. A text that is not valid UTF-8 is taken for ISO 8859-1.
func Text(s string) string {
	latin1 := !utf8.ValidString(s)
	var b strings.Builder
	for i, r := range s {
		if latin1 {
			r = rune(s[i])
		}
		if r < ' ' || 0x7F <= r && r < 0xA0 {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
