package switchinf

import (
	"cmp"
	"strings"
)

// A token is a byte of a value or a macro in it.
type token struct {
	at    int    // offset in the logical line
	macro string // the name in small letters, without the brackets; "" for a byte
	b     byte   // the byte, also of <cr>, <lf> and <hXX>
}

const maxMacro = 32 // bytes of a macro with its closing bracket

// value reads the text after the equals sign of a line.
type value struct {
	p    *parser
	line *line
	pos  int
	end  int
}

// next returns the next token, or false at the end. A macro that is not
// complete is an error and counts as a byte.
func (v *value) next() (token, bool) {
	if v.pos >= v.end {
		return token{}, false
	}
	t := token{at: v.pos, b: v.line.text[v.pos]}
	v.pos++
	if t.b != '<' {
		return t, true
	}
	name, _, closed := strings.Cut(v.line.text[v.pos:min(v.end, v.pos+maxMacro)], ">")
	if !closed || strings.ContainsAny(name, "<\"") {
		v.p.fail(v.line.at(t.at), "< without >: write <h3C> for the character itself")
		return t, true
	}
	v.pos += len(name) + 1
	t.macro = strings.ToLower(name)
	if b, ok := byteMacro(t.macro); ok {
		t.macro, t.b = "", b
	}
	return t, true
}

// quoted reads the text of <match>, from the quote on, and returns its tokens.
// In it only <cr>, <lf>, <hXX> and <?> are macros.
func (v *value) quoted(at int) []token {
	for v.pos < v.end && isBlank(v.line.text[v.pos]) {
		v.pos++
	}
	if v.pos == v.end || v.line.text[v.pos] != '"' {
		v.p.fail(v.line.at(at), `<match> needs a text in quotes: <match>"text"`)
		return nil
	}
	rest := v.line.text[v.pos+1 : v.end]
	n := strings.IndexByte(rest, '"')
	if n < 0 {
		v.p.fail(v.line.at(v.pos), `the closing quote is missing: write <h22> for a quote in the text`)
		v.pos = v.end
		return nil
	}
	if n == 0 {
		v.p.fail(v.line.at(v.pos), `the quotes are empty: write <ignore> for any response`)
	}
	text, start := rest[:n], v.pos+1
	v.pos += n + 2
	var all []token
	for i := 0; i < len(text); {
		t := token{at: start + i, b: text[i]}
		n := 1
		if end := strings.IndexByte(text[i:min(len(text), i+len("<hXX>"))], '>'); text[i] == '<' && end > 0 {
			name := strings.ToLower(text[i+1 : i+end])
			if b, ok := byteMacro(name); ok {
				t.b, n = b, end+1
			} else if name == "?" {
				t.macro, n = name, end+1
			}
		}
		all = append(all, t)
		i += n
	}
	return all
}

// byteMacro returns the byte that a macro represents: cr, lf or hXX.
func byteMacro(name string) (byte, bool) {
	switch {
	case name == "cr":
		return '\r', true
	case name == "lf":
		return '\n', true
	case len(name) == 3 && name[0] == 'h':
		hi, ok1 := hexDigit(name[1])
		lo, ok2 := hexDigit(name[2])
		return hi<<4 | lo, ok1 && ok2
	}
	return 0, false
}

// hexDigit returns the value of a digit in small letters.
func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

var macroNames = []string{"username", "password", "match", "ignore", "diagnostics", "x25address", "userdata", "facilities"}

// macroAliases are what people write for a macro.
var macroAliases = map[string]string{
	"user": "username", "userid": "username", "login": "username", "pass": "password", "passwd": "password", "pwd": "password",
	"crlf": "cr><lf", "return": "cr", "enter": "cr", "linefeed": "lf", "any": "ignore", "phonenumber": "x25address", "esc": "h1B", "tab": "h09",
}

// wrongMacro reports why a macro cannot be used where it is.
func (p *parser) wrongMacro(l *line, t token, where string) {
	switch t.macro {
	case "?", "match", "ignore", "diagnostics":
		p.fail(l.at(t.at), "<%s> is no part of a command: it is for responses, such as OK=<%s>", t.macro, t.macro)
	case "carrierbps", "connectbps":
		p.fail(l.at(t.at), "<%s> is for MODEM.INF alone: write <ignore> for any text", t.macro)
	case "username", "password", "x25address", "userdata", "facilities":
		if where == "a command" {
			p.fail(l.at(t.at), "<%s> is for PAD.INF and this is a file of kind %s: name the file pad.inf, or begin its name with pad-", t.macro, p.file.kind)
			return
		}
		p.fail(l.at(t.at), "<%s> is no part of a response: it can be sent with COMMAND=", t.macro)
	default:
		if name := cmp.Or(macroAliases[t.macro], nearest(t.macro, macroNames)); name != "" {
			p.fail(l.at(t.at), "there is no macro <%s>: write <%s>", t.macro, name)
			return
		}
		if len(t.macro) > 1 && t.macro[0] == 'h' && strings.Trim(t.macro[1:], "0123456789abcdef") == "" {
			p.fail(l.at(t.at), "there is no macro <%s>: a byte has two hexadecimal digits, such as <h0D>", t.macro)
			return
		}
		p.fail(l.at(t.at), "there is no macro <%s>: write <h3C> for the character < itself", t.macro)
	}
}
