package scp

import (
	"fmt"
	"slices"

	"github.com/rasline/rasline/script/lint"
)

// operand is what the parser knows of an expression whose code is written.
type operand struct {
	typ     typ
	tok     token  // where it begins
	literal bool   // a text, or a number with or without minus signs
	text    string // the literal's text, escapes as written
	number  int64  // the literal's number
	system  op     // the system variable that it is, or 0
	made    []op   // the system variables that it is made of
}

// precedence holds how strongly the binary operators bind, from 1.
var precedence = [kinds]int{
	kOr: 1, kAnd: 2, tEqual: 3, tNotEqual: 3,
	tLess: 4, tGreater: 4, tLessEqual: 4, tGreaterEqual: 4,
	tPlus: 5, tMinus: 5, tStar: 6, tSlash: 6,
}

// expression reads an expression and writes the code that pushes its value.
func (p *parser) expression() operand { return p.binary(1) }

// needs reads an expression of type t. The text begins the message if it is
// of another.
func (p *parser) needs(t typ, text string) operand {
	v := p.expression()
	p.fits(v, t, text)
	return v
}

// fits reports an operand that is not of type t.
func (p *parser) fits(v operand, t typ, text string) {
	if !v.typ.fits(t) {
		p.errorAt(v.tok, "%s %s, but this is %s", text, t, v.typ)
	}
}

// binary reads operands joined by operators that bind at least as strongly as
// least, which group to the left.
func (p *parser) binary(least int) operand {
	left := p.unary()
	for !p.failed && precedence[p.tok.kind] >= least {
		t := p.tok
		p.advance()
		var jump int32
		switch t.kind {
		case kAnd:
			jump = p.emit(opAnd, t, 0)
		case kOr:
			jump = p.emit(opOr, t, 0)
		}
		right := p.binary(precedence[t.kind] + 1)
		result := tyInteger
		switch t.kind {
		case kAnd, kOr:
			p.both(t, tyBoolean, left, right)
			p.code[jump].a = p.here()
			result = tyBoolean
		case tEqual, tNotEqual:
			result = p.equality(t, left, right)
		case tPlus:
			// A plus sign adds numbers and joins texts.
			o := opAdd
			if left.typ == tyString || right.typ == tyString {
				result, o = tyString, opJoin
			}
			p.both(t, result, left, right)
			p.emit(o, t, 0)
			if left.typ == tyAny && right.typ == tyAny {
				result = tyAny
			}
		default:
			p.both(t, tyInteger, left, right)
			p.emit(arithmetic[t.kind], t, 0)
			if precedence[t.kind] == precedence[tLess] {
				result = tyBoolean
			}
		}
		left = operand{typ: result, tok: left.tok, made: append(left.made, right.made...)}
	}
	return left
}

var arithmetic = map[kind]op{
	tMinus: opSubtract, tStar: opMultiply, tSlash: opDivide,
	tLess: opLess, tGreater: opGreater, tLessEqual: opLessEqual, tGreaterEqual: opGreaterEqual,
}

// both reports the first operand that is not of type want.
func (p *parser) both(t token, want typ, left, right operand) {
	for _, v := range []operand{left, right} {
		if v.typ == want || v.typ == tyAny {
			continue
		}
		if t.kind == tPlus {
			p.errorAt(t, "+ takes two numbers or two texts, but here are %s and %s", left.typ, right.typ)
		} else {
			p.errorAt(v.tok, "%q takes %s on both sides, but this is %s", p.text(t), want, v.typ)
		}
		return
	}
}

// equality checks and writes == and !=.
func (p *parser) equality(t token, left, right operand) typ {
	o := opEqual
	if left.typ == tyString {
		o = opSame
	}
	if t.kind == tNotEqual {
		o++
	}
	if !left.typ.fits(right.typ) {
		p.errorAt(t, "%q compares values of one kind, but here are %s and %s", p.text(t), left.typ, right.typ)
	}
	p.emit(o, t, 0)
	for _, o := range append(left.made, right.made...) {
		p.tested[o] = true
	}
	return tyBoolean
}

// unary reads an operand with the signs in front of it.
func (p *parser) unary() operand {
	t := p.tok
	if t.kind != tMinus && t.kind != tNot || p.failed {
		return p.primary()
	}
	if p.depth++; p.depth > maxDepth {
		p.tooDeep(t)
		return operand{tok: t}
	}
	defer func() { p.depth-- }()
	p.advance()
	if t.kind == tMinus && p.tok.kind == tInteger {
		n := p.tok
		p.advance()
		return p.number(n, t, -n.num)
	}
	v := p.unary()
	if t.kind == tMinus {
		p.fits(v, tyInteger, "a minus sign needs")
		p.emit(opNegate, t, 0)
		return operand{typ: tyInteger, tok: t, literal: v.literal && v.typ == tyInteger, number: -v.number}
	}
	// Write !, which is "not" for a boolean and flips the bits of an
	// integer.
	switch v.typ {
	case tyInteger:
		p.emit(opFlip, t, 0)
	case tyString:
		p.errorAt(t, "! needs a TRUE/FALSE value or a whole number, but this is %s", v.typ)
		v.typ = tyAny
	default:
		p.emit(opNot, t, 0)
	}
	return operand{typ: v.typ, tok: t}
}

// number writes an integer literal that begins at the token at.
func (p *parser) number(n, at token, value int64) operand {
	if int64(int32(value)) != value {
		p.errorAt(n, "the number %s is too large: the language counts from -2147483648 to 2147483647", p.shown(n))
		value = 0
	}
	p.emit(opInteger, n, int32(value))
	return operand{typ: tyInteger, tok: at, literal: true, number: value}
}

// primary reads an operand without signs.
func (p *parser) primary() operand {
	t := p.tok
	if p.failed {
		return operand{tok: t}
	}
	switch t.kind {
	case tInteger:
		p.advance()
		return p.number(t, t, t.num)
	case tString:
		p.advance()
		text := p.src.Text()[t.pos+1 : t.end]
		if !t.cut {
			text = text[:len(text)-1]
		}
		p.program.texts = append(p.program.texts, text)
		p.emit(opString, t, int32(len(p.program.texts)-1))
		return operand{typ: tyString, tok: t, literal: !t.cut, text: text}
	case kTrue, kFalse:
		p.advance()
		p.emit(opBoolean, t, map[kind]int32{kTrue: 1}[t.kind])
		return operand{typ: tyBoolean, tok: t}
	case tName:
		p.advance()
		v := p.variable(t)
		if v == nil {
			return operand{tok: t}
		}
		p.emit(opVariable, t, v.slot)
		return operand{typ: v.typ, tok: t}
	case tSysVar:
		p.advance()
		return p.system(t)
	case tOpen:
		if p.depth++; p.depth > maxDepth {
			p.tooDeep(t)
			return operand{tok: t}
		}
		p.advance()
		v := p.expression()
		p.depth--
		if !p.accept(tClose) {
			p.fail(`a closing parenthesis ")" is missing here`)
		}
		v.tok = t
		return v
	case kGetip:
		p.advance()
		p.getip(t)
		return operand{typ: tyString, tok: t}
	}
	if t.kind == tGreater && p.prev.kind == tLess && p.prev.end == t.pos {
		p.fail("two values differ with !=, not with <>")
	}
	p.fail(fmt.Sprintf("a value is missing here: %s is none", p.shown(t)))
	return operand{tok: t}
}

// system reads a system variable.
func (p *parser) system(t token) operand {
	v := operand{typ: tyString, tok: t}
	switch lint.Fold(p.text(t)) {
	case "$userid":
		v.system = opUserID
	case "$password":
		v.system = opPassword
	case "$success":
		v.typ, v.system = tyBoolean, opSuccess
	case "$failure":
		v.typ, v.system = tyBoolean, opFailure
	default:
		p.errorAt(t, "%s is unknown: there are $USERID, $PASSWORD, $SUCCESS and $FAILURE", p.shown(t))
		return operand{tok: t}
	}
	v.made = []op{v.system}
	p.emit(v.system, t, 0)
	return v
}

// getip reads the operand of getip, which must begin on the same line, and
// writes the command.
func (p *parser) getip(t token) {
	if p.tok.line != t.line || !slices.Contains(operands, p.tok.kind) {
		p.emit(opInteger, t, 1)
		p.emit(opGetIP, t, 0)
		return
	}
	if p.depth++; p.depth > maxDepth {
		p.tooDeep(t)
		return
	}
	v := p.unary()
	p.depth--
	p.fits(v, tyInteger, `"getip" needs`)
	if v.literal && v.number < 1 {
		p.warnAt(v.tok, "addresses are counted from 1, and the script will fail here")
	}
	p.emit(opGetIP, t, 0)
}

// operands are the kinds of the tokens that can begin an operand.
var operands = []kind{tInteger, tString, kTrue, kFalse, tName, tSysVar, tOpen, tMinus, tNot, kGetip}
