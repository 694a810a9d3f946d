package scp

import (
	"fmt"

	"github.com/rasline/rasline/script/lint"
)

const maxErrors = 20 // of one script

// maxDepth limits how deep blocks and, apart from them, parentheses, signs and
// operands of getip lie in each other.
const maxDepth = 200

// parser reads tokens, checks what they mean and writes the code, all in one
// pass. After an error in a command it is "failed": it takes no token, reports
// nothing more, and sync looks for the next command.
type parser struct {
	src     *lint.Source
	scan    scanner
	tok     token // the next one
	prev    token // the last one taken
	found   lint.List
	program *Program

	failed bool // this command has an error in its form
	muted  bool // a string was cut off: what follows may be part of it
	depth  int  // of the expression

	nameless   bool // a procedure has no usable name
	brokenLine int  // the last line with an error in its form
	looks      int  // how often closersAhead has looked

	// Of the procedure at hand:
	scope  scope
	code   []instr
	waits  []waitSite
	blocks []block
	active bool // a command has been seen
	tested map[op]bool
}

// block is an if or a while that is not closed yet.
type block struct {
	kind kind // kIf or kWhile
	pos  int32
	test int32 // where its condition begins
	jump int32 // the instruction that leaves it
}

// symbol is a variable, a label or a procedure.
type symbol struct {
	spelling string
	pos      int32 // where it was declared, or first used
	typ      typ   // variables
	slot     int32 // variables
	defined  bool  // labels: it has a place
	used     bool  // labels: something goes there
	target   int32 // labels: the instruction it marks
	varied   bool  // another letter case of it was reported
}

// scope holds the names of one procedure. Labels and variables do not clash.
type scope struct {
	variables map[string]*symbol
	labels    map[string]*symbol
	order     []*symbol // labels, numbered as in unresolved jumps
	numbers   map[*symbol]int32
	unknown   map[string]bool // variables reported as not declared
	slots     []typ
}

func newScope() scope {
	return scope{
		variables: map[string]*symbol{}, labels: map[string]*symbol{},
		numbers: map[*symbol]int32{}, unknown: map[string]bool{},
	}
}

// advance takes the next token.
func (p *parser) advance() {
	p.prev = p.tok
	p.tok = p.scan.next()
	p.muted = p.muted || p.prev.cut
}

// accept takes the next token if it is of kind k.
func (p *parser) accept(k kind) bool {
	if p.failed || p.tok.kind != k {
		return false
	}
	p.advance()
	return true
}

// name takes a name. A reserved word on the same line is taken for one that
// was meant as a name, and reported; anything else makes the command fail with
// the text that specifies what is needed.
func (p *parser) name(need string) (token, bool) {
	t := p.tok
	switch {
	case p.failed:
		return t, false
	case t.kind == tName:
		p.advance()
		return t, true
	case t.kind.reserved() && t.line == p.prev.line:
		p.reservedName(t)
		p.advance()
		return t, false
	}
	p.fail(need)
	return t, false
}

func (p *parser) reservedName(t token) {
	p.errorAt(t, "%s is a word of the language and cannot be a name", p.shown(t))
}

// sync skips to where a command may begin: at a word that starts one, or at a
// name that is the first of its line.
func (p *parser) sync() {
	line := p.prev.line
	for p.tok.kind != tEOF {
		if p.tok.kind.starts() && (p.tok.kind != kGetip || p.tok.line > line) {
			return
		}
		if p.tok.kind == tName && p.tok.line > line && p.tok.line > p.prev.line {
			return
		}
		p.advance()
	}
}

// fail reports that the next token is not what is needed, unless the command
// has failed already or the token was reported by the scanner.
func (p *parser) fail(text string) { p.failAt(p.tok, text) }

// failAt is fail for a token that was taken already.
func (p *parser) failAt(t token, text string) {
	if !p.failed && !p.muted && t.kind != tBad {
		p.syntax(int(t.pos), text)
	}
	p.failed = true
}

// syntax records an error in the form of the script. There is one for each
// line, since the next on the same line usually follows from the first.
func (p *parser) syntax(pos int, text string) {
	line, _ := p.src.Place(pos)
	p.brokenLine = line
	if !p.found.ErrorOn(line) {
		p.found.Add(p.src.Finding(lint.SeverityError, pos, text))
		p.stopIfFull()
	}
}

// semantic records an error in the meaning of the script.
func (p *parser) semantic(pos int32, text string) {
	p.found.Add(p.src.Finding(lint.SeverityError, int(pos), text))
	p.stopIfFull()
}

// stopIfFull ends the reading when there is no room for another error.
func (p *parser) stopIfFull() {
	if p.found.Full() {
		if p.found.Errors() >= maxErrors {
			p.found.Stop()
		}
		p.scan.pos = len(p.scan.src)
		p.tok = token{kind: tEOF, pos: p.tok.pos, end: p.tok.pos, line: p.tok.line}
	}
}

// tooDeep reports that things lie in each other too deep, and gives up: what
// follows can only be wrong.
func (p *parser) tooDeep(t token) {
	p.semantic(t.pos, fmt.Sprintf("more than %d levels inside each other: make the script simpler", maxDepth))
	p.failed = true
	p.found.Close()
	p.stopIfFull()
}

func (p *parser) warn(pos int32, text string) {
	p.found.Add(p.src.Finding(lint.SeverityWarning, int(pos), text))
}

// errorAt and warnAt report something about a token, unless its command or its
// line has failed already.
func (p *parser) errorAt(t token, format string, args ...any) {
	if !p.failed && !p.muted && int(t.line) != p.brokenLine {
		p.semantic(t.pos, fmt.Sprintf(format, args...))
	}
}

func (p *parser) warnAt(t token, format string, args ...any) {
	if !p.failed && !p.muted {
		p.warn(t.pos, fmt.Sprintf(format, args...))
	}
}

func (p *parser) text(t token) string { return p.src.Text()[t.pos:t.end] }

// maxShown is how many bytes of a name a message shows.
const maxShown = 40

// shown quotes a token for a message, cut if it is long.
func (p *parser) shown(t token) string {
	switch t.kind {
	case tEOF:
		return "the end of the file"
	case tString:
		return "a text"
	}
	return quoted(p.text(t))
}

func quoted(name string) string {
	if len(name) > maxShown {
		return fmt.Sprintf(`"%s..."`, name[:maxShown])
	}
	return fmt.Sprintf("%q", name)
}

func (p *parser) lineOf(pos int32) int {
	line, _ := p.src.Place(int(pos))
	return line
}

// hints is what to write for words that people bring from other languages.
var hints = map[string]string{
	"not":      `the language has no "not": write ! in front of the condition`,
	"success":  `write $SUCCESS with the dollar sign`,
	"failure":  `write $FAILURE with the dollar sign`,
	"userid":   `write $USERID with the dollar sign`,
	"password": `write $PASSWORD with the dollar sign`,
	"else":     `the language has no "else": write a second "if" with the opposite condition`,
	"elseif":   `the language has no "elseif": write a second "if"`,
	"call":     `the language has no "call": a script runs only its procedure "main"`,
	"return":   `the language has no "return": use "goto" to a label before "endproc"`,
	"for":      `the language has no "for": use "while ... do ... endwhile"`,
	"end":      `use "endif", "endwhile" or "endproc"`,
	"exit":     `the language has no "exit": use "goto" to a label before "endproc", or "halt"`,
	"send":     `use "transmit" to send a text`,
	"print":    `use "transmit" to send a text`,
	"wait":     `use "waitfor" to wait for a text, or "delay" to wait some seconds`,
	"sleep":    `use "delay" to wait some seconds`,
}

// variable finds a declared variable. The first use of an unknown name in a
// procedure is reported; nil is returned for every one.
func (p *parser) variable(name token) *symbol {
	key := lint.Fold(p.text(name))
	v := p.scope.variables[key]
	switch {
	case v != nil:
		p.checkSpelling(v, name, "variable")
	case p.scope.unknown[key]:
	case hints[key] != "":
		p.errorAt(name, "%s", hints[key])
	default:
		p.errorAt(name, `the variable %s is not declared: write "integer", "string" or "boolean" and its name above`, p.shown(name))
	}
	if v == nil {
		p.scope.unknown[key] = true
	}
	return v
}

// checkSpelling warns once for each symbol that is written in another letter
// case than at first.
func (p *parser) checkSpelling(s *symbol, name token, what string) {
	if p.text(name) != s.spelling && !s.varied {
		s.varied = true
		p.warnAt(name, "%s and %s in line %d differ only in letter case and are the same %s",
			p.shown(name), quoted(s.spelling), p.lineOf(s.pos), what)
	}
}

// label returns the number of a label, which represents it in jumps until the
// procedure is complete.
func (p *parser) label(name token) int32 {
	s := p.labelSymbol(name)
	s.used = true
	return p.scope.numbers[s]
}

func (p *parser) labelSymbol(name token) *symbol {
	key := lint.Fold(p.text(name))
	s := p.scope.labels[key]
	if s == nil {
		s = &symbol{spelling: p.text(name), pos: name.pos}
		p.scope.labels[key] = s
		p.scope.numbers[s] = int32(len(p.scope.order))
		p.scope.order = append(p.scope.order, s)
		return s
	}
	p.checkSpelling(s, name, "label")
	return s
}

func (p *parser) here() int32 { return int32(len(p.code)) }

// emit writes an instruction and returns its place.
func (p *parser) emit(o op, t token, a int32) int32 {
	p.code = append(p.code, instr{op: o, pos: t.pos, a: a})
	return int32(len(p.code) - 1)
}
