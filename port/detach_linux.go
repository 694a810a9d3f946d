package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

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
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
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

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags         uint32
	before, after uint32 // milliseconds
	_             [5]uint32
}

const (
	rs485Enabled     = 1 << 0
	rs485RTSOnSend   = 1 << 1
	rs485RTSAfter    = 1 << 2
	rs485RXDuringTX  = 1 << 4
	rs485Termination = 1 << 5
)

func (c *RS485) kernel() rs485 {
	r := rs485{
		flags:  rs485Enabled | rs485RTSOnSend,
		before: uint32(c.Before / time.Millisecond),
		after:  uint32(c.After / time.Millisecond),
	}
	if c.Inverted {
		r.flags = rs485Enabled | rs485RTSAfter
	}
	if c.Echo {
		r.flags |= rs485RXDuringTX
	}
	if c.Terminate {
		r.flags |= rs485Termination
	}
	return r
}

// setRS485 lets the driver switch the direction of the line, and Close put back
// what was before.
func (t *ttyPort) setRS485(c *RS485) error {
	var found rs485
	want := c.kernel()
	err := t.rawIoctl(func(fd int) error {
		if err := ioctlPointer(fd, unix.TIOCGRS485, unsafe.Pointer(&found)); err != nil {
			return err
		}
		set := want
		return ioctlPointer(fd, unix.TIOCSRS485, unsafe.Pointer(&set))
	})
	if err != nil && termios.Refused(err) {
		return fmt.Errorf("this driver does not switch RS-485 lines: leave RS485 unset: %w", errors.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	t.undo = append(t.undo, func() {
		t.rawIoctl(func(fd int) error {
			set := found
			return ioctlPointer(fd, unix.TIOCSRS485, unsafe.Pointer(&set))
		})
	})
	return nil
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

// waiting reports whether something was read and not delivered.
func (m *marks) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.raw) > 0 || m.state != noMark
}
