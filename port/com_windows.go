package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/wait"
)

// comPort is the port of Windows: a handle for overlapped I/O, whose operations are
// completed on a port of the package's own, see overlapped_windows.go. (An
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

	mu       sync.Mutex // guards what follows
	outputs  Lines      // as they were set last
	found    windows.DCB
	stats    Stats
	breaking bool

	closeTimeout       time.Duration
	closeMask, closeTo Lines
	keepSettings       bool
	flowXON, flowXOFF  byte
}

// devicePrefix makes a device name of a bare port name. COM10 and above have no
// other.
const devicePrefix = `\\.\`

// deviceName returns the name that CreateFile takes.
func deviceName(name string) string {
	if strings.HasPrefix(name, devicePrefix) || strings.HasPrefix(name, `\\?\`) {
		return name
	}
	return devicePrefix + strings.TrimSuffix(name, ":")
}

func openDevice(ctx context.Context, name string, cfg *Config) (systemPort, error) {
	if err := refuseOnWindows(cfg); err != nil {
		return nil, err
	}
	path, err := windows.UTF16PtrFromString(deviceName(name))
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		return nil, explainCreate(err)
	}
	c := &comPort{
		name:     name,
		readTurn: make(chan struct{}, 1), writeTurn: make(chan struct{}, 1),
		readBuf: make([]byte, readPieceCOM), writeBuf: make([]byte, writePieceCOM),
		closeTimeout: cfg.CloseTimeout, keepSettings: cfg.KeepSettings,
		flowXON: cmp.Or(cfg.XON, xon), flowXOFF: cmp.Or(cfg.XOFF, xoff),
	}
	if err := c.overlapped.init(h); err != nil {
		windows.CloseHandle(h)
		return nil, err
	}
	c.closeMask, c.closeTo = levels(cfg.DTRAtClose, cfg.RTSAtClose)
	if cfg.HangupOnClose == Assert && cfg.DTRAtClose == Leave {
		c.closeMask |= DTR
	}
	if err := c.setUp(ctx, cfg); err != nil {
		c.closing.Store(true)
		c.release()
		return nil, err
	}
	return c, nil
}

func refuseOnWindows(cfg *Config) error {
	no := func(field string) error {
		return fmt.Errorf("%s is not supported on Windows: leave it unset: %w", field, errors.ErrUnsupported)
	}
	switch {
	case cfg.LockDir != "":
		return no("LockDir (Windows opens a port for one program alone)")
	case cfg.KernelHangup:
		return no("KernelHangup")
	case cfg.HangupOnClose == Clear:
		return no("HangupOnClose: Clear (the driver drops DTR)")
	case cfg.RS485 != nil:
		return no("RS485")
	case cfg.Marks:
		return no("Marks")
	}
	return nil
}

// explainCreate adds what to do about an error of CreateFile. Windows opens a
// port once and answers every other opener with access denied.
func explainCreate(err error) error {
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED), errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return fmt.Errorf("%w: another program has it open; end that program first (%w)", ErrBusy, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, windows.ERROR_INVALID_NAME):
		return fmt.Errorf("there is no such port: check the name and that the device is connected: %w", fs.ErrNotExist)
	}
	return err
}

// setUp makes an open handle a port as cfg wants it.
func (c *comPort) setUp(ctx context.Context, cfg *Config) error {
	if err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &c.found) }); err != nil {
		return fmt.Errorf("this is no serial port: name one such as COM3: %w", err)
	}
	c.outputs = 0
	if c.found.Flags&dcbDtrControl != 0 {
		c.outputs |= DTR
	}
	if c.found.Flags&dcbRtsControl != 0 {
		c.outputs |= RTS
	}

	// A read ends when it has all bytes it asked for, which is never more than
	// there are; a write when it has been carried out.
	if err := c.control(func(h windows.Handle) error { return windows.SetCommTimeouts(h, new(windows.CommTimeouts)) }); err != nil {
		return err
	}
	mask, values := levels(cfg.DTR, cfg.RTS)
	c.outputs = c.outputs.With(mask, values)
	if err := c.change(cfg.Mode, true); err != nil {
		return err
	}
	if err := c.writeLines(mask, values); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	var err error
	c.carrier, err = followCarrier(ctx, cfg.Carrier, c, c.lose)
	return err
}

// control runs f on the handle and sorts out its error.
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

// The errors that ClearCommError reports (winbase.h).
const (
	ceRXOVER   = 1 << 0
	ceOVERRUN  = 1 << 1
	ceRXPARITY = 1 << 2
	ceFRAME    = 1 << 3
	ceBREAK    = 1 << 4
)

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

// Close ends every call first and does what takes time after it.
func (c *comPort) Close() error {
	if !c.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.end()
	if c.carrier != nil {
		c.carrier.stop()
	}
	for limit := time.Now().Add(freeBound); c.transfers.Load() > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	sent := c.drainAtClose()
	c.mu.Lock()
	breaking := c.breaking
	c.mu.Unlock()
	c.use(func(h windows.Handle) {
		if breaking {
			windows.ClearCommBreak(h)
		}
		if !sent {
			windows.PurgeComm(h, windows.PURGE_TXABORT|windows.PURGE_TXCLEAR)
		}
		if !c.keepSettings {
			windows.SetCommState(h, &c.found)
		}
		escapeLines(h, c.closeMask, c.closeTo)
	})
	return c.release()
}

// freeBound is how long Close waits for transfers that it has cancelled.
const freeBound = 250 * time.Millisecond

// drainAtClose reports whether nothing is left to be discarded.
func (c *comPort) drainAtClose() bool {
	left := func() (n int, err error) {
		var s windows.ComStat
		var events uint32
		err = net.ErrClosed
		c.use(func(h windows.Handle) { err = windows.ClearCommError(h, &events, &s) })
		return int(s.CBOutQue), err
	}
	if c.closeTimeout <= 0 {
		n, err := left()
		return n == 0 && err == nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.closeTimeout)
	defer cancel()
	return drainQueue(ctx, left, 0) == nil
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

// meansRemoved reports whether err is how Windows or Wine answers for a device
// that is not there any more. An unplugged USB adapter usually answers with
// access denied, and aborts what was under way.
func meansRemoved(err error) bool {
	for _, e := range []error{
		windows.ERROR_ACCESS_DENIED, windows.ERROR_DEVICE_NOT_CONNECTED, windows.ERROR_GEN_FAILURE, windows.ERROR_BAD_COMMAND,
		windows.ERROR_NO_SUCH_DEVICE, windows.ERROR_DEVICE_REMOVED, windows.ERROR_INVALID_HANDLE, windows.ERROR_NOT_READY,
		windows.ERROR_OPERATION_ABORTED, windows.ERROR_BROKEN_PIPE, windows.ERROR_FILE_NOT_FOUND, windows.ERROR_IO_DEVICE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (c *comPort) SyscallConn() (syscall.RawConn, error) {
	if c.closing.Load() {
		return nil, net.ErrClosed
	}
	return comConn{c}, nil
}

func (c *comPort) Detach() (*os.File, error) {
	if c.closing.Load() {
		return nil, net.ErrClosed
	}
	return nil, fmt.Errorf("giving the handle away is not supported on Windows: %w", errors.ErrUnsupported)
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

// noSuchAbility makes a readable error of a driver that does not know a call.
func noSuchAbility(err error, what string) error {
	for _, e := range []error{windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION, windows.ERROR_CALL_NOT_IMPLEMENTED, windows.ERROR_INVALID_PARAMETER} {
		if errors.Is(err, e) {
			return fmt.Errorf("this device has no %s: %w: %w", what, errors.ErrUnsupported, err)
		}
	}
	return err
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

// lacks returns the abilities whose methods have no effect to be asked for.
func (c *comPort) lacks() Abilities { return AbilityDetach }
