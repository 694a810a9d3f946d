package scp

import "fmt"

// set reads what follows the word.
func (p *parser) set(t token) {
	switch {
	case p.accept(kPort):
		p.setPort(t)
	case p.accept(kScreen):
		p.setScreen(t)
	case p.accept(kIpaddr):
		p.needs(tyString, `"set ipaddr" needs`)
		p.emit(opAddress, t, 0)
	default:
		p.fail(`"set" knows "port", "screen" and "ipaddr"`)
	}
}

func (p *parser) setPort(t token) {
	switch {
	case p.accept(kDatabits):
		p.emit(opDataBits, t, p.oneOf(5, 8, "data bits can be 5, 6, 7 or 8, written as a number"))
	case p.accept(kStopbits):
		p.emit(opStopBits, t, p.oneOf(1, 2, "stop bits can be 1 or 2, written as a number"))
	case p.accept(kParity):
		p.emit(opParity, t, p.parity())
	default:
		p.fail(`"set port" knows "databits", "parity" and "stopbits"`)
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

// parity reads a parity and returns its RAS number.
func (p *parser) parity() int32 {
	for i, k := range []kind{kNone, kOdd, kEven, kMark, kSpace} {
		if p.accept(k) {
			return int32(i)
		}
	}
	p.fail(`parity can be "none", "odd", "even", "mark" or "space"`)
	return 0
}

func (p *parser) setScreen(t token) {
	if !p.accept(kKeyboard) {
		p.fail(`"set screen" knows only "keyboard"`)
	}
	on := p.accept(kOn)
	if !on && !p.accept(kOff) {
		p.fail(fmt.Sprintf("%q needs %q or %q", "set screen keyboard", "on", "off"))
	}
	p.emit(opKeyboard, t, map[bool]int32{true: 1}[on])
}
