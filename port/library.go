//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
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

// maxSelect is the first descriptor number that select(2) does not take, and
// descriptorsNeeded is how many the library opens for a port.
const (
	maxSelect         = 1024
	descriptorsNeeded = 3
)

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

// readTick is how long a Read of the library waits for input.
const readTick = 50 * time.Millisecond

// readSome reads what there is within readTick. The library waits with select(2), and its
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

func refuseFlow(m Mode) error {
	if m.Flow == FlowNone {
		return nil
	}
	return fmt.Errorf("flow control %v is supported only on Linux: use none: %w", m.Flow, errors.ErrUnsupported)
}

// firstMode is what the library sets where Config specifies nothing: it cannot report
// what the device has.
var firstMode = Mode{Baud: 9600, DataBits: 8, Parity: ParityNone, StopBits: StopOne, Flow: FlowNone}

// The library counts its parities and stop bits from 0, in our order.
func libMode(m Mode) *serial.Mode {
	return &serial.Mode{
		BaudRate: m.Baud,
		DataBits: m.DataBits,
		Parity:   serial.Parity(m.Parity - ParityNone),
		StopBits: serial.StopBits(m.StopBits - StopOne),
	}
}
