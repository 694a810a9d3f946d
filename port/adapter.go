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
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
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

	mode    Mode  // guarded by pump.mu
	outputs Lines // guarded by pump.mu
}

func newAdapter(lib serial.Port, name string) *adapter {
	a := &adapter{lib: lib, name: name}
	a.pump = newPump(func(b []byte) (int, error) { return readSome(lib, b) }, lib.Write, a.failed)
	a.pump.finish = func() {
		if a.closeTimeout > 0 {
			lib.Drain()
		}
	}
	return a
}

// failed turns an error of the library into the cause that the user sees.
func (a *adapter) failed(err error) error {
	var lib *serial.PortError
	switch {
	case a.closing.Load():
		return net.ErrClosed
	case errors.As(err, &lib) && lib.Code() == serial.PortClosed, meansGone(err):
		return a.gone()
	}
	return err
}

// gone distinguishes a hang-up from a device that was removed.
func (a *adapter) gone() error {
	if isPseudoName(a.name) {
		return ErrCarrierLost
	}
	return settle(a.life.Done(), func() bool { return nodeExists(a.name) })
}

// freeBound is how long Close tries to get the two goroutines out of the
// library before it closes that over their heads.
const freeBound = 250 * time.Millisecond

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
	err := a.lib.Close()
	awaitGone(a.readerGone, freeBound)
	a.lock.release()
	return err
}

// readSome reads at least one byte. The library waits with select(2), and its
// set of descriptors panics on a number beyond its end; openGuarded refuses such
// numbers, but a panic in a goroutine of ours would end the program.
func readSome(lib serial.Port, b []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("the port cannot be waited for: %v", r)
		}
	}()
	return lib.Read(b)
}

// maxSelect is the first descriptor number that select(2) does not take, and
// descriptorsNeeded is how many the library opens for a port.
const (
	maxSelect         = 1024
	descriptorsNeeded = 3
)

// openGuarded opens a port with the library, which opens its descriptors without
// O_CLOEXEC, waits for them with select(2), and does not show them. So those
// that have appeared meanwhile are found by their numbers: they must not be
// inherited by children, where they would keep the line from being hung up, and
// not be too large.
func openGuarded(name string, mode *serial.Mode) (serial.Port, error) {
	if err := spareDescriptors(); err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock() // no child is started in between
	defer syscall.ForkLock.RUnlock()
	before := inheritable()
	lib, err := serial.Open(name, mode)
	if err != nil {
		return nil, err
	}
	largest := 0
	for fd := range inheritable() {
		if !before[fd] {
			unix.CloseOnExec(fd)
			largest = max(largest, fd)
		}
	}
	if largest >= maxSelect {
		lib.Close()
		return nil, errTooManyFiles
	}
	return lib, nil
}

var errTooManyFiles = fmt.Errorf("this program has more than %d files open, and on this system a serial port needs a lower descriptor number: open ports first: %w",
	maxSelect-descriptorsNeeded, errors.ErrUnsupported)

// spareDescriptors refuses to open a port if the next free descriptors are too
// large.
func spareDescriptors() error {
	var held []int
	defer func() {
		for _, fd := range held {
			unix.Close(fd)
		}
	}()
	for range descriptorsNeeded {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		held = append(held, fd)
		if fd >= maxSelect {
			return errTooManyFiles
		}
	}
	return nil
}

// inheritable returns the descriptors, up to some beyond maxSelect, that a child
// would inherit.
func inheritable() map[int]bool {
	fds := make(map[int]bool)
	for fd := range maxSelect + 64 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds[fd] = true
		}
	}
	return fds
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

func nodeExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// meansGone reports whether a system call answered that the line or the device
// was removed.
func meansGone(err error) bool {
	for _, e := range []error{unix.EIO, unix.ENXIO, unix.ENODEV, unix.EBADF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
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
	if a.carrier, err = followCarrier(ctx, cfg.Carrier, a, a.carrierFell); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func refuseConfig(cfg *Config) error {
	no := func(field string) error {
		return fmt.Errorf("%s is supported only on Linux: leave it unset: %w", field, errors.ErrUnsupported)
	}
	switch {
	case cfg.HangupOnClose != Leave:
		return no("HangupOnClose")
	case cfg.KernelHangup:
		return no("KernelHangup")
	case cfg.RS485 != nil:
		return no("RS485")
	case cfg.Marks:
		return no("Marks")
	case cfg.XON != 0 || cfg.XOFF != 0:
		return no("XON or XOFF")
	}
	return nil
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

// carrierFell frees all reads and writes for good.
func (a *adapter) carrierFell() {
	a.lost.Store(true)
	past := time.Unix(1, 0)
	a.readBy.Set(past)
	a.writeBy.Set(past)
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
