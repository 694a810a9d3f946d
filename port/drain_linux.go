package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/internal/wait"
)

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

// queue returns the number of bytes in the driver's output queue.
func (t *ttyPort) queue() (n int, err error) {
	err = t.control(func(fd int) (err error) {
		v, err := unix.IoctlGetUint32(fd, unix.TIOCOUTQ)
		n = int(v)
		return err
	})
	return n, err
}

// perByte returns the time that one character takes on the line.
func (t *ttyPort) perByte() time.Duration {
	m, err := t.Mode()
	if err != nil || m.Baud == 0 {
		return 0
	}
	return 10 * time.Second / time.Duration(m.Baud)
}

// awaitTransmitter waits for the last characters to leave the UART.
//
// TIOCSERGETLSR shows the transmitter's state, but not every driver has it, and
// some drivers of USB adapters have it and never report an empty transmitter:
// ftdi_sio answers from the last status packet, which need not carry that bit.
// So the call is believed when it reports an empty transmitter. When it has not
// done so although the line had the time to send all that a UART holds,
// tcdrain(3) decides, which asks the device. It is second because it also
// waits for what others write, and takes a thread.
func (t *ttyPort) awaitTransmitter(ctx context.Context) error {
	if !t.mute.Load() {
		// Twice a FIFO of 128 characters, the largest of the 8250 family, and some
		// time for the driver.
		left := 256*t.perByte() + 50*time.Millisecond
		for last := time.Now(); left > 0; {
			var status uint32
			err := t.control(func(fd int) (err error) {
				status, err = t.lsr(fd)
				return err
			})
			if err != nil && !termios.Refused(err) || err == nil && status&unix.TIOCSER_TEMT != 0 {
				return err
			}
			if err != nil {
				break
			}
			if err := wait.Sleep(ctx, minQueuePoll); err != nil {
				return err
			}
			now := time.Now()
			if !t.heldOff() {
				left -= now.Sub(last)
			}
			last = now
		}
	}
	err := t.waitingIoctl(ctx, unix.TCSBRK, 1)
	if err == nil {
		t.mute.Store(true)
	}
	return err
}

// lineStatus returns the line status register of a UART, of which the kernel
// shows one bit, TIOCSER_TEMT.
func lineStatus(fd int) (uint32, error) { return unix.IoctlGetUint32(fd, unix.TIOCSERGETLSR) }

// heldOff reports whether the peer keeps the UART from sending by RTS/CTS.
func (t *ttyPort) heldOff() bool {
	m, err := t.Mode()
	if err != nil || m.Flow != FlowRTSCTS && m.Flow != FlowBoth {
		return false
	}
	l, err := t.Lines()
	return err == nil && !l.Has(CTS)
}

// waitingIoctl makes an ioctl before which the kernel waits for all output to
// leave. The end of ctx ends that wait.
func (t *ttyPort) waitingIoctl(ctx context.Context, req uint, arg int) error {
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

var errNoBreak = fmt.Errorf("this port has no line that could be held in a break: %w", errors.ErrUnsupported)
