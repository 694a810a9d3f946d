package phonebook

import (
	"fmt"
	"strings"
)

// word is a word of an options file of pppd, with its place.
type word struct {
	text      string
	file      string
	line, col int
	end       int // the line of its last byte
	quoted    bool
}

// pppdWords cuts an options file into words as pppd 2.4.9 does: at white space,
// with quotes of both kinds anywhere in a word, comments from a # on, and the
// escapes of C after a backslash.
func pppdWords(found *findings, file, src string) (words []word) {
	line, col := 1, 0
	pos := 0
	next := func() (byte, bool) {
		if pos == len(src) {
			return 0, false
		}
		c := src[pos]
		pos++
		if col++; pos > 1 && src[pos-2] == '\n' {
			line, col = line+1, 1
		}
		return c, true
	}
	var w word
	var text strings.Builder
	open := false // a word has begun
	quote := byte(0)
	end := func() {
		if open {
			w.text, w.end = text.String(), line
			words = append(words, w)
		}
		open = false
		text.Reset()
	}
	begin := func() {
		if !open {
			open, w = true, word{file: file, line: line, col: col}
		}
	}
	for {
		c, ok := next()
		if !ok {
			break
		}
		switch {
		case c == '\\':
			c, ok := next()
			if !ok {
				break
			}
			if c == '\n' {
				continue
			}
			if c == '\r' && pos < len(src) && src[pos] == '\n' {
				next()
				continue
			}
			begin()
			b, n := cEscape(c, src[pos:])
			for range n {
				next()
			}
			if b == 0 {
				found.errorf(line, col, "a NUL byte (\\0) would end the word: leave it out")
				continue
			}
			text.WriteByte(b)
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				text.WriteByte(c)
			}
		case c == '"' || c == '\'':
			begin()
			w.quoted = true
			quote = c
		case c == '#':
			if open {
				found.warnf(line, col, "# begins a comment here, in the middle of a word: quote a word that has a #, such as \"*99#\"")
			}
			end()
			for c, ok := next(); ok && c != '\n'; c, ok = next() {
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			end()
		default:
			begin()
			text.WriteByte(c)
		}
	}
	if quote != 0 {
		found.errorf(w.line, w.col, "the quote %c is not closed", quote)
	}
	end()
	return words
}

// cEscape returns the byte that \c and the digits after it denote, and how many
// digits that are.
func cEscape(c byte, rest string) (b byte, n int) {
	switch c {
	case 'a':
		return '\a', 0
	case 'b':
		return '\b', 0
	case 'f':
		return '\f', 0
	case 'n':
		return '\n', 0
	case 'r':
		return '\r', 0
	case 's':
		return ' ', 0
	case 't':
		return '\t', 0
	case 'x':
		v := 0
		for n < 2 && n < len(rest) && strings.IndexByte("0123456789abcdefABCDEF", rest[n]) >= 0 {
			var d int
			fmt.Sscanf(rest[n:n+1], "%x", &d)
			v = v*16 + d
			n++
		}
		return byte(v), n
	}
	if c < '0' || c > '7' {
		return c, 0
	}
	v := int(c - '0')
	for n < 2 && n < len(rest) && rest[n] >= '0' && rest[n] <= '7' {
		v = v*8 + int(rest[n]-'0')
		n++
	}
	return byte(v), n
}
