package scp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

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

// misused reports whether the reserved word that is next is used as a name:
// an = or a : follows.
func (p *parser) misused() bool {
	k := p.scan.ahead().next().kind
	return k == tAssign || k == tColon
}

// resolve replaces label numbers by instructions and reports what is left over
// when a procedure ends.
func (p *parser) resolve() {
	for _, s := range p.scope.order {
		switch v := p.scope.variables[lint.Fold(s.spelling)]; {
		case !s.defined:
			p.semantic(s.pos, fmt.Sprintf("there is no label %s in this procedure: mark the place to go to with the label and a colon", quoted(s.spelling)))
		case !s.used && p.found.Errors() == 0:
			p.warn(s.pos, fmt.Sprintf("nothing goes to the label %s", quoted(s.spelling)))
		case v != nil:
			p.warn(s.pos, fmt.Sprintf("the label %s has the name of the variable in line %d", quoted(s.spelling), p.lineOf(v.pos)))
		}
	}
	for i := range p.code {
		if p.code[i].op == opGoto {
			p.code[i].a = p.scope.order[p.code[i].a].target
			if p.code[i].a == int32(i) && p.found.Errors() == 0 {
				p.warn(p.code[i].pos, "this goes to itself, again and again: nothing on the way waits or changes")
			}
		}
	}
	for i := range p.waits {
		for j := range p.waits[i].entries {
			if e := &p.waits[i].entries[j]; e.target != noLabel {
				e.target = p.scope.order[e.target].target
			}
		}
	}
}
