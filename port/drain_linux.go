package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/wait"
)

// Drain looks at the driver's queue, which tells nothing about the UART's own
// and so leaves its last characters to awaitTransmitter. Bytes written to a
// pipe or a socket are on their way already.
func (t *tty) Drain(ctx context.Context) error {
	if t.ctl == nil {
		return t.afterClose(nil)
	}
	return t.drain(ctx, t.queue)
}

func (t *tty) drain(ctx context.Context, left func() (int, error)) error {
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

// queue returns the number of bytes in the driver's output queue.
func (t *tty) queue() (n int, err error) {
	err = t.control(func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		return err
	})
	return n, err
}

// perByte returns the time that one character takes on the line.
func (t *tty) perByte() time.Duration {
	m, err := t.Mode()
	if err != nil || m.Baud == 0 {
		return 0
	}
	return 10 * time.Second / time.Duration(m.Baud)
}

// awaitTransmitter waits for the last characters to leave the UART. A driver
// that cannot show the transmitter's state gets a tcdrain(3), which by now has
// next to nothing to wait for, but would wait for what others write.
func (t *tty) awaitTransmitter(ctx context.Context) error {
	err := drainQueue(ctx, func() (int, error) {
		state := 0
		err := t.control(func(fd int) (err error) {
			state, err = unix.IoctlGetInt(fd, unix.TIOCSERGETLSR)
			return err
		})
		return 1 - state&unix.TIOCSER_TEMT, err
	}, 0)
	if err == nil || !isRefusal(err) {
		return err
	}
	return t.waitingIoctl(ctx, unix.TCSBRK, 1)
}

// waitingIoctl makes an ioctl before which the kernel waits for all output to
// leave. The end of ctx ends that wait.
func (t *tty) waitingIoctl(ctx context.Context, req uint, arg int) error {
	return interruptible(ctx, func() error {
		return t.control(func(fd int) error {
			err := unix.IoctlSetInt(fd, req, arg)
			if err == unix.EINTR && ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		})
	})
}

func (t *tty) Discard(d Direction) error {
	which := unix.TCIOFLUSH
	switch d {
	case Input:
		which = unix.TCIFLUSH
	case Output:
		which = unix.TCOFLUSH
	}
	return t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, which) })
}

func (t *tty) SendBreak(ctx context.Context, d time.Duration) error {
	if t.ctl == nil || t.pseudo {
		return fmt.Errorf("this port has no line that could be held in a break: %w", errors.ErrUnsupported)
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

// isRefusal reports whether a driver answered that it does not know the call.
func isRefusal(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) ||
		errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
