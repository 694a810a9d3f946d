//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"go.bug.st/serial"

	"github.com/rasline/rasline/internal/wait"
)

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

func refuseFlow(m Mode) error {
	if m.Flow == FlowNone {
		return nil
	}
	return fmt.Errorf("flow control %v is there on Linux only: use none: %w", m.Flow, errors.ErrUnsupported)
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
	before, err := a.Lines()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.life, cancel)()
	l, err := waitLines(ctx, mask, lineState{lines: before}, func() (lineState, error) {
		now, err := a.Lines()
		return lineState{lines: now}, err
	}, nil, func() time.Duration { return linePoll })
	if err != nil && a.closing.Load() {
		err = net.ErrClosed
	}
	return l, err
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
