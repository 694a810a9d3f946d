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

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/wait"
)

func (c *comPort) SetMode(m Mode) error {
	if m == (Mode{}) {
		return c.afterClose(nil)
	}
	if err := c.afterClose(untilLate(&c.writeByNano, c.Drain)); err != nil {
		return err
	}
	return c.change(m, false)
}

func (c *comPort) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	return c.writeLines(mask, values)
}

// WaitLines polls the lines: the driver's own wait (WaitCommEvent) serves one
// caller at a time.
func (c *comPort) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	return pollLines(ctx, c.life, mask, c.Lines)
}

func (c *comPort) Queued() (in, out int, err error) {
	s, err := c.status()
	return int(s.CBInQue), int(s.CBOutQue), err
}

func (c *comPort) Stats() (Stats, error) {
	if _, err := c.status(); err != nil {
		return Stats{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats, nil
}

// Drain polls the driver's queue; the transmitter's own characters get the time
// that a FIFO of 16 takes.
func (c *comPort) Drain(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	err := ctx.Err()
	var perByte time.Duration
	if m, merr := c.Mode(); merr == nil && m.Baud > 0 {
		perByte = 10 * time.Second / time.Duration(m.Baud)
	}
	first := true
	if err == nil {
		err = drainQueue(ctx, func() (int, error) {
			s, err := c.status()
			if s.CBOutQue != 0 {
				first = false
			}
			return int(s.CBOutQue), err
		}, perByte)
	}
	if err == nil && !first {
		err = wait.Sleep(ctx, 16*perByte)
	}
	if err != nil && c.closing.Load() {
		return net.ErrClosed
	}
	return err
}

func (c *comPort) Discard(d Direction) error {
	var what uint32
	if d&Input != 0 {
		what |= windows.PURGE_RXCLEAR
	}
	if d&Output != 0 {
		what |= windows.PURGE_TXCLEAR
	}
	if what == 0 {
		return c.afterClose(nil)
	}
	return c.control(func(h windows.Handle) error { return windows.PurgeComm(h, what) })
}

func (c *comPort) SendBreak(ctx context.Context, d time.Duration) error {
	if err := c.Drain(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	if err := c.SetBreak(true); err != nil {
		return err
	}
	err := wait.Sleep(ctx, d)
	if c.closing.Load() {
		return net.ErrClosed // Close ends the break
	}
	return cmp.Or(err, c.SetBreak(false))
}

func (c *comPort) SetBreak(on bool) error {
	f := windows.ClearCommBreak
	if on {
		f = windows.SetCommBreak
	}
	if err := c.control(f); err != nil {
		return noSuchAbility(err, "breaks")
	}
	c.mu.Lock()
	c.breaking = on
	c.mu.Unlock()
	return nil
}

func (c *comPort) SyscallConn() (syscall.RawConn, error) {
	if c.closing.Load() {
		return nil, net.ErrClosed
	}
	return comConn{c}, nil
}

// comConn gives access to the handle.
type comConn struct{ c *comPort }

func (r comConn) Control(f func(uintptr)) error {
	if !r.c.use(func(h windows.Handle) { f(uintptr(h)) }) {
		return net.ErrClosed
	}
	return nil
}

// Read is not supported: a handle for overlapped I/O is never ready, it
// completes what was begun.
func (comConn) Read(func(uintptr) bool) error { return errors.ErrUnsupported }

// Write is not supported, as Read.
func (comConn) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

func (c *comPort) Detach() (*os.File, error) {
	if c.closing.Load() {
		return nil, net.ErrClosed
	}
	return nil, fmt.Errorf("giving the handle away is not supported on Windows: %w", errors.ErrUnsupported)
}

// lacks returns the abilities whose methods have no effect to be asked for.
func (c *comPort) lacks() Abilities { return AbilityDetach }
