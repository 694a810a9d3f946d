package scp

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// scanner cuts the source into tokens. It is a plain value: a copy looks ahead
// without touching the original.
type scanner struct {
	src    string
	pos    int
	line   int32
	report func(pos int, text string) // nil: mistakes are kept quiet
}

const (
	ctrlZ   = 0x1A // ends a file that a DOS editor wrote
	byteBOM = "\xEF\xBB\xBF"
)

func newScanner(src string, report func(int, string)) scanner {
	s := scanner{src: src, line: 1, report: report}
	if strings.HasPrefix(src, byteBOM) {
		s.pos = len(byteBOM)
	}
	return s
}

// ahead returns a copy that reports nothing.
func (s scanner) ahead() *scanner {
	s.report = nil
	return &s
}

func (s *scanner) mistake(pos int, format string, args ...any) {
	if s.report != nil {
		s.report(pos, fmt.Sprintf(format, args...))
	}
}

// next returns the next token. At the end of the file it returns tEOF again
// and again.
func (s *scanner) next() token {
	s.skipBlanks()
	t := token{pos: int32(s.pos), line: s.line}
	if s.pos >= len(s.src) || s.src[s.pos] == ctrlZ {
		t.kind, t.end = tEOF, t.pos
		return t
	}
	switch c := s.src[s.pos]; {
	case isLetter(c):
		s.skipName()
		t.kind = wordKind(s.src[t.pos:s.pos])
	case isDigit(c):
		t.kind, t.num = tInteger, s.number()
	case c == '"':
		t.kind, t.cut = tString, s.text()
	case c == '$' && s.pos+1 < len(s.src) && isLetter(s.src[s.pos+1]):
		s.pos++
		s.skipName()
		t.kind = tSysVar
	default:
		t.kind = s.operator()
	}
	t.end = int32(s.pos)
	return t
}

// skipBlanks moves to the next byte that is no blank and in no comment,
// counting lines.
func (s *scanner) skipBlanks() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\f', '\v':
			s.pos++
		case '\r', '\n':
			s.pos += lineEnd(s.src[s.pos:])
			s.line++
		case ';':
			s.skipComment()
		default:
			return
		}
	}
}

func (s *scanner) skipComment() {
	for s.pos < len(s.src) && !isLineEnd(s.src[s.pos]) && s.src[s.pos] != ctrlZ {
		s.pos++
	}
}

func (s *scanner) skipName() {
	for s.pos < len(s.src) && (isLetter(s.src[s.pos]) || isDigit(s.src[s.pos])) {
		s.pos++
	}
}

// number reads digits and returns their value, tooLarge if it is above that.
func (s *scanner) number() int64 {
	var n int64
	for s.pos < len(s.src) && isDigit(s.src[s.pos]) {
		n = min(n*10+int64(s.src[s.pos]-'0'), tooLarge)
		s.pos++
	}
	return n
}

// text reads a string up to its closing quote and reports whether that is
// missing on the line. A backslash takes the next byte with it.
func (s *scanner) text() (cut bool) {
	start := s.pos
	for s.pos++; s.pos < len(s.src) && !isLineEnd(s.src[s.pos]); s.pos++ {
		switch s.src[s.pos] {
		case '"':
			s.pos++
			return false
		case '\\':
			if s.pos+1 < len(s.src) && !isLineEnd(s.src[s.pos+1]) {
				s.pos++
			}
		}
	}
	s.mistake(start, `this text has no closing quote (") on its line`)
	return true
}

// operator reads the longest operator, or a run of bytes that is no token.
func (s *scanner) operator() kind {
	if s.pos+1 < len(s.src) {
		if k := operators[s.src[s.pos:s.pos+2]]; k != 0 {
			s.pos += 2
			return k
		}
	}
	if k := operators[s.src[s.pos:s.pos+1]]; k != 0 {
		s.pos++
		return k
	}
	s.unknown()
	return tBad
}

var operators = func() map[string]kind {
	m := make(map[string]kind)
	for k := tStar; k <= tClose; k++ {
		m[spellings[k]] = k
	}
	return m
}()

// unknown reports the bytes that begin no token and skips them together with
// the letters and digits that touch them.
func (s *scanner) unknown() {
	start := s.pos
	for s.pos < len(s.src) && strayByte(s.src[s.pos]) {
		s.pos++
	}
	run := s.src[start:s.pos]
	s.skipName()
	switch {
	case isCurlyQuote(run):
		s.mistake(start, `a curly quote cannot enclose a text: use the straight quote "`)
	case utf8.ValidString(run) && run[0] >= ' ' && run[0] != 0x7F:
		s.mistake(start, "the character %s has no meaning outside quotes and comments", firstRune(run))
	default:
		s.mistake(start, "the byte 0x%02X has no meaning outside quotes and comments", run[0])
	}
}

// strayByte reports whether c can be no part of a token outside strings. A
// dollar sign is one: a stray byte only where no letter follows, which the
// caller has seen for the first.
func strayByte(c byte) bool {
	switch {
	case isLetter(c), isDigit(c), isLineEnd(c):
		return false
	case c >= 0x7F:
		return true
	}
	return !strings.ContainsRune(" \t\f\v\x1A;\"*/+-<>=!,:()", rune(c))
}

// isCurlyQuote reports whether run begins with a typographic double quote, in
// UTF-8 or in code page 1252.
func isCurlyQuote(run string) bool {
	for _, q := range []string{"\u201C", "\u201D", "\u201E", "\x93", "\x94", "\x84"} {
		if strings.HasPrefix(run, q) {
			return true
		}
	}
	return false
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return "'" + s[:n] + "'"
}

// wordKind returns the reserved word that name is, or tName.
func wordKind(name string) kind {
	if len(name) > longestWord {
		return tName
	}
	if k, ok := words[fold(name)]; ok {
		return k
	}
	return tName
}

// lineEnd returns the length of the line end that s begins with: CR LF counts
// as one.
func lineEnd(s string) int {
	if strings.HasPrefix(s, "\r\n") {
		return 2
	}
	return 1
}

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }
func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isLetter(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_'
}
