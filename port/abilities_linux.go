package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/internal/wait"
)

// The methods of a ttyPort besides its stream; tty_linux.go has those that Open
// and Close use as well.

func (t *ttyPort) SetMode(m Mode) error {
	if t.ctl == nil {
		return errNoTerminal
	}
	if m == (Mode{}) {
		return t.afterClose(nil)
	}
	if m != (Mode{Flow: m.Flow}) {
		err := untilLate(&t.writeBy, func(ctx context.Context) error { return t.drain(ctx, t.queue) })
		if err != nil {
			return t.afterClose(err)
		}
	}
	return t.changeSettings(m, func(*unix.Termios) {})
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

func (t *ttyPort) Queued() (in, out int, err error) {
	if t.closing.Load() {
		return 0, 0, net.ErrClosed
	}
	conn, err := t.in.SyscallConn()
	if err != nil {
		return 0, 0, t.failed(err)
	}
	var n uint32
	if err := controlConn(conn, func(fd int) (err error) {
		n, err = unix.IoctlGetUint32(fd, unix.TIOCINQ)
		return err
	}, t.failed); err != nil {
		return 0, 0, err
	}
	if t.ctl != nil {
		out, err = t.queue()
	}
	return int(n), out, err
}

// Drain examines the driver's queue, which shows nothing of the UART's own
// and so leaves its last characters to awaitTransmitter. Bytes written to a
// pipe or a socket are on their way already.
func (t *ttyPort) Drain(ctx context.Context) error {
	if t.ctl == nil {
		return t.afterClose(nil)
	}
	return t.drain(ctx, t.queue)
}

func (t *ttyPort) drain(ctx context.Context, left func() (int, error)) error {
	ctx, stop := t.bound(ctx)
	defer stop()
	err := ctx.Err()
	if err == nil {
		err = drainQueue(ctx, left, t.perByte())
	}
	if err == nil {
		err = t.awaitTransmitter(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return t.ended(ctx)
	}
	if err == nil {
		err = t.afterClose(nil) // an empty queue is no proof: Close discards
	}
	return err
}

func (t *ttyPort) Discard(d Direction) error {
	which := unix.TCIOFLUSH
	switch d {
	case 0:
		return t.afterClose(nil)
	case Input:
		which = unix.TCIFLUSH
	case Output:
		which = unix.TCOFLUSH
	}
	return t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, which) })
}

func (t *ttyPort) SendBreak(ctx context.Context, d time.Duration) error {
	if t.ctl == nil || t.pseudo {
		return errNoBreak
	}
	if err := t.Drain(ctx); err != nil {
		return err
	}
	ctx, stop := t.bound(ctx)
	defer stop()
	t.breaking.Add(1)
	defer t.breaking.Add(-1)
	err := t.waitingIoctl(ctx, unix.TIOCSBRK, 0)
	if err == nil {
		err = wait.Sleep(ctx, d)
		end := t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCCBRK, 0) })
		err = cmp.Or(err, end)
	}
	if err != nil && ctx.Err() != nil {
		return t.ended(ctx)
	}
	return noLines(err)
}

func (t *ttyPort) SetBreak(on bool) error {
	if t.ctl == nil || t.pseudo {
		return errNoBreak
	}
	if !on {
		err := t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCCBRK, 0) })
		if err == nil && t.held.Swap(false) {
			t.breaking.Add(-1)
		}
		return noLines(err)
	}
	err := t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCSBRK, 0) })
	if err == nil && !t.held.Swap(true) {
		t.breaking.Add(1) // Close ends it
	}
	return noLines(err)
}

var errNoBreak = fmt.Errorf("this port has no line that could be held in a break: %w", errors.ErrUnsupported)

func (t *ttyPort) SyscallConn() (syscall.RawConn, error) {
	if t.closing.Load() {
		return nil, net.ErrClosed
	}
	if t.ctl != nil {
		return t.ctl, nil
	}
	return t.in.SyscallConn()
}

// Detach first takes a further descriptor, which nothing else can fail after.
func (t *ttyPort) Detach() (*os.File, error) {
	if t.in != t.out {
		return nil, fmt.Errorf("input and output are two files: there is no one descriptor: %w", errors.ErrUnsupported)
	}
	if t.marks != nil && t.marks.waiting() {
		return nil, fmt.Errorf("bytes behind a break or a damaged character were not read yet: read them first: %w", errors.ErrUnsupported)
	}
	conn, err := t.in.SyscallConn()
	if err != nil {
		return nil, t.failed(err)
	}
	fd := -1
	if err := controlConn(conn, func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, minFD)
		return err
	}, t.failed); err != nil {
		return nil, err
	}
	if !t.closing.CompareAndSwap(false, true) {
		unix.Close(fd)
		return nil, net.ErrClosed
	}
	t.end()
	t.keepEnded()
	t.watch.halt()
	if t.carrier != nil {
		t.carrier.stop()
	}

	// The deadline that keepEnded has set lets no call take bytes from here on;
	// those that are inside the kernel are waited for.
	t.awaitWriters()
	conn.Read(func(uintptr) bool { return true })
	if t.breaking.Load() > 0 && t.path != "" {
		t.final(unix.TIOCCBRK, 0)
	}
	if t.marks != nil {
		t.rawIoctl(func(fd int) error {
			tio, err := termios.Get(fd)
			if err != nil {
				return err
			}
			tio.Iflag &^= unix.PARMRK | unix.INPCK
			return termios.Set(fd, tio)
		})
	}
	if t.path != "" && !t.pseudo {
		t.final(unix.TIOCNXCL, 0)
	}
	t.lock.release()
	t.in.Close()
	return os.NewFile(uintptr(fd), t.path), nil
}

// lacks returns the abilities whose methods have no effect to be asked for.
func (t *ttyPort) lacks() (a Abilities) {
	if t.ctl == nil || t.pseudo {
		a |= AbilityBreak | AbilitySetBreak
	}
	if t.in != t.out {
		a |= AbilityDetach
	}
	return a
}
