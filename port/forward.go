package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Forward is a Port with every optional interface of this package, whose methods
// call those of the Port that it embeds. A method that the Port lacks returns an
// error that matches errors.ErrUnsupported. A decorator embeds a Forward and
// replaces the methods that it changes; so it loses no ability of the port
// underneath, and gains those that are added to this package.
//
// Forward adds no state: it is safe for concurrent use as far as Port is.
type Forward struct {
	Port
}

var (
	_ ModeSetter      = Forward{}
	_ LineController  = Forward{}
	_ Breaker         = Forward{}
	_ BreakSetter     = Forward{}
	_ Drainer         = Forward{}
	_ Counter         = Forward{}
	_ QueueCounter    = Forward{}
	_ Detacher        = Forward{}
	_ AbilityReporter = Forward{}
	_ Named           = Forward{}
	_ Hider           = Forward{}
	_ Interruptible   = Forward{}
	_ syscall.Conn    = Forward{}
)

// Unsupported returns the error of a method that the port lacks.
func (f Forward) Unsupported(op string) error {
	return &OpError{Op: op, Port: f.Name(), Err: errors.ErrUnsupported}
}

// Abilities reports what the port underneath can do.
func (f Forward) Abilities() Abilities { return AbilitiesOf(f.Port) }

// Name returns the name of the port underneath, or its type.
func (f Forward) Name() string {
	if p, ok := f.Port.(Named); ok {
		return p.Name()
	}
	return fmt.Sprintf("%T", f.Port)
}

// Hide masks text in what the port underneath keeps, if it keeps anything.
func (f Forward) Hide(text string) {
	if p, ok := f.Port.(Hider); ok {
		p.Hide(text)
	}
}

// Interruptible reports what the port underneath does.
func (f Forward) Interruptible() bool {
	p, ok := f.Port.(Interruptible)
	return ok && p.Interruptible()
}

// Mode returns the mode of the port underneath.
func (f Forward) Mode() (Mode, error) {
	if p, ok := f.Port.(ModeSetter); ok {
		return p.Mode()
	}
	return Mode{}, f.Unsupported("mode")
}

// SetMode sets the mode of the port underneath.
func (f Forward) SetMode(m Mode) error {
	if p, ok := f.Port.(ModeSetter); ok {
		return p.SetMode(m)
	}
	return f.Unsupported("set mode")
}

// Lines returns the modem lines of the port underneath.
func (f Forward) Lines() (Lines, error) {
	if p, ok := f.Port.(LineController); ok {
		return p.Lines()
	}
	return 0, f.Unsupported("lines")
}

// SetLines sets modem lines of the port underneath.
func (f Forward) SetLines(mask, values Lines) error {
	if p, ok := f.Port.(LineController); ok {
		return p.SetLines(mask, values)
	}
	return f.Unsupported("set lines")
}

// WaitLines waits for a change of modem lines of the port underneath.
func (f Forward) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	if p, ok := f.Port.(LineController); ok {
		return p.WaitLines(ctx, mask)
	}
	return 0, f.Unsupported("wait lines")
}

// SendBreak sends a break on the port underneath.
func (f Forward) SendBreak(ctx context.Context, d time.Duration) error {
	if p, ok := f.Port.(Breaker); ok {
		return p.SendBreak(ctx, d)
	}
	return f.Unsupported("send break")
}

// SetBreak begins or ends a break on the port underneath.
func (f Forward) SetBreak(on bool) error {
	if p, ok := f.Port.(BreakSetter); ok {
		return p.SetBreak(on)
	}
	return f.Unsupported("set break")
}

// Drain waits until the port underneath has sent what was written.
func (f Forward) Drain(ctx context.Context) error {
	if p, ok := f.Port.(Drainer); ok {
		return p.Drain(ctx)
	}
	return f.Unsupported("drain")
}

// Discard empties queues of the port underneath.
func (f Forward) Discard(d Direction) error {
	if p, ok := f.Port.(Drainer); ok {
		return p.Discard(d)
	}
	return f.Unsupported("discard")
}

// Stats returns the counts of the port underneath.
func (f Forward) Stats() (Stats, error) {
	if p, ok := f.Port.(Counter); ok {
		return p.Stats()
	}
	return Stats{}, f.Unsupported("stats")
}

// Queued returns how much is in the queues of the port underneath.
func (f Forward) Queued() (in, out int, err error) {
	if p, ok := f.Port.(QueueCounter); ok {
		return p.Queued()
	}
	return 0, 0, f.Unsupported("queued")
}

// Detach gives the descriptor of the port underneath away.
func (f Forward) Detach() (*os.File, error) {
	if p, ok := f.Port.(Detacher); ok {
		return p.Detach()
	}
	return nil, f.Unsupported("detach")
}

// SyscallConn returns the descriptor of the port underneath for system calls.
func (f Forward) SyscallConn() (syscall.RawConn, error) {
	if p, ok := f.Port.(syscall.Conn); ok {
		return p.SyscallConn()
	}
	return nil, f.Unsupported("syscall")
}
