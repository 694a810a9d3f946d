//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.bug.st/serial"
)

// openAdapter is openDevice over the library.
func openAdapter(ctx context.Context, name string, cfg *Config) (device, error) {
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
