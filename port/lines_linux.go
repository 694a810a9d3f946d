package port

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/internal/wait"
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

func (t *ttyPort) Lines() (Lines, error) {
	// The kernel writes 32 bits; IoctlGetInt would have it write half of an int
	// of 64 bits, the wrong one on big-endian machines.
	var state uint32
	err := t.control(func(fd int) (err error) {
		state, err = unix.IoctlGetUint32(fd, unix.TIOCMGET)
		return err
	})
	return linesFrom(int(state)), noLines(err)
}

func (t *ttyPort) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	if _, err := t.Lines(); err != nil {
		return err
	}
	return t.writeLines(mask, values)
}

// writeLines asserts before it clears. It names single lines to the kernel, so
// that no change of the other one is undone.
func (t *ttyPort) writeLines(mask, values Lines) error {
	err := t.writeBits(unix.TIOCMBIS, mask&values)
	if err == nil {
		err = t.writeBits(unix.TIOCMBIC, mask&^values)
	}
	return noLines(err)
}

func (t *ttyPort) writeBits(req uint, l Lines) error {
	if l == 0 {
		return nil
	}
	return t.control(func(fd int) error { return unix.IoctlSetPointerInt(fd, req, l.tiocm()) })
}

// noLines explains that a driver does not know a line call.
func noLines(err error) error {
	if err != nil && termios.Refused(err) {
		return fmt.Errorf("this device has no modem lines: %w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// countFromHere makes the driver's counts of this moment the zero of Stats.
func (t *ttyPort) countFromHere() {
	t.control(func(fd int) error { return getCounts(fd, &t.counts) })
}

func (t *ttyPort) Stats() (Stats, error) {
	t.statsMu.Lock()
	defer t.statsMu.Unlock()
	var now icounter
	if err := t.control(func(fd int) error { return getCounts(fd, &now) }); err != nil {
		if termios.Refused(err) {
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

// safetyLook is how often a waiter polls the lines although a thread sits in
// TIOCMIWAIT: a change between two calls of that is not reported.
const safetyLook = 100 * time.Millisecond

func (t *ttyPort) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	before, err := t.lineState()
	if err != nil {
		return 0, err
	}
	ctx, stop := t.bound(ctx)
	defer stop()
	wake := make(chan struct{}, 1)
	t.watch.join(wake, func() (fd int, err error) {
		if t.closing.Load() {
			return -1, net.ErrClosed
		}
		err = t.control(func(from int) (err error) {
			fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
			return err
		})
		return fd, err
	})
	defer t.watch.leave(wake)
	l, err := waitLines(ctx, mask, before, t.lineState, wake, func() time.Duration {
		if mask&Outputs == 0 && t.watch.reporting() {
			return safetyLook
		}
		return linePoll
	})
	if err != nil && ctx.Err() != nil {
		err = t.ended(ctx)
	}
	return l, err
}

func (t *ttyPort) lineState() (lineState, error) {
	return readLineState(func() (wait.Edges, error) {
		var c icounter
		err := t.control(func(fd int) error { return getCounts(fd, &c) })
		if err != nil && termios.Refused(err) {
			err = nil // this driver counts nothing
		}
		return wait.Edges{2: c.cts, c.dsr, c.dcd, c.rng}, err
	}, t.Lines)
}

// lineWatch is the thread that sits in TIOCMIWAIT while at least one goroutine
// waits for the lines of a port.
type lineWatch struct {
	mu      sync.Mutex // guards what follows
	waiters []chan struct{}
	thread  *sleeper
	wait    func(fd int) error // waitForModem, but for tests
	dead    bool               // the thread got an error: there is nothing to expect from it
	refused bool               // the driver does not know TIOCMIWAIT: never start one again
}

// join adds a waiter and starts the thread for the first one, on the descriptor
// that dup makes for it. If it cannot be started the waiters poll.
func (w *lineWatch) join(wake chan struct{}, dup func() (int, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters = append(w.waiters, wake)
	if w.thread != nil || w.refused {
		return
	}
	if fd, err := dup(); err == nil {
		w.dead = false
		w.thread = startSleeper(fd, w.wait, w.report)
	}
}

func waitForModem(fd int) error {
	return unix.IoctlSetInt(fd, unix.TIOCMIWAIT, unix.TIOCM_CTS|unix.TIOCM_DSR|unix.TIOCM_CD|unix.TIOCM_RI)
}

// report wakes all waiters; the thread calls it after each TIOCMIWAIT.
func (w *lineWatch) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = err != nil
	w.refused = w.refused || err != nil && termios.Refused(err)
	for _, c := range w.waiters {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (w *lineWatch) reporting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.thread != nil && !w.dead
}

// leave removes a waiter and stops the thread after the last one.
func (w *lineWatch) leave(wake chan struct{}) {
	w.mu.Lock()
	w.waiters = slices.DeleteFunc(w.waiters, func(c chan struct{}) bool { return c == wake })
	w.stopAndUnlock(len(w.waiters) == 0)
}

// halt stops the thread if there is one.
func (w *lineWatch) halt() {
	w.mu.Lock()
	w.stopAndUnlock(true)
}

// stopAndUnlock waits for the thread without the lock, which that may want.
func (w *lineWatch) stopAndUnlock(stop bool) {
	s := w.thread
	if stop {
		w.thread = nil
	}
	w.mu.Unlock()
	if stop && s != nil {
		s.stop()
	}
}

// icounter is struct serial_icounter_struct of linux/serial.h.
type icounter struct {
	cts, dsr, rng, dcd               uint32
	rx, tx                           uint32
	frame, overrun, parity, brk, buf uint32
	_                                [9]int32
}

// serialInfo is struct serial_struct of linux/serial.h.
type serialInfo struct {
	kind, line   int32
	port         uint32
	irq          int32
	flags        int32
	fifo         int32
	divisor      int32
	baudBase     int32
	closeDelay   uint16
	ioType       uint8
	_            uint8
	hub6         int32
	closingWait  uint16
	closingWait2 uint16
	memBase      uintptr
	memShift     uint16
	portHigh     uint32
	ioMapBase    uintptr
}

const asyncLowLatency = 1 << 13 // ASYNC_LOW_LATENCY

func ioctlPointer(fd int, req uint, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p))
	if errno != 0 {
		return errno
	}
	return nil
}

func getCounts(fd int, c *icounter) error {
	return ioctlPointer(fd, unix.TIOCGICOUNT, unsafe.Pointer(c))
}

func getSerialInfo(fd int, info *serialInfo) error {
	return ioctlPointer(fd, unix.TIOCGSERIAL, unsafe.Pointer(info))
}
