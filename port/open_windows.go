package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"golang.org/x/sys/windows"
)

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

// drainAtClose reports whether nothing is left to be discarded.
func (c *comPort) drainAtClose() bool {
	left := func() (n int, err error) { // status fails once closing is set
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
