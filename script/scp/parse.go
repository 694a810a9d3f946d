package scp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

const maxErrors = 20 // of one script

// maxDepth limits how deep blocks and, apart from them, parentheses, signs and
// operands of getip lie in each other.
const maxDepth = 200

// Parse reads a script. The name is that of its file, for messages.
//
// The error is a *lint.ParseError with everything that is wrong, at most 20 errors
// and 100 warnings, each with its place. Without errors, the warnings are in
// Program.Warnings. Parse never panics, and takes time and memory in
// proportion to the size of src, which it neither keeps nor changes.
func Parse(name string, src []byte) (*Program, error) {
	text := lint.NewSource(name, src)
	p := &parser{src: text, found: lint.List{MaxErrors: maxErrors}, scope: newScope(), program: &Program{src: text, texts: []string{}}}
	p.scan = scanner{src: text.Text(), line: 1, report: p.syntax}
	if strings.HasPrefix(p.scan.src, byteBOM) {
		p.scan.pos = len(byteBOM)
	}
	if text := p.src.NULRefusal(p.logicalEnd()); text != "" {
		p.semantic(0, text)
	} else {
		p.script()
		if rest := p.src.Text()[p.logicalEnd():]; strings.Trim(rest, "\x1a\x00 \t\f\v\r\n") != "" {
			report := p.warn
			if p.found.Errors() > 0 { // which may be its consequence
				report = p.semantic
			}
			report(int32(p.logicalEnd()), "a Ctrl-Z (byte 0x1A) ends the file here: what follows is not read")
		}
	}
	if p.found.Errors() > 0 {
		// The findings without the warnings about lines that have
		// an error, from which they follow most often.
		all := p.found.Sorted()
		broken := map[int]bool{}
		for _, f := range all {
			broken[f.Line] = broken[f.Line] || f.Severity == lint.SeverityError
		}
		return nil, &lint.ParseError{Findings: slices.DeleteFunc(all, func(f lint.Finding) bool {
			return f.Severity == lint.SeverityWarning && broken[f.Line] && !strings.Contains(f.Text, "there may be more errors")
		})}
	}
	p.program.warnings = p.found.Sorted()
	return p.program, nil
}

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

// logicalEnd returns where the file ends for the scanner: at a Ctrl-Z outside
// quotes or at its last byte.
func (p *parser) logicalEnd() int {
	s := p.scan.ahead()
	for s.next().kind != tEOF {
	}
	return s.pos
}

// script reads the whole file.
func (p *parser) script() {
	p.advance()
	procs := map[string]*symbol{}
	outside := false
	for p.tok.kind != tEOF {
		if p.tok.kind == kProc {
			p.procedure(procs)
			continue
		}
		// Report text that is in no procedure, and skip to the next one.
		p.failed, p.muted = false, false
		if p.tok.kind == kEndproc {
			p.fail(`this "endproc" closes no "proc"`)
		} else {
			outside = true
			p.fail(`this stands outside a procedure: commands belong between "proc main" and "endproc"`)
		}
		report := p.scan.report
		p.scan.report = nil
		for p.tok.kind != kProc && p.tok.kind != tEOF {
			p.advance()
		}
		p.scan.report = report
	}
	if procs["main"] == nil && !outside && !p.nameless {
		p.semantic(0, `the script has no procedure "main": begin it with "proc main" and end it with "endproc"`)
	}
}

// procedure reads from proc to endproc.
func (p *parser) procedure(procs map[string]*symbol) {
	opener := p.tok
	p.scope, p.code, p.waits, p.blocks, p.tested = newScope(), nil, nil, p.blocks[:0], map[op]bool{}
	p.failed, p.muted, p.active = false, false, false
	p.advance()
	key := p.procName(opener, procs)
	for p.tok.kind != tEOF && (p.tok.kind != kEndproc && p.tok.kind != kProc || p.misused()) {
		// Each turn reads a declaration, a label or a command: at least one token.
		p.failed, p.muted, p.depth = false, false, 0
		switch t := p.tok; {
		case t.kind == tName:
			p.named()
		case t.kind.reserved() && p.misused():
			p.reservedName(t)
			p.named()
		case t.kind == kInteger, t.kind == kString, t.kind == kBoolean:
			p.declaration()
		default:
			p.active = true
			p.command()
		}
		if p.failed {
			p.sync()
		}
	}
	p.unclosed(0)
	if p.tok.kind == kEndproc {
		p.emit(opEnd, p.tok, 0)
		p.advance()
	} else {
		p.emit(opEnd, p.prev, 0)
		p.semantic(opener.pos, `this "proc" has no "endproc"`)
	}
	p.resolve()
	if p.found.Errors() == 0 {
		for _, in := range untestedWaits(p.code, p.waits) {
			p.warn(in.pos, `whether this text came in time is not tested before the next "transmit": look at $SUCCESS or $FAILURE first`)
		}
	}
	if key == "main" {
		p.program.code, p.program.waits, p.program.slots = p.code, p.waits, p.scope.slots
		if p.found.Errors() == 0 {
			p.program.sends = findSends(p.code, p.waits)
		}
		p.program.tested = p.tested
	}
}

// procName reads the name of a procedure and returns it folded, "" if that is
// of no use.
func (p *parser) procName(opener token, procs map[string]*symbol) string {
	name, ok := p.name(`"proc" needs a name, such as "proc main"`)
	if !ok {
		p.nameless = true
		if p.failed {
			p.sync()
		}
		return ""
	}
	key := lint.Fold(p.text(name))
	if old := procs[key]; old != nil {
		p.errorAt(name, "there is a procedure %s already, in line %d", p.shown(name), p.lineOf(old.pos))
		return ""
	}
	procs[key] = &symbol{spelling: p.text(name), pos: name.pos}
	if key != "main" {
		p.warnAt(opener, `the procedure %s never runs: only "main" does`, p.shown(name))
	}
	return key
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

func (p *parser) here() int32 { return int32(len(p.code)) }

// emit writes an instruction and returns its place.
func (p *parser) emit(o op, t token, a int32) int32 {
	p.code = append(p.code, instr{op: o, pos: t.pos, a: a})
	return int32(len(p.code) - 1)
}

// open begins an if or a while. The block is open even if its condition has a
// error, so that its end is not another one.
func (p *parser) open(t token) {
	b := block{kind: t.kind, pos: t.pos, test: p.here()}
	after, o, need := kThen, opIf, `"if" needs`
	if t.kind == kWhile {
		after, o, need = kDo, opWhile, `"while" needs`
	}
	v := p.expression()
	if p.tok.kind == tAssign {
		p.fail("to compare, write == with two equals signs")
	}
	p.fits(v, tyBoolean, need)
	if !p.accept(after) {
		p.fail(fmt.Sprintf("%q must stand before this, after the condition of the %q in line %d", spellings[after], spellings[t.kind], t.line))
		// Continue after the word that ends the condition, on this line or
		// before the next command.
		line := p.prev.line
		for p.tok.kind != tEOF && p.tok.kind != after {
			if p.tok.kind.starts() && p.tok.kind != kGetip || p.tok.line > line && p.tok.kind == tName {
				break
			}
			p.advance()
		}
		if p.tok.kind == after {
			p.advance()
			p.failed = false
		}
	}
	if len(p.blocks) >= maxDepth {
		p.tooDeep(t)
		return
	}
	b.jump = p.emit(o, t, 0)
	p.blocks = append(p.blocks, b)
}

// tooDeep reports that things lie in each other too deep, and gives up: what
// follows can only be wrong.
func (p *parser) tooDeep(t token) {
	p.semantic(t.pos, fmt.Sprintf("more than %d levels inside each other: make the script simpler", maxDepth))
	p.failed = true
	p.found.Close()
	p.stopIfFull()
}

// close ends the innermost block if it is of kind k. If it is not, one word is
// missing, one is too many, or one is mistaken for the other; the number of
// closing words that follow decides which.
func (p *parser) close(t token, k kind) {
	n := len(p.blocks)
	if n == 0 {
		p.errorAt(t, `this %q closes no %q`, p.text(t), spellings[k])
		return
	}
	if p.blocks[n-1].kind == k {
		p.pop(t)
		return
	}
	outer := n - 1
	for outer >= 0 && p.blocks[outer].kind != k {
		outer--
	}
	switch later := p.closersAhead(); {
	case outer >= 0 && later == outer:
		p.unclosed(outer + 1)
		p.pop(t)
	case later < n:
		p.wrongCloser(t)
		p.pop(t)
	default:
		p.wrongCloser(t)
	}
}

func (p *parser) wrongCloser(t token) {
	b := p.blocks[len(p.blocks)-1]
	p.errorAt(t, "%q does not fit: the %q in line %d is open and needs %q",
		p.text(t), spellings[b.kind], p.lineOf(b.pos), closer(b.kind))
}

// closersAhead counts the closing words up to the end of the procedure that
// have no opening word on the way. It looks for no more than maxErrors words, so
// that a hostile script costs no more than linear time.
func (p *parser) closersAhead() int {
	if p.looks++; p.looks > maxErrors {
		return 0
	}
	s := p.scan.ahead()
	depth, count := 0, 0
	for t := p.tok; ; t = s.next() {
		switch t.kind {
		case kIf, kWhile:
			depth++
		case kEndif, kEndwhile:
			if depth == 0 {
				count++
			} else {
				depth--
			}
		case kEndproc, kProc, tEOF:
			return count
		}
	}
}

// pop ends the innermost block with the closing word t.
func (p *parser) pop(t token) {
	b := p.blocks[len(p.blocks)-1]
	p.blocks = p.blocks[:len(p.blocks)-1]
	if b.kind == kWhile {
		p.emit(opJump, t, b.test)
	}
	p.code[b.jump].a = p.here()
}

// unclosed reports the blocks from number n on, and drops them.
func (p *parser) unclosed(n int) {
	for _, b := range p.blocks[n:] {
		p.semantic(b.pos, fmt.Sprintf("this %q has no %q", spellings[b.kind], closer(b.kind)))
		p.code[b.jump].a = p.here()
	}
	p.blocks = p.blocks[:n]
}

func closer(k kind) string {
	if k == kIf {
		return spellings[kEndif]
	}
	return spellings[kEndwhile]
}
