package scp

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

// fits reports whether a value of type t may stand where want is needed.
func (t typ) fits(want typ) bool { return t == want || t == tyAny || want == tyAny }

// op is what an instruction does. Instructions work on a stack of values.
type op uint8

const (
	_ op = iota // 0 is no instruction

	// Values: each pushes one.
	opInteger  // a: the number
	opString   // a: index into Program.texts
	opBoolean  // a: 0 or 1
	opVariable // a: slot
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
	opDrop  // a value that nobody wants
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

// command reports whether o is a command of the script, a step.
func (o op) command() bool { return o >= opStore }

// jumps reports whether a of o is an instruction to go to.
func (o op) jumps() bool {
	return o == opJump || o == opGoto || o == opIf || o == opWhile || o == opAnd || o == opOr
}

// instr is one instruction. pos is the byte of the source that it stands for.
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
	target int32 // the instruction to go to, or next
}

// next as a target means to go on with the next command.
const next int32 = -1
