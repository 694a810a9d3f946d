package port

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// tiocm holds the kernel's bits of the lines, in the order of Lines.
var tiocm = [...]int{unix.TIOCM_DTR, unix.TIOCM_RTS, unix.TIOCM_CTS, unix.TIOCM_DSR, unix.TIOCM_CD, unix.TIOCM_RI}

func linesFrom(state int) (l Lines) {
	for i, bit := range tiocm {
		if state&bit != 0 {
			l |= 1 << i
		}
	}
	return l
}

func (l Lines) tiocm() (state int) {
	for rest := l; rest != 0; rest &= rest - 1 {
		state |= tiocm[bits.TrailingZeros8(uint8(rest))]
	}
	return state
}

func (t *tty) Lines() (Lines, error) {
	state := 0
	err := t.control(func(fd int) (err error) {
		state, err = unix.IoctlGetInt(fd, unix.TIOCMGET)
		return err
	})
	return linesFrom(state), noLines(err)
}

func (t *tty) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	if _, err := t.Lines(); err != nil {
		return err
	}
	return t.writeLines(mask, values)
}

// writeLines asserts before it clears. It names single lines to the kernel, so
// that nobody's change of the other one is undone.
func (t *tty) writeLines(mask, values Lines) error {
	err := t.writeBits(unix.TIOCMBIS, mask&values)
	if err == nil {
		err = t.writeBits(unix.TIOCMBIC, mask&^values)
	}
	return noLines(err)
}

func (t *tty) writeBits(req uint, l Lines) error {
	if l == 0 {
		return nil
	}
	return t.control(func(fd int) error { return unix.IoctlSetPointerInt(fd, req, l.tiocm()) })
}

// noLines says in words that a driver does not know a line call.
func noLines(err error) error {
	if err != nil && isRefusal(err) {
		return fmt.Errorf("this device has no modem lines: %w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// countFromHere makes the driver's counts of this moment the zero of Stats.
func (t *tty) countFromHere() {
	t.control(func(fd int) error { return getCounts(fd, &t.counts) })
}

func (t *tty) Stats() (Stats, error) {
	t.statsMu.Lock()
	defer t.statsMu.Unlock()
	var now icounter
	if err := t.control(func(fd int) error { return getCounts(fd, &now) }); err != nil {
		if isRefusal(err) {
			err = fmt.Errorf("this device counts nothing: %w", errors.ErrUnsupported)
		}
		return Stats{}, err
	}
	t.total.add(&t.counts, &now)
	t.counts = now
	return t.total, nil
}

// add adds what a driver counted between two readings. Its counters wrap at 32
// bits.
func (s *Stats) add(then, now *icounter) {
	s.Received += uint64(now.rx - then.rx)
	s.Sent += uint64(now.tx - then.tx)
	s.Framing += uint64(now.frame - then.frame)
	s.Parity += uint64(now.parity - then.parity)
	s.Overrun += uint64(now.overrun - then.overrun)
	s.Buffer += uint64(now.buf - then.buf)
	s.Breaks += uint64(now.brk - then.brk)
}
