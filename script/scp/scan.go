package scp

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rasline/rasline/script/lint"
)

// kind is the kind of a token.
type kind uint8

const (
	tEOF     kind = iota
	tBad          // bytes that are no token; the scanner has reported them
	tName         // a variable, label or procedure name
	tSysVar       // $NAME
	tInteger      // a decimal number
	tString       // a text in quotes

	tStar
	tSlash
	tPlus
	tMinus
	tLess
	tGreater
	tLessEqual
	tGreaterEqual
	tEqual
	tNotEqual
	tNot
	tAssign
	tComma
	tColon
	tOpen
	tClose

	// The reserved words, in alphabetical order.
	kAnd
	kBoolean
	kDatabits
	kDelay
	kDo
	kEndif
	kEndproc
	kEndwhile
	kEven
	kFalse
	kGetip
	kGoto
	kHalt
	kIf
	kInteger
	kIpaddr
	kKeyboard
	kMark
	kMatchcase
	kNone
	kOdd
	kOff
	kOn
	kOr
	kParity
	kPort
	kProc
	kRaw
	kScreen
	kSet
	kSpace
	kStopbits
	kString
	kThen
	kTransmit
	kTrue
	kUntil
	kWaitfor
	kWhile

	kinds int = iota
)

// spellings holds how a kind is written; "" for those that vary.
var spellings = [kinds]string{
	tStar: "*", tSlash: "/", tPlus: "+", tMinus: "-", tLess: "<", tGreater: ">",
	tLessEqual: "<=", tGreaterEqual: ">=", tEqual: "==", tNotEqual: "!=",
	tNot: "!", tAssign: "=", tComma: ",", tColon: ":", tOpen: "(", tClose: ")",

	kAnd: "and", kBoolean: "boolean", kDatabits: "databits", kDelay: "delay",
	kDo: "do", kEndif: "endif", kEndproc: "endproc", kEndwhile: "endwhile",
	kEven: "even", kFalse: "FALSE", kGetip: "getip", kGoto: "goto",
	kHalt: "halt", kIf: "if", kInteger: "integer", kIpaddr: "ipaddr",
	kKeyboard: "keyboard", kMark: "mark", kMatchcase: "matchcase",
	kNone: "none", kOdd: "odd", kOff: "off", kOn: "on", kOr: "or",
	kParity: "parity", kPort: "port", kProc: "proc", kRaw: "raw",
	kScreen: "screen", kSet: "set", kSpace: "space", kStopbits: "stopbits",
	kString: "string", kThen: "then", kTransmit: "transmit", kTrue: "TRUE",
	kUntil: "until", kWaitfor: "waitfor", kWhile: "while",
}

// words finds a reserved word by its lower-case spelling.
var words = func() map[string]kind {
	m := make(map[string]kind)
	for k := kAnd; int(k) < kinds; k++ {
		m[lint.Fold(spellings[k])] = k
	}
	return m
}()

// longestWord is the length of the longest reserved word.
const longestWord = len("matchcase")

// token is a piece of the source, by place.
type token struct {
	kind     kind
	cut      bool // a string without its closing quote
	pos, end int32
	line     int32 // counted from 1
	num      int64 // the value of an integer, at most tooLarge
}

// tooLarge represents every integer above the largest that may be written,
// 2147483648 after a minus sign.
const tooLarge = 1<<31 + 1

func (k kind) reserved() bool { return k >= kAnd }

// starts reports whether k begins a command, a declaration or the end of a
// block, so that reading can continue there after an error.
func (k kind) starts() bool {
	switch k {
	case kBoolean, kDelay, kEndif, kEndproc, kEndwhile, kGetip, kGoto, kHalt,
		kIf, kInteger, kProc, kSet, kString, kTransmit, kWaitfor, kWhile:
		return true
	}
	return false
}

// scanner cuts the source into tokens. It is a plain value: a copy looks ahead
// without touching the original.
type scanner struct {
	src    string
	pos    int
	line   int32
	report func(pos int, text string) // nil: errors are kept quiet
}

const (
	ctrlZ   = 0x1A // ends a file that a DOS editor wrote
	byteBOM = "\xEF\xBB\xBF"
)

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
	if s.conflictMarker() {
		t.kind, t.end = tBad, int32(s.pos)
		return t
	}
	switch c := s.src[s.pos]; {
	case isLetter(c):
		s.skipName()
		t.kind = tName
		if name := s.src[t.pos:s.pos]; len(name) <= longestWord {
			t.kind = cmp.Or(words[lint.Fold(name)], tName)
		}
	case isDigit(c):
		// A value above tooLarge counts as that.
		var n int64
		for s.pos < len(s.src) && isDigit(s.src[s.pos]) {
			n = min(n*10+int64(s.src[s.pos]-'0'), tooLarge)
			s.pos++
		}
		t.kind, t.num = tInteger, n
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

// conflictMarker reports a line that a version control system has left, and skips
// it.
func (s *scanner) conflictMarker() bool {
	if s.pos > 0 && !isLineEnd(s.src[s.pos-1]) {
		return false
	}
	for _, marker := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
		if strings.HasPrefix(s.src[s.pos:], marker) {
			s.mistake(s.pos, "%s is the conflict marker of a version control system: keep one of the two versions and delete the marker", marker)
			for s.pos < len(s.src) && !isLineEnd(s.src[s.pos]) {
				s.pos++
			}
			return true
		}
	}
	return false
}

// skipBlanks moves to the next byte that is no blank and in no comment,
// counting lines.
func (s *scanner) skipBlanks() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\f', '\v':
			s.pos++
		case '\r', '\n':
			s.pos++
			if strings.HasPrefix(s.src[s.pos-1:], "\r\n") {
				s.pos++ // which counts as one line end
			}
			s.line++
		case ';':
			for s.pos < len(s.src) && !isLineEnd(s.src[s.pos]) && s.src[s.pos] != ctrlZ {
				s.pos++
			}
		default:
			return
		}
	}
}

func (s *scanner) skipName() {
	for s.pos < len(s.src) && (isLetter(s.src[s.pos]) || isDigit(s.src[s.pos])) {
		s.pos++
	}
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
	// Report the bytes that begin no token and skip them together with
	// the letters and digits that touch them.
	start := s.pos
	for s.pos < len(s.src) && strayByte(s.src[s.pos]) {
		s.pos++
	}
	run := s.src[start:s.pos]
	s.skipName()
	_, name := lint.Invisible(run)
	switch {
	case lint.CurlyQuote(run) == 0:
		s.mistake(start, `a curly quote cannot enclose a text: use the straight quote "`)
	case name != "":
		s.mistake(start, "a %s has no meaning here: replace it by a plain space", name)
	case run[0] == '\'':
		s.mistake(start, `a text is enclosed in the quote ", not in '`)
	case run[0] == '#':
		s.mistake(start, "a comment begins with ; and not with #")
	case run[0] == '.' && start > 0 && isDigit(s.src[start-1]):
		// The dot is part of an address without its quotes or of a number
		// that is not whole.
		text := s.src[start:min(len(s.src), start+16)]
		rest := strings.TrimLeft(text, "0123456789.")
		if strings.Count(text[:len(text)-len(rest)], ".") > 1 {
			s.mistake(start, `an address is a text and needs quotes: "10.0.0.7"`)
			break
		}
		s.mistake(start, "a number is whole: the language has no fractions")
	case run[0] == '^':
		s.mistake(start, `^ and the letter after it stand for a control character only inside quotes: "^M"`)
	case run[0] == '&':
		s.mistake(start, `two conditions are joined by the word "and"`)
	case run[0] == '|':
		s.mistake(start, `two conditions are joined by the word "or"`)
	case run[0] == '{' || run[0] == '}':
		s.mistake(start, `the language has no braces: "endif", "endwhile" and "endproc" end a block`)
	case utf8.ValidString(run) && run[0] >= ' ' && run[0] != 0x7F:
		_, n := utf8.DecodeRuneInString(run)
		s.mistake(start, "the character '%s' has no meaning outside quotes and comments", run[:n])
	default:
		s.mistake(start, "the byte 0x%02X has no meaning outside quotes and comments", run[0])
	}
	return tBad
}

var operators = func() map[string]kind {
	m := make(map[string]kind)
	for k := tStar; k <= tClose; k++ {
		m[spellings[k]] = k
	}
	return m
}()

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

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }
func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isLetter(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_'
}

// expand returns s with its escapes replaced, reading once from left to right:
// ^@ to ^_ and ^a to ^z, <cr> and <lf> in any letter case, and \" \^ \< \\.
// Everything else is itself. A text without escapes is returned as it is.
func expand(s string) string {
	i := strings.IndexAny(s, `^<\`)
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for i < len(s) {
		c, n := s[i], 1
		switch rest := s[i:]; {
		case c == '<' && len(rest) >= 4 && rest[3] == '>':
			switch lint.Fold(rest[1:3]) {
			case "cr":
				c, n = '\r', 4
			case "lf":
				c, n = '\n', 4
			}
		case (c == '^' || c == '\\') && len(rest) >= 2:
			// The next byte begins no other escape, even where the two mean
			// nothing.
			n = 2
			switch d := rest[1]; {
			case c == '^' && '@' <= d && d <= '_':
				c = d - '@'
			case c == '^' && 'a' <= d && d <= 'z':
				c = d - 'a' + 1
			case c == '\\' && strings.IndexByte(`"^<\`, d) >= 0:
				c = d
			default:
				b, c = append(b, c), d
			}
		}
		b = append(b, c)
		i += n
	}
	return string(b)
}
