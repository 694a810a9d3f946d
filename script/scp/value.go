package scp

import "math"

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

// maxAwaited is how many bytes the texts of one waitfor may have together; the
// tables that look for them can take a kilobyte for each.
const maxAwaited = 8 << 10
