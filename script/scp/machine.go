package scp

import (
	"context"
	"log/slog"
	"math"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Besides the commands, the work that they do is limited: in instructions and
// in pieces of bytesPerWork bytes that are copied or compared.
const (
	workPerStep  = 16
	bytesPerWork = 64
	stepsPerLook = 1024 // how often a run that never waits checks its context
)

// machine is one run of a Program. It belongs to the goroutine of Execute.
type machine struct {
	ctx    context.Context
	prog   *Program
	log    *slog.Logger
	tapped func(b []byte) // the host's own tap, or nil
	call   *ras.Call
	dialog *script.Dialog
	screen *terminal // nil without a Terminal

	pc       int32
	stack    []datum
	vars     []datum
	success  bool
	user     string
	password string

	maxString int64
	held      int64 // bytes of all strings in stack and vars
	maxSteps  int64
	steps     int64 // since the last wait
	work      int64 // since the last wait

	made   []awaited // by number of the waitfor
	seen   int       // bytes that are received once more and were shown already
	heard  *[]byte   // gets what is received in a pause; nil otherwise
	hidden map[string]bool
	format *charFormat // nil before the first "set port"
}

// awaited holds the patterns that a waitfor made last, and of what.
type awaited struct {
	texts    []string
	patterns []script.Pattern
}

// charFormat is the character format in force. long means more than one stop bit:
// two, or one and a half with 5 data bits, which is what a UART makes of two.
type charFormat struct {
	bits, parity uint8
	long         bool
}

// tap shows received bytes to the user and to the host.
func (m *machine) tap(b []byte) {
	if m.heard != nil {
		*m.heard = append(*m.heard, b...)
	}
	again := min(m.seen, len(b))
	m.seen -= again
	if b = b[again:]; len(b) == 0 {
		return
	}
	if m.tapped != nil {
		m.tapped(b)
	}
	if m.screen != nil {
		m.screen.show(b)
	}
}

// showAll shows the user what was received up to now.
func (m *machine) showAll() {
	if m.screen != nil {
		m.screen.flush()
	}
}

// What is hidden is searched for in all that is shown, so there cannot be much
// of it.
const (
	maxHidden      = 256
	maxHiddenBytes = 64 << 10
)

// hide registers a text that contains the password.
func (m *machine) hide(text string) error {
	switch {
	case m.hidden[text]:
		return nil
	case len(m.hidden) >= maxHidden || len(text) > maxHiddenBytes:
		return overLimit("more than %d different texts, or one of more than %d bytes, were made from the password", maxHidden, maxHiddenBytes)
	}
	m.hidden[text] = true
	m.call.Hide(ras.Secret(text))
	return nil
}

// waited starts the count of steps again.
func (m *machine) waited() { m.steps, m.work = 0, 0 }

// datum is a value of any type. A boolean is 0 or 1 in n.
type datum struct {
	s      string
	n      int32
	secret bool // the string is made from the password
}

func boolDatum(b bool) datum {
	if b {
		return datum{n: 1}
	}
	return datum{}
}

// heldPerString is how many times MaxString all strings may have together.
const heldPerString = 16

func (m *machine) push(v datum) {
	m.held += int64(len(v.s))
	m.stack = append(m.stack, v)
}

func (m *machine) pop() datum {
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	m.held -= int64(len(v.s))
	return v
}

// operate replaces the operands of an operator by its result.
func (m *machine) operate(in instr) error {
	b := m.pop()
	switch in.op {
	case opNegate:
		return m.pushInteger(-int64(b.n))
	case opFlip:
		m.push(datum{n: ^b.n})
		return nil
	case opNot:
		m.push(boolDatum(b.n == 0))
		return nil
	}
	a := m.pop()
	switch in.op {
	case opMultiply, opDivide, opAdd, opSubtract:
		switch in.op {
		case opMultiply:
			return m.pushInteger(int64(a.n) * int64(b.n))
		case opAdd:
			return m.pushInteger(int64(a.n) + int64(b.n))
		case opSubtract:
			return m.pushInteger(int64(a.n) - int64(b.n))
		}
		if int64(b.n) == 0 {
			return wrong("division by zero")
		}
		return m.pushInteger(int64(a.n) / int64(b.n))
	case opJoin:
		n := int64(len(a.s) + len(b.s))
		if n > m.maxString {
			return overLimit("a string would have %d bytes, more than %d", n, m.maxString)
		}
		if m.held+n > heldPerString*m.maxString {
			return overLimit("all strings together would have more than %d bytes", heldPerString*m.maxString)
		}
		m.work += n / bytesPerWork
		m.push(datum{s: a.s + b.s, secret: a.secret || b.secret})
		return nil
	}
	m.work += int64(len(a.s)+len(b.s)) / bytesPerWork
	m.push(boolDatum(comparison(in.op, a, b)))
	return nil
}

func comparison(o op, a, b datum) bool {
	switch o {
	case opLess:
		return a.n < b.n
	case opGreater:
		return a.n > b.n
	case opLessEqual:
		return a.n <= b.n
	case opGreaterEqual:
		return a.n >= b.n
	case opEqual:
		return a.n == b.n
	case opNotEqual:
		return a.n != b.n
	case opSame:
		return a.s == b.s
	default:
		return a.s != b.s
	}
}

func (m *machine) pushInteger(n int64) error {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return wrong("the result %d is out of range: the language counts from -2147483648 to 2147483647", n)
	}
	m.push(datum{n: int32(n)})
	return nil
}
