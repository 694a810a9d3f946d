package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/wait"
)

// comPort is the port of Windows: a handle for overlapped I/O, see overlapped. (An
// os.File of such a handle makes reads and writes exclude each other.)
type comPort struct {
	overlapped
	name    string
	carrier *carrierWatch // nil without a policy

	readTurn  chan struct{} // held by a Read
	writeTurn chan struct{} // held by a Write, which is made in pieces
	readBuf   []byte        // of the Read that has its turn
	writeBuf  []byte

	writeByNano atomic.Int64 // the write deadline, for untilLate

	// mu guards the three below, and makes read, change and write of the DCB one
	// step. It is taken before overlapped's.
	mu       sync.Mutex
	outputs  Lines // as they were set last
	stats    Stats
	breaking bool

	// What Close does, set by Open.
	found              windows.DCB // as Open found it
	closeTimeout       time.Duration
	closeMask, closeTo Lines
	keepSettings       bool
	flowXON, flowXOFF  byte
}

// control runs f on the handle and returns the cause of its error.
func (c *comPort) control(f func(windows.Handle) error) error {
	err := error(net.ErrClosed)
	if !c.use(func(h windows.Handle) { err = f(h) }) || err == nil {
		return err
	}
	return c.failed(err)
}

// failed turns the error of a system call into the cause that the user sees.
func (c *comPort) failed(err error) error {
	switch {
	case c.closing.Load():
		return net.ErrClosed
	case err == nil:
		return ErrCarrierLost // a read of no bytes
	case err == os.ErrDeadlineExceeded, err == ErrCarrierLost:
		return err
	case meansRemoved(err):
		return settle(c.life.Done(), func() bool { return isRegistered(c.name) })
	}
	return err
}

// The most that one call reads from the driver, or writes to it.
const (
	readPieceCOM  = 4096
	writePieceCOM = 2048
)

// Read waits for one byte and then takes what else has arrived. A read that
// asks for more would wait until all of it is there: the timeouts that make a
// read end with the first byte (MAXDWORD) work in Windows and not in Wine.
func (c *comPort) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, c.afterClose(nil)
	}
	if err := c.take(c.readTurn, &c.readBy); err != nil {
		return 0, err
	}
	defer func() { <-c.readTurn }()
	b = b[:min(len(b), len(c.readBuf))]
	n := min(c.arrived(), len(b))
	if n == 0 && c.lost.Load() {
		return 0, ErrCarrierLost
	}
	n, err := c.read(max(n, 1))
	if n == 0 {
		return 0, c.failed(err)
	}
	copy(b, c.readBuf[:n])
	if more := min(c.arrived(), len(b)-n); more > 0 {
		k, _ := c.read(more) // the next read reports an error again
		n += copy(b[n:], c.readBuf[:k])
	}
	c.count(func(s *Stats) { s.Received += uint64(n) })
	return n, nil
}

func (c *comPort) read(n int) (int, error) {
	return c.transfer(&c.readBy, func(h windows.Handle, o *windows.Overlapped) error {
		return windows.ReadFile(h, c.readBuf[:n], nil, o)
	})
}

// arrived returns how many bytes a read would get without waiting.
func (c *comPort) arrived() int {
	s, err := c.status()
	if err != nil {
		return 0
	}
	return int(s.CBInQue)
}

func (c *comPort) Write(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, c.afterClose(nil)
	}
	if err := c.take(c.writeTurn, &c.writeBy); err != nil {
		return 0, err
	}
	defer func() { <-c.writeTurn }()
	for n < len(b) && err == nil {
		if c.lost.Load() {
			err = ErrCarrierLost
			break
		}
		var k int
		piece := c.writeBuf[:copy(c.writeBuf, b[n:])]
		k, err = c.transfer(&c.writeBy, func(h windows.Handle, o *windows.Overlapped) error {
			return windows.WriteFile(h, piece, nil, o)
		})
		n += k
	}
	c.count(func(s *Stats) { s.Sent += uint64(n) })
	if err != nil {
		return n, c.failed(err)
	}
	return n, nil
}

func (c *comPort) count(add func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.stats)
}

// status returns the queues and counts the errors that happened since it was
// called last.
func (c *comPort) status() (s windows.ComStat, err error) {
	var events uint32
	if err := c.control(func(h windows.Handle) error { return windows.ClearCommError(h, &events, &s) }); err != nil {
		return s, err
	}
	if events != 0 {
		c.count(func(s *Stats) {
			for bit, n := range map[uint32]*uint64{
				ceRXOVER: &s.Buffer, ceOVERRUN: &s.Overrun, ceRXPARITY: &s.Parity, ceFRAME: &s.Framing, ceBREAK: &s.Breaks,
			} {
				if events&bit != 0 {
					*n++
				}
			}
		})
	}
	return s, nil
}

func (c *comPort) SetDeadline(t time.Time) error {
	return cmp.Or(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *comPort) SetReadDeadline(t time.Time) error {
	c.readBy.Set(t)
	return c.afterClose(nil)
}

func (c *comPort) SetWriteDeadline(t time.Time) error {
	setDeadlineIn(&c.writeByNano, t)
	c.writeBy.Set(t)
	return c.afterClose(nil)
}

func (c *comPort) afterClose(err error) error {
	if c.closing.Load() {
		return net.ErrClosed
	}
	return err
}

func (c *comPort) Mode() (Mode, error) {
	var d windows.DCB
	err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &d) })
	if err != nil {
		return Mode{}, err
	}
	return modeOfDCB(&d), nil
}

func (c *comPort) SetMode(m Mode) error {
	if m == (Mode{}) {
		return c.afterClose(nil)
	}
	if err := c.afterClose(untilLate(&c.writeByNano, c.Drain)); err != nil {
		return err
	}
	return c.change(m, false)
}

// change sets the fields of m that are not zero and makes sure of them. If the
// driver refuses one, all is as it was. At open what is left over from another
// program is set right too: XON/XOFF would take bytes out of the stream.
func (c *comPort) change(m Mode, opening bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old, now windows.DCB
	if err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &old) }); err != nil {
		return err
	}
	base := modeOfDCB(&old)
	if opening {
		switch base.Flow {
		case FlowXONXOFF:
			base.Flow = FlowNone
		case FlowBoth:
			base.Flow = FlowRTSCTS
		}
		if base.Validate() != nil { // nothing has set it yet
			base = Mode{9600, 8, ParityNone, StopOne, FlowNone}
		}
	}
	all := m.Merge(base)
	if err := all.Validate(); err != nil {
		return err
	}
	d := old
	setDCB(&d, all, c.outputs)
	d.XonChar, d.XoffChar = c.flowXON, c.flowXOFF
	d.XonLim, d.XoffLim = 512, 512
	if err := c.control(func(h windows.Handle) error { return windows.SetCommState(h, &d) }); err != nil {
		return fmt.Errorf("the driver refused the mode %v: %w", all, noSuchAbility(err, "such mode"))
	}
	if err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &now) }); err != nil {
		return err
	}
	if field, want, got := m.Mismatch(modeOfDCB(&now)); field != "" {
		c.control(func(h windows.Handle) error { return windows.SetCommState(h, &old) })
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, want, got, errors.ErrUnsupported)
	}
	return nil
}

func (c *comPort) Lines() (Lines, error) {
	var status uint32
	if err := c.control(func(h windows.Handle) error { return windows.GetCommModemStatus(h, &status) }); err != nil {
		return 0, noSuchAbility(err, "modem lines")
	}
	c.mu.Lock()
	l := c.outputs
	c.mu.Unlock()
	for _, in := range []struct {
		bit  uint32
		line Lines
	}{{msCTS, CTS}, {msDSR, DSR}, {msRLSD, DCD}, {msRING, RI}} {
		if status&in.bit != 0 {
			l |= in.line
		}
	}
	return l, nil
}

func (c *comPort) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	return c.writeLines(mask, values)
}

func (c *comPort) writeLines(mask, values Lines) error {
	if mask == 0 {
		return c.afterClose(nil)
	}
	if err := c.control(func(h windows.Handle) error { return escapeLines(h, mask, values) }); err != nil {
		return noSuchAbility(err, "modem lines")
	}
	c.mu.Lock()
	c.outputs = c.outputs.With(mask, values)
	c.mu.Unlock()
	return nil
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
