package lint

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plain returns s as UTF-8 that any terminal can show, one character for each of
// s: control characters other than those in keep, and characters that are not
// seen or turn the direction of the text, become spaces. A text that is not valid
// UTF-8 is read as ISO 8859-1.
func Plain(s, keep string) string {
	latin1 := !utf8.ValidString(s)
	var b strings.Builder
	for i, r := range s {
		if latin1 {
			r = rune(s[i])
		}
		if !strconv.IsPrint(r) && !strings.ContainsRune(keep, r) {
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

// invisible names the characters that are not seen, or are taken for a space,
// and get into scripts with text from web pages and word processors.
var invisible = map[rune]string{
	'\u00A0': "no-break space",
	'\u00AD': "soft hyphen",
	'\u1680': "ogham space mark",
	'\u2000': "en quad", '\u2001': "em quad", '\u2002': "en space", '\u2003': "em space",
	'\u2004': "third-of-an-em space", '\u2005': "quarter-of-an-em space", '\u2006': "sixth-of-an-em space",
	'\u2007': "figure space", '\u2008': "punctuation space", '\u2009': "thin space", '\u200A': "hair space",
	'\u200B': "zero width space", '\u200C': "zero width non-joiner", '\u200D': "zero width joiner",
	'\u200E': "left-to-right mark", '\u200F': "right-to-left mark",
	'\u2028': "line separator", '\u2029': "paragraph separator",
	'\u202A': "left-to-right embedding", '\u202B': "right-to-left embedding", '\u202C': "end of a direction",
	'\u202D': "left-to-right override", '\u202E': "right-to-left override",
	'\u202F': "narrow no-break space", '\u205F': "mathematical space", '\u2060': "word joiner",
	'\u2066': "left-to-right isolate", '\u2067': "right-to-left isolate", '\u2068': "first strong isolate", '\u2069': "end of an isolate",
	'\u3000': "ideographic space", '\uFEFF': "byte order mark",
}

// Invisible returns the first character of s that is not seen or is taken for a
// plain space: its offset and its name with its number, such as "no-break space
// (U+00A0)". In a text that is not UTF-8 the byte 0xA0 is one, the no-break
// space of ISO 8859 and the Windows code pages. The name is "" if there is none.
func Invisible(s string) (at int, name string) {
	for i, r := range s {
		if name := invisible[r]; name != "" {
			return i, fmt.Sprintf("%s (U+%04X)", name, r)
		}
	}
	if !utf8.ValidString(s) {
		if i := strings.IndexByte(s, 0xA0); i >= 0 {
			return i, "no-break space (byte 0xA0)"
		}
	}
	return 0, ""
}

// CurlyQuote returns the offset of the first typographic quote in s, in UTF-8 or
// in the Windows code page 1252, or -1.
func CurlyQuote(s string) int {
	if i := strings.IndexAny(s, "\u201C\u201D\u201E\u201F\u2018\u2019\u201A\u201B"); i >= 0 {
		return i
	}
	if utf8.ValidString(s) {
		return -1
	}
	for i := range len(s) {
		switch s[i] {
		case 0x82, 0x84, 0x91, 0x92, 0x93, 0x94:
			return i
		}
	}
	return -1
}
