package port

import (
	"sync"
)

// marks takes breaks and damaged characters out of a stream in which the
// terminal driver has marked them (PARMRK of termios(3)):
//
//	0xff 0xff        the byte 0xff
//	0xff 0x00 0x00   a break
//	0xff 0x00 c      the character c with a parity or framing error
//
// It delivers the bytes before a mark and then the mark as an error. What was
// read after a mark waits for the next read; it is never more than one read
// asked for.
type marks struct {
	mu    sync.Mutex // guards what follows
	raw   []byte     // read, not decoded yet
	state markState
}

type markState uint8

const (
	noMark   markState = iota
	markFF             // after 0xff
	markFF00           // after 0xff 0x00
)

// read decodes what in reads.
func (m *marks) read(b []byte, in func([]byte) (int, error)) (int, error) {
	for {
		m.mu.Lock()
		n, err := m.decode(b)
		m.mu.Unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}

		// Without the lock: another Read may be blocked here.
		raw := make([]byte, len(b))
		k, err := in(raw)
		m.mu.Lock()
		m.raw = append(m.raw, raw[:k]...)
		m.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
}

// decode moves bytes from m.raw to b up to the first mark, which it returns as
// an error if no byte arrives before it.
func (m *marks) decode(b []byte) (n int, err error) {
	for len(m.raw) > 0 && n < len(b) {
		c := m.raw[0]
		switch {
		case m.state == noMark && c != 0xff:
			b[n] = c
			n++
		case m.state == noMark:
			m.state = markFF
		case m.state == markFF && c == 0xff:
			m.state = noMark
			b[n] = c
			n++
		case m.state == markFF && c == 0:
			m.state = markFF00
		case m.state == markFF: // not from a driver that marks
			m.state = noMark
			b[n] = c
			n++
		case n > 0:
			return n, nil // the mark is next
		default:
			m.state = noMark
			m.raw = m.raw[1:]
			if c == 0 {
				return 0, ErrBreak
			}
			return 0, &CharError{Char: c}
		}
		m.raw = m.raw[1:]
	}
	if len(m.raw) == 0 {
		m.raw = nil
	}
	return n, nil
}

// waiting reports whether something was read and not delivered.
func (m *marks) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.raw) > 0 || m.state != noMark
}
