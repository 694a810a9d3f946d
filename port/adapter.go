//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/wait"
)

// adapter is the port of systems that this package does not drive itself. It
// puts go.bug.st/serial, whose calls block and have no deadlines, behind a pump.
type adapter struct {
	*pump
	lib     serial.Port
	name    string
	carrier *carrierWatch // nil without a policy

	closeTimeout       time.Duration
	closeMask, closeTo Lines
	lock               *lockFile
	released           atomic.Bool // the library is about to close the descriptor

	mode    Mode  // guarded by pump.mu
	outputs Lines // guarded by pump.mu
}

// openAdapter is openDevice over the library.
func openAdapter(ctx context.Context, name string, cfg *Config) (systemPort, error) {
	if err := errors.Join(checkNode(name), refuseConfig(cfg)); err != nil {
		return nil, err
	}
	mode := cfg.Mode.Merge(firstMode)
	if err := errors.Join(mode.Validate(), refuseFlow(mode)); err != nil {
		return nil, err
	}
	lock, err := takeLockFile(cfg.LockDir, name)
	if err != nil {
		return nil, err
	}
	a, err := openLibrary(name, mode, cfg)
	if err != nil {
		lock.release()
		return nil, explainLibrary(name, err)
	}
	a.lock, a.mode = lock, mode
	a.closeTimeout = cfg.CloseTimeout
	a.closeMask, a.closeTo = levels(cfg.DTRAtClose, cfg.RTSAtClose)
	if a.carrier, err = followCarrier(ctx, cfg.Carrier, a, a.lose); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// openLibrary opens the port with DTR and RTS as asked for from the start. A
// device without modem lines does not open that way, and is tried again
// without.
func openLibrary(name string, mode Mode, cfg *Config) (*adapter, error) {
	m := libMode(mode)
	if cfg.DTR != Leave || cfg.RTS != Leave {
		m.InitialStatusBits = &serial.ModemOutputBits{DTR: cfg.DTR != Clear, RTS: cfg.RTS != Clear}
	}
	lib, err := openGuarded(name, m)
	if err != nil && m.InitialStatusBits != nil {
		m.InitialStatusBits = nil
		lib, err = openGuarded(name, m)
	}
	if err != nil {
		return nil, err
	}
	a := newAdapter(lib, name)
	a.outputs = Outputs
	if m.InitialStatusBits != nil {
		a.outputs = a.outputs.With(levels(cfg.DTR, cfg.RTS))
	}
	return a, nil
}

func newAdapter(lib serial.Port, name string) *adapter {
	a := &adapter{lib: lib, name: name}
	lib.SetReadTimeout(readTick) // which fails for a negative one alone
	a.pump = newPump(a.readLib, a.writeLib, a.failed)
	a.pump.finish = func() {
		if a.closeTimeout > 0 {
			lib.Drain()
		}
	}
	return a
}

// readLib waits for input until the port is closed.
func (a *adapter) readLib(b []byte) (n int, err error) {
	for n == 0 && err == nil && !a.closing.Load() {
		n, err = readSome(a.lib, b)
	}
	return n, err
}

// writeLib does not write the rest of a piece when the descriptor is not the port's
// any more.
func (a *adapter) writeLib(b []byte) (int, error) {
	if a.released.Load() {
		return 0, net.ErrClosed
	}
	return a.lib.Write(b)
}

// explainLibrary turns the library's error into one that errors.Is knows.
func explainLibrary(name string, err error) error {
	var lib *serial.PortError
	if !errors.As(err, &lib) {
		return explainOpen(name, err)
	}
	switch lib.Code() {
	case serial.PortBusy:
		return fmt.Errorf("%w: another program has it open; end that program first", ErrBusy)
	case serial.PortNotFound:
		return fmt.Errorf("there is no such port: check the name and that it is connected: %w", fs.ErrNotExist)
	case serial.PermissionDenied:
		return explainOpen(name, fs.ErrPermission)
	case serial.InvalidSpeed, serial.InvalidDataBits, serial.InvalidParity, serial.InvalidStopBits:
		return fmt.Errorf("the driver refused the mode: %w: %w", lib, errors.ErrUnsupported)
	case serial.InvalidSerialPort:
		return fmt.Errorf("this is no serial port that works, or it refused the mode: %w", lib)
	}
	return err
}

// failed turns an error of the library into the cause that the user sees.
func (a *adapter) failed(err error) error {
	var lib *serial.PortError
	switch {
	case a.closing.Load():
		return net.ErrClosed
	case errors.As(err, &lib) && lib.Code() == serial.PortClosed,
		errors.Is(err, unix.EIO), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EBADF):
		if isPseudoName(a.name) {
			return ErrCarrierLost
		}
		return settle(a.life.Done(), func() bool {
			_, err := os.Stat(a.name)
			return err == nil
		})
	}
	return err
}

// isPseudoName reports whether name is a pseudo-terminal, as the systems name
// them: Linux and FreeBSD, macOS, OpenBSD.
func isPseudoName(name string) bool {
	rest, ok := strings.CutPrefix(name, "/dev/")
	if !ok || strings.HasPrefix(rest, "pts/") {
		return ok
	}
	rest, ok = strings.CutPrefix(rest, "tty")
	return ok && len(rest) > 1 && strings.ContainsAny(rest[:1], "pqrsPQRST") && !strings.Contains(rest, ".")
}

// Close frees every caller first. A write or a drain that is stuck in the
// library ends when the output is discarded.
func (a *adapter) Close() error {
	if !a.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	a.end()
	if a.carrier != nil {
		a.carrier.stop()
	}
	if a.closeTimeout > 0 {
		awaitGone(a.writerGone, a.closeTimeout)
	}
	if !isPseudoName(a.name) { // there it would take bytes from the peer
		a.lib.ResetOutputBuffer()
	}
	for limit := time.Now().Add(freeBound); !awaitGone(a.writerGone, settleStep) && time.Now().Before(limit); {
		a.lib.ResetOutputBuffer()
	}
	a.writeLines(a.closeMask, a.closeTo)
	// The library closes the descriptor before it ends its Read, which may then read
	// from another file that has got the number.
	awaitGone(a.readerGone, freeBound)
	a.released.Store(true)
	err := a.lib.Close()
	awaitGone(a.readerGone, freeBound)
	a.lock.release()
	return err
}

// awaitGone waits for a goroutine to end, for at most d.
func awaitGone(gone <-chan struct{}, d time.Duration) bool {
	select {
	case <-gone:
		return true
	case <-time.After(d):
		return false
	}
}

func (a *adapter) Mode() (Mode, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing.Load() {
		return Mode{}, net.ErrClosed
	}
	return a.mode, nil
}

func (a *adapter) SetMode(m Mode) error {
	old, err := a.Mode()
	if err != nil || m == (Mode{}) {
		return err
	}
	m = m.Merge(old)
	if err := errors.Join(m.Validate(), refuseFlow(m)); err != nil {
		return err
	}
	if _, err = a.call(context.Background(), &a.writeBy, a.lib.Drain); err != nil {
		return err
	}
	// By the writing goroutine, so that no character is sent during the change.
	_, err = a.call(context.Background(), &a.writeBy, func() error {
		err := a.lib.SetMode(libMode(m))
		if err == nil {
			a.mu.Lock()
			a.mode = m
			a.mu.Unlock()
		}
		// Name the field that the library refused.
		var lib *serial.PortError
		if !errors.As(err, &lib) {
			return err
		}
		no := func(field string, v any) error {
			return fmt.Errorf("the driver refused %s %v: %w", field, v, errors.ErrUnsupported)
		}
		switch lib.Code() {
		case serial.InvalidSpeed:
			return no("bit rate", m.Baud)
		case serial.InvalidDataBits:
			return no("data bits", m.DataBits)
		case serial.InvalidParity:
			return no("parity", m.Parity)
		case serial.InvalidStopBits:
			return no("stop bits", m.StopBits)
		}
		return err
	})
	return err
}

func (a *adapter) Lines() (Lines, error) {
	if a.closing.Load() {
		return 0, net.ErrClosed
	}
	s, err := a.lib.GetModemStatusBits()
	if err != nil {
		return 0, a.lineError(err)
	}
	a.mu.Lock()
	l := a.outputs
	a.mu.Unlock()
	for _, in := range []struct {
		on   bool
		line Lines
	}{{s.CTS, CTS}, {s.DSR, DSR}, {s.DCD, DCD}, {s.RI, RI}} {
		if in.on {
			l |= in.line
		}
	}
	return l, nil
}

// lineError sorts out the error of a line call.
func (a *adapter) lineError(err error) error {
	if err == nil {
		return nil
	}
	if cause := a.failed(err); cause == net.ErrClosed || errors.Is(cause, ErrRemoved) || cause == ErrCarrierLost {
		return cause
	}
	return fmt.Errorf("this device has no modem lines: %w", errors.ErrUnsupported)
}

func (a *adapter) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	if a.closing.Load() {
		return net.ErrClosed
	}
	return a.writeLines(mask, values)
}

func (a *adapter) writeLines(mask, values Lines) (err error) {
	if mask.Has(DTR) {
		err = a.lib.SetDTR(values.Has(DTR))
	}
	if mask.Has(RTS) && err == nil {
		err = a.lib.SetRTS(values.Has(RTS))
	}
	if err != nil {
		return a.lineError(err)
	}
	a.mu.Lock()
	a.outputs = a.outputs.With(mask, values)
	a.mu.Unlock()
	return nil
}

func (a *adapter) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	return pollLines(ctx, a.life, mask, a.Lines)
}

// SendBreak leaves a break that has begun to the writing goroutine if ctx ends:
// the library cannot cut one short, and nothing is written before it is over.
func (a *adapter) SendBreak(ctx context.Context, d time.Duration) error {
	if isPseudoName(a.name) {
		return fmt.Errorf("a pseudo-terminal has no line that could be held in a break: %w", errors.ErrUnsupported)
	}
	if err := a.Drain(ctx); err != nil {
		return err
	}
	var never wait.Deadline
	_, err := a.call(ctx, &never, func() error { return a.lineError(a.lib.Break(d)) })
	return err
}

func (a *adapter) Drain(ctx context.Context) error {
	var never wait.Deadline
	if err := a.takeFailure(); err != nil {
		return err
	}
	_, err := a.call(ctx, &never, a.lib.Drain)
	return err
}

func (a *adapter) Discard(d Direction) (err error) {
	if a.closing.Load() {
		return net.ErrClosed
	}
	if d&Input != 0 {
		err = a.lib.ResetInputBuffer()
		a.mu.Lock()
		a.rest = nil
		a.mu.Unlock()
	}
	if d&Output != 0 {
		err = errors.Join(err, a.discardOutput())
	}
	if err != nil {
		return a.failed(err)
	}
	return nil
}

// discardOutput also discards the piece that the writing goroutine is stuck
// with: the room that is made lets it into the queue. A pseudo-terminal does not
// notify a writer of that room.
func (a *adapter) discardOutput() error {
	for range discardTries {
		stuck := a.busy.Load()
		if err := a.lib.ResetOutputBuffer(); err != nil || !stuck {
			return err
		}
		time.Sleep(minQueuePoll)
	}
	return fmt.Errorf("a write is under way that this system cannot break off: %w", errors.ErrUnsupported)
}

const discardTries = 50

func (a *adapter) Stats() (Stats, error) {
	if a.closing.Load() {
		return Stats{}, net.ErrClosed
	}
	return Stats{}, fmt.Errorf("line errors are counted on Linux only: %w", errors.ErrUnsupported)
}

// notHere is the error of what only the drivers of other systems can do.
func notHere(what string) error {
	return fmt.Errorf("%s is not supported on this system: %w", what, errors.ErrUnsupported)
}

func (a *adapter) Queued() (in, out int, err error) {
	if a.closing.Load() {
		return 0, 0, net.ErrClosed
	}
	return 0, 0, notHere("counting queued bytes")
}

func (a *adapter) SetBreak(bool) error {
	if a.closing.Load() {
		return net.ErrClosed
	}
	return notHere("a break without a length")
}

func (a *adapter) Detach() (*os.File, error) {
	if a.closing.Load() {
		return nil, net.ErrClosed
	}
	return nil, notHere("giving the descriptor away")
}

func (a *adapter) SyscallConn() (syscall.RawConn, error) {
	if a.closing.Load() {
		return nil, net.ErrClosed
	}
	return nil, notHere("access to the descriptor")
}

// lacks returns the abilities whose methods have no effect to be asked for.
func (a *adapter) lacks() Abilities {
	lacks := AbilitySetBreak | AbilityDetach
	if isPseudoName(a.name) {
		lacks |= AbilityBreak
	}
	return lacks
}
