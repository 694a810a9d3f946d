package port

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/windows"
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

func (c *comPort) Mode() (Mode, error) {
	var d windows.DCB
	err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &d) })
	if err != nil {
		return Mode{}, err
	}
	return modeOfDCB(&d), nil
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
