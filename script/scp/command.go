package scp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rasline/rasline/script/lint"
)

// named reads an assignment or a label.
func (p *parser) named() {
	name := p.tok
	p.advance()
	switch {
	case p.tok.kind == tColon && strings.HasPrefix(p.src.Text()[p.tok.end:], "="):
		p.fail("to set a variable, write = without the colon")
	case p.accept(tColon):
		if name.kind == tName {
			s := p.labelSymbol(name)
			if s.defined {
				p.errorAt(name, "the label %s stands already in line %d: each label needs a name of its own", p.shown(name), p.lineOf(s.pos))
			} else {
				s.defined, s.pos, s.target = true, name.pos, p.here()
			}
		}
	case p.accept(tAssign):
		p.active = true
		var v *symbol
		if name.kind == tName {
			v = p.variable(name)
		}
		if v != nil {
			p.assign(name, v)
			break
		}
		p.expression()
		p.emit(opDrop, name, 0)
	default:
		p.active = true
		word := lint.Fold(p.text(name))
		switch hint := hints[word]; {
		case name.pos > 0 && isDigit(p.src.Text()[name.pos-1]):
			p.failAt(name, p.shown(name)+" touches the number before it: a name cannot begin with a digit, and a number has digits only")
		case hint != "":
			p.failAt(name, hint)
		default:
			p.failAt(name, p.shown(name)+" is no command: a name is followed by = to set a variable or by : to mark a place")
		}
		if word == "else" {
			p.failed = false
		}
	}
}

// assign reads a value and writes the code that stores it.
func (p *parser) assign(name token, v *symbol) {
	if value := p.expression(); !value.typ.fits(v.typ) {
		p.errorAt(value.tok, "%s holds %s, but this is %s", p.shown(name), v.typ, value.typ)
	}
	p.emit(opStore, name, v.slot)
}

var declared = map[kind]typ{kInteger: tyInteger, kString: tyString, kBoolean: tyBoolean}

// declaration reads "integer", "string" or "boolean", a name, and perhaps a
// value.
func (p *parser) declaration() {
	word, t := p.tok, declared[p.tok.kind]
	if p.active {
		p.warnAt(word, "a declaration after the first command: declare variables at the start of the procedure")
	}
	p.advance()
	name, ok := p.name(p.shown(word) + " needs the name of a variable, which begins with a letter")
	v := &symbol{typ: t}
	if ok {
		key := lint.Fold(p.text(name))
		if old := p.scope.variables[key]; old != nil {
			// The slot of a name is that of its first declaration.
			p.errorAt(name, "%s is declared already in line %d: choose another name", p.shown(name), p.lineOf(old.pos))
			v = &symbol{typ: tyAny, slot: old.slot}
		} else {
			v = &symbol{spelling: p.text(name), pos: name.pos, typ: t, slot: int32(len(p.scope.slots))}
			p.scope.variables[key] = v
			p.scope.slots = append(p.scope.slots, t)
		}
	}
	if p.accept(tAssign) {
		p.assign(name, v)
	}
}

// command reads a command that begins with a word of its own.
func (p *parser) command() {
	t := p.tok
	switch p.advance(); t.kind {
	case kDelay:
		p.needs(tyInteger, `"delay" needs`)
		p.emit(opDelay, t, 0)
	case kGetip:
		p.getip(t)
		p.emit(opDrop, t, 0)
	case kGoto:
		if name, ok := p.name(`"goto" needs the name of a label`); ok {
			p.emit(opGoto, t, p.label(name))
		}
	case kHalt:
		p.emit(opHalt, t, 0)
	case kIf, kWhile:
		p.open(t)
	case kEndif:
		p.close(t, kIf)
	case kEndwhile:
		p.close(t, kWhile)
	case kSet:
		p.set(t)
	case kTransmit:
		v := p.needs(tyString, `"transmit" needs`)
		p.escapes(v)
		raw := int32(0)
		if p.tok.kind == tComma && !p.failed {
			p.advance()
			if !p.accept(kRaw) {
				p.fail(`after the comma, "transmit" knows only the word "raw"`)
			}
			raw = 1
		}
		switch {
		case raw == 1 && v.literal && expand(v.text) != v.text:
			p.warnAt(v.tok, `with "raw", codes such as ^M or <cr> in this text are sent as they are written`)
		case raw == 0 && (v.system == opUserID || v.system == opPassword):
			p.warnAt(v.tok, `without ", raw" a ^, < or \ in %s may be sent as something else`, p.text(v.tok))
		}
		p.emit(opTransmit, t, raw)
	case kWaitfor:
		p.waitfor(t)
	default:
		switch {
		case strays[t.kind] != "":
			p.failAt(t, strays[t.kind])
		case t.kind == tOpen && len(p.code) == 0:
			p.failAt(t, `a procedure has no parentheses: write "proc" and the name alone`)
		case t.kind == tSysVar && p.tok.kind == tAssign:
			p.failAt(t, p.shown(t)+" cannot be changed: it belongs to the system")
		case t.kind == tString:
			p.failAt(t, `a text cannot stand alone: "transmit" sends it, "waitfor" waits for it`)
		default:
			p.failAt(t, p.shown(t)+" begins no command")
		}
	}
}

// strays is what to write for tokens that begin no command.
var strays = map[kind]string{
	kRaw:       `"raw" needs a comma before it: transmit TEXT, raw`,
	kMatchcase: `"matchcase" needs a comma before it: waitfor TEXT, matchcase`,
	kThen:      `"then" stands before "until", and after the condition of an "if": waitfor TEXT then LABEL until SECONDS`,
	kUntil:     `"until" is the end of a "waitfor", and there is one of it: waitfor TEXT then LABEL until SECONDS`,
	kDo:        `"do" stands after the condition of a "while"`,
	tSlash:     `a comment begins with ; and not with /`,
	tStar:      `a comment begins with ; and not with *`,
	tInteger:   `a number begins no command: a label begins with a letter`,
	tComma:     `a comma stands before "raw" and "matchcase", and between the texts of a "waitfor" that each have "then" and a label`,
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

// escapes warns of escapes of other languages in a literal.
func (p *parser) escapes(v operand) {
	for _, e := range []struct{ written, meant string }{{`\r`, "^M or <cr>"}, {`\n`, "^J or <lf>"}, {`\t`, "^I"}} {
		if v.literal && strings.Contains(v.text, e.written) && strings.HasSuffix(v.text, e.written) {
			p.warnAt(v.tok, "%s in this text is two characters: write %s", e.written, e.meant)
			return
		}
	}
}

// waitfor reads what follows the word.
func (p *parser) waitfor(t token) {
	w := waitSite{from: p.tok.pos}
	p.waitText(&w)
	w.to = p.prev.end
	if p.accept(kThen) {
		p.waitTarget(&w)
		for p.accept(tComma) {
			p.waitText(&w)
			if !p.accept(kThen) {
				p.fail(`each text in the list of a "waitfor" needs "then" and a label`)
			}
			p.waitTarget(&w)
		}
	} else if p.tok.kind == tComma {
		p.fail(`each text in the list of a "waitfor" needs "then" and a label`)
	}
	if p.accept(kUntil) {
		w.until = true
		v := p.needs(tyInteger, `"until" needs`)
		if v.literal && v.number <= 0 {
			p.warnAt(v.tok, `"until" with 0 or less does not wait: it looks only at what has come already`)
		}
	} else {
		p.warnAt(t, `without "until" this waits for ever if the text never comes`)
	}
	p.waits = append(p.waits, w)
	p.emit(opWaitfor, t, int32(len(p.waits)-1))
}

// waitText reads a text to wait for and perhaps "matchcase".
func (p *parser) waitText(w *waitSite) {
	v := p.needs(tyString, `"waitfor" needs`)
	p.escapes(v)
	if v.literal && v.text == "" {
		p.warnAt(v.tok, "an empty text matches immediately, without waiting")
	}
	exact := p.tok.kind == tComma && p.scan.ahead().next().kind == kMatchcase
	if exact {
		p.advance()
		p.advance()
	}
	w.entries = append(w.entries, waitEntry{exact: exact, target: noLabel})
}

// waitTarget reads the label of the last entry.
func (p *parser) waitTarget(w *waitSite) {
	if p.tok.kind == kGoto {
		p.fail(`after "then" a "waitfor" has the label alone, without "goto"`)
	}
	if name, ok := p.name(`"then" needs the name of a label to go to`); ok {
		w.entries[len(w.entries)-1].target = p.label(name)
	}
}

// set reads what follows the word.
func (p *parser) set(t token) {
	switch {
	case p.accept(kPort):
		switch {
		case p.accept(kDatabits):
			p.emit(opDataBits, t, p.oneOf(5, 8, "data bits can be 5, 6, 7 or 8, written as a number"))
		case p.accept(kStopbits):
			p.emit(opStopBits, t, p.oneOf(1, 2, "stop bits can be 1 or 2, written as a number"))
		case p.accept(kParity):
			// RAS numbers the parities in this order.
			n := slices.IndexFunc([]kind{kNone, kOdd, kEven, kMark, kSpace}, p.accept)
			if n < 0 {
				p.fail(`parity can be "none", "odd", "even", "mark" or "space"`)
			}
			p.emit(opParity, t, int32(max(0, n)))
		default:
			p.fail(`"set port" knows "databits", "parity" and "stopbits"; the bit rate is that of the entry`)
		}
	case p.accept(kScreen):
		if !p.accept(kKeyboard) {
			p.fail(`"set screen" knows only "keyboard"`)
		}
		on := p.accept(kOn)
		if !on && !p.accept(kOff) {
			p.fail(fmt.Sprintf("%q needs %q or %q", "set screen keyboard", "on", "off"))
		}
		p.emit(opKeyboard, t, map[bool]int32{true: 1}[on])
	case p.accept(kIpaddr):
		v := p.needs(tyString, `"set ipaddr" needs`)
		if _, ok := parseAddress(v.text); v.literal && v.typ == tyString && !ok {
			p.warnAt(v.tok, "this text is no address such as 10.0.0.7, and the script will fail here")
		}
		p.emit(opAddress, t, 0)
	case p.tok.kind == kDatabits || p.tok.kind == kParity || p.tok.kind == kStopbits:
		p.fail(fmt.Sprintf(`write "set port %s"`, spellings[p.tok.kind]))
	case p.tok.kind == kKeyboard:
		p.fail(`write "set screen keyboard"`)
	default:
		p.fail(`"set" knows "port", "screen" and "ipaddr"`)
	}
}

// oneOf reads a number from low to high.
func (p *parser) oneOf(low, high int64, text string) int32 {
	n := p.tok
	if n.kind != tInteger {
		p.fail(text)
		return 0
	}
	p.advance()
	if n.num < low || n.num > high {
		p.errorAt(n, "%s", text)
	}
	return int32(n.num)
}
