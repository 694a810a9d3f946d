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

// pppdScanner is an options file while its words are read.
type pppdScanner struct {
	file, src string
	pos       int
	line, col int // of the byte that was read last
	words     []word

	// The word that is being read, if one has begun.
	begun bool
	word  word
	text  strings.Builder
}

// next reads a byte. It reports false at the end of the file.
func (s *pppdScanner) next() (byte, bool) {
	if s.pos == len(s.src) {
		return 0, false
	}
	c := s.src[s.pos]
	s.pos++
	if s.col++; s.pos > 1 && s.src[s.pos-2] == '\n' {
		s.line, s.col = s.line+1, 1
	}
	return c, true
}

// begin begins a word at the last byte, if none has begun.
func (s *pppdScanner) begin() {
	if !s.begun {
		s.begun, s.word = true, word{file: s.file, line: s.line, col: s.col}
	}
}

// end ends the word, if one has begun.
func (s *pppdScanner) end() {
	if s.begun {
		s.word.text, s.word.end = s.text.String(), s.line
		s.words = append(s.words, s.word)
	}
	s.begun = false
	s.text.Reset()
}

// pppdWords cuts an options file into words as pppd 2.4.9 does: at white space,
// with quotes of both kinds anywhere in a word, comments from a # on, and the
// escapes of C after a backslash.
func pppdWords(found *findings, file, src string) []word {
	s := pppdScanner{file: file, src: src, line: 1}
	quote := byte(0)
	for {
		c, ok := s.next()
		if !ok {
			break
		}
		switch {
		case c == '\\':
			c, ok := s.next()
			if !ok || c == '\n' {
				continue
			}
			if c == '\r' && strings.HasPrefix(src[s.pos:], "\n") {
				s.next()
				continue
			}
			s.begin()
			b, n := cEscape(c, src[s.pos:])
			for range n {
				s.next()
			}
			if b == 0 {
				found.errorf(s.line, s.col, "a NUL byte (\\0) would end the word: leave it out")
				continue
			}
			s.text.WriteByte(b)
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				s.text.WriteByte(c)
			}
		case c == '"' || c == '\'':
			s.begin()
			s.word.quoted = true
			quote = c
		case c == '#':
			if s.begun {
				found.warnf(s.line, s.col, "# begins a comment here, in the middle of a word: quote a word that has a #, such as \"*99#\"")
			}
			s.end()
			for c, ok := s.next(); ok && c != '\n'; c, ok = s.next() {
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			s.end()
		default:
			s.begin()
			s.text.WriteByte(c)
		}
	}
	if quote != 0 {
		found.errorf(s.word.line, s.word.col, "the quote %c is not closed", quote)
	}
	s.end()
	return s.words
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
