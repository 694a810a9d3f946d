package scp

import (
	"fmt"
	"slices"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// Program is a script that Parse has found to be correct. It does not change,
// and any number of runs may continue at the same time. It is a script.Executor
// itself, with the zero Config.
type Program struct {
	src      *lint.Source
	texts    []string
	code     []instr // of main
	waits    []waitSite
	sends    []bool // by instruction: main sends before it ends, whatever it receives
	slots    []typ
	warnings []lint.Finding
	tested   map[op]bool // the system variables that main compares
}

var _ script.Executor = (*Program)(nil)

// Warnings returns what Parse found that is allowed and yet doubtful, in the
// order of the places, 100 findings at most.
func (p *Program) Warnings() []lint.Finding { return slices.Clone(p.warnings) }

// Check returns a *script.RunError for a script that uses $USERID or $PASSWORD
// without a value for it. A script that compares one of them decides by itself
// what to do without.
func (p *Program) Check(params *ras.DialParams) error {
	for _, in := range p.code {
		field := map[op]string{opUserID: "UserName", opPassword: "Password"}[in.op]
		if field == "" || p.tested[in.op] {
			continue
		}
		if err := script.CheckParam(params, field); err != nil {
			line, col := p.src.Place(int(in.pos))
			name := map[op]string{opUserID: "$USERID", opPassword: "$PASSWORD"}[in.op]
			return &script.RunError{File: p.src.Name(), Line: line, Col: col, Op: "the script uses " + name, Code: ras.ErrInvalidParameter, Err: err}
		}
	}
	return nil
}

// typ is the type of a value.
type typ uint8

const (
	tyAny     typ = iota // of something that was reported already; fits all
	tyInteger            // 32 bits, signed
	tyString             // bytes, escapes not yet expanded
	tyBoolean
)

// String returns the type in words for a message.
func (t typ) String() string {
	return [...]string{"a value", "a whole number", "a text", "a TRUE/FALSE value"}[t]
}

// fits reports whether a value of type t may be used where want is needed.
func (t typ) fits(want typ) bool { return t == want || t == tyAny || want == tyAny }

// op is what an instruction does. Instructions work on a stack of values.
// The zero op is that of no instruction.
type op uint8

const (
	// Values: each pushes one.
	opInteger  op = iota + 1 // a: the number
	opString                 // a: index into Program.texts
	opBoolean                // a: 0 or 1
	opVariable               // a: slot
	opUserID
	opPassword
	opSuccess
	opFailure
	opGetIP // pops the ordinal

	// Operators: each pops its operands and pushes the result.
	opNegate
	opFlip // all bits of an integer
	opNot
	opMultiply
	opDivide
	opAdd
	opSubtract
	opJoin
	opLess
	opGreater
	opLessEqual
	opGreaterEqual
	opEqual    // of integers or booleans
	opNotEqual // follows opEqual
	opSame     // of strings
	opDiffer   // follows opSame

	// opAnd and opOr jump to a with the value kept if it decides, and pop it
	// otherwise.
	opAnd
	opOr

	// Commands. Those from opStore on count as steps.
	opJump  // a: target; the end of a while
	opStore // a: slot
	opDrop  // a value that is not used
	opGoto  // a: target
	opIf    // a: target if FALSE
	opWhile // a: target if FALSE
	opDelay
	opHalt
	opKeyboard // a: 0 off, 1 on
	opDataBits // a: 5 to 8
	opParity   // a: 0 none, 1 odd, 2 even, 3 mark, 4 space
	opStopBits // a: 1 or 2
	opAddress
	opTransmit // a: 1 raw
	opWaitfor  // a: index into Program.waits
	opEnd
)

// jumps reports whether a of o is an instruction to go to.
func (o op) jumps() bool {
	return o == opJump || o == opGoto || o == opIf || o == opWhile || o == opAnd || o == opOr
}

// commandNames names the commands for errors. What is sent is never shown.
var commandNames = map[op]string{
	opGetIP: "getip", opDelay: "delay", opHalt: "halt", opTransmit: "transmit",
	opAddress: "set ipaddr", opDataBits: "set port databits", opStopBits: "set port stopbits",
	opParity: "set port parity", opKeyboard: "set screen keyboard",
}

// instr is one instruction. pos is the byte of the source that it represents.
type instr struct {
	op  op
	pos int32
	a   int32
}

// waitSite is what a waitfor has besides its values, which lie on the stack:
// one text for each entry and then the limit, if there is one.
type waitSite struct {
	from, to int32 // the first text in the source
	entries  []waitEntry
	until    bool
}

// waitEntry is one text of a waitfor.
type waitEntry struct {
	exact  bool  // matchcase
	target int32 // the instruction to go to, or noLabel
}

// noLabel as a target means to continue with the next command.
const noLabel int32 = -1

// ErrHalted reports that a script reached a halt command and that no user
// continued. It matches ras.ErrInteractiveMode.
var ErrHalted error = &fault{"the script halted and there is no user to continue", ras.ErrInteractiveMode}

// ErrLimit reports that a script went beyond one of the limits of its Config. It
// matches ras.ErrScriptSyntax.
var ErrLimit error = &fault{"limit of the script exceeded", ras.ErrScriptSyntax}

// fault is what is wrong in the script itself.
type fault struct {
	text string
	code ras.Code
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.code }

// wrong returns a fault of the script's own making.
func wrong(format string, args ...any) error {
	return &fault{fmt.Sprintf(format, args...), ras.ErrScriptSyntax}
}

// overLimit returns an error that matches ErrLimit.
func overLimit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}
