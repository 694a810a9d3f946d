package lint

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plain returns s as UTF-8 that any terminal can show, one character for each of
// s: control characters other than those in keep become spaces. A text that is
// not valid UTF-8 is read as ISO 8859-1.
func Plain(s, keep string) string {
	latin1 := !utf8.ValidString(s)
	var b strings.Builder
	for i, r := range s {
		if latin1 {
			r = rune(s[i])
		}
		if (r < ' ' || 0x7F <= r && r < 0xA0) && !strings.ContainsRune(keep, r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Fold returns s with A to Z in lower case and every other byte as it is, which
// is how the script languages compare names in any code page.
func Fold(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = FoldByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// FoldByte is Fold for one byte.
func FoldByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// Visible returns s with every character that a terminal does not show as one
// (control characters, invisible and bidirectional ones, spaces other than the
// plain one, bytes that are no UTF-8) written as in a Go string, so that nothing
// in a script can act on the terminal through a message about it.
func Visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}
