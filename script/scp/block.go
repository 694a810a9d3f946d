package scp

import "fmt"

// open begins an if or a while. The block is open even if its condition has a
// mistake, so that its end is not another one.
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
		p.fail(fmt.Sprintf("%q must stand after the condition of %q", spellings[after], spellings[t.kind]))
		p.skipHeader(after)
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
	p.found.MaxErrors = p.found.Errors()
	p.stopIfFull()
}

// skipHeader looks for the word that ends a condition with a mistake, on this
// line or before the next command.
func (p *parser) skipHeader(after kind) {
	line := p.prev.line
	for p.tok.kind != tEOF && p.tok.kind != after {
		if p.tok.kind.starts() && p.tok.kind != kGetip || p.tok.line > line && p.tok.kind == tName {
			return
		}
		p.advance()
	}
	if p.tok.kind == after {
		p.advance()
		p.failed = false
	}
}

// close ends the innermost block if it is of kind k. If it is not, one word is
// missing, one is too many, or one is mistaken for the other; the number of
// closing words that follow tells which.
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
