package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// closeBound is the time that the kernel gets to close a device before it is
// told to hurry. A driver that cannot discard its output would wait for it for
// up to 30 seconds (closing_wait of setserial(8)).
const closeBound = 200 * time.Millisecond

// Close ends every call first and does what takes time after it.
func (t *tty) Close() error {
	if !t.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	t.end()
	t.keepEnded()
	t.watch.halt()
	if t.carrier != nil {
		t.carrier.stop()
	}
	t.finish()
	return t.release()
}

// finish gives the written bytes their time, if any, and leaves the line as
// Config says.
func (t *tty) finish() {
	if t.ctl == nil {
		return
	}
	t.awaitWriters()
	sent := t.drainAtClose()
	if t.path == "" {
		return
	}
	if t.breaking.Load() > 0 {
		t.final(unix.TIOCCBRK, 0)
	}
	if !sent && !t.pseudo { // there it would take bytes from the far end
		t.final(unix.TCFLSH, unix.TCOFLUSH)
	}
}

// drainAtClose reports whether all bytes left within the limit.
func (t *tty) drainAtClose() bool {
	if t.closeTimeout <= 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.closeTimeout)
	defer cancel()
	return drainQueue(ctx, t.queue, t.perByte()) == nil && t.awaitTransmitter(ctx) == nil
}

// awaitWriters returns when no write is inside the kernel. The deadline that
// keepEnded set makes the raw write fail as soon as it has its turn.
func (t *tty) awaitWriters() {
	if conn, err := t.out.SyscallConn(); err == nil {
		conn.Write(func(uintptr) bool { return true })
	}
}

// final makes an ioctl whose failure Close could do nothing about.
func (t *tty) final(req uint, arg int) {
	controlConn(t.ctl, func(fd int) error { return unix.IoctlSetInt(fd, req, arg) }, keep)
}

// release undoes what was done to the descriptors and closes them.
func (t *tty) release() error {
	t.closing.Store(true)
	t.end()
	for _, f := range slices.Backward(t.undo) {
		f()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	last := t.hold()
	err := interruptible(ctx, t.in.Close)
	if t.out != t.in {
		if oerr := interruptible(ctx, t.out.Close); err == nil {
			err = oerr
		}
	}
	if last >= 0 {
		interruptible(ctx, func() error { return unix.Close(last) })
	}
	t.lock.release()
	return err
}

// hold returns a further descriptor of the terminal, or -1. The last close of a
// device may wait for its output. Without a descriptor that is closed after all
// others, the last one may be made by a read or write that is on its way out,
// on a thread of its own where nothing interrupts it.
func (t *tty) hold() int {
	fd := -1
	if t.ctl == nil {
		return fd
	}
	t.rawIoctl(func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return fd
}

func keep(err error) error { return err }

var errNoTerminal = fmt.Errorf("this is no terminal: only a serial device can do that: %w", errors.ErrUnsupported)

// failed turns the error of a system call into the cause that the user sees.
// A line that is gone reads as end of file and answers everything else with
// EIO; a USB driver that lost its device says ENODEV or ENXIO as well.
func (t *tty) failed(err error) error {
	switch {
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return t.late()
	case err == io.EOF, errors.Is(err, unix.EIO), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV),
		errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ESHUTDOWN):
		return t.gone()
	}
	return err
}

// late tells the deadline that keepEnded set from one of the user's.
func (t *tty) late() error {
	switch {
	case t.closing.Load():
		return net.ErrClosed
	case t.lost.Load():
		return ErrCarrierLost
	}
	return os.ErrDeadlineExceeded
}

// gone tells a hang-up from a device that was removed: both end the line alike,
// but the node of a device stays. The node of a pseudo-terminal goes with its
// far end, and files that were open already have none to look at.
func (t *tty) gone() error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	if t.path == "" || t.pseudo || t.settled.Load() {
		return ErrCarrierLost
	}
	err := settle(t.life.Done(), t.nodeThere)
	t.settled.Store(err == ErrCarrierLost)
	return err
}

// node is what a device's name leads to. A device that is plugged in again gets
// a node of its own, if with the old numbers.
type node struct{ dev, ino, rdev uint64 }

func nodeOf(st *unix.Stat_t) node { return node{uint64(st.Dev), uint64(st.Ino), uint64(st.Rdev)} }

// nodeThere reports whether the path still leads to the device.
func (t *tty) nodeThere() bool {
	var st unix.Stat_t
	return unix.Stat(t.path, &st) == nil && nodeOf(&st) == t.node
}
