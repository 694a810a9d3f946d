package script

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
)

// replay is a port that gives some bytes before those of the line.
type replay struct {
	port.Port
	mu    sync.Mutex
	first []byte
}

var (
	_ port.ModeSetter     = (*replay)(nil)
	_ port.LineController = (*replay)(nil)
	_ port.Breaker        = (*replay)(nil)
	_ port.Drainer        = (*replay)(nil)
	_ port.Counter        = (*replay)(nil)
)

func newReplay(p port.Port, first []byte) *replay {
	return &replay{Port: p, first: append([]byte(nil), first...)}
}

// Read gives the kept bytes first, whatever the deadline: they are there.
func (r *replay) Read(b []byte) (int, error) {
	if n := r.take(b); n > 0 {
		return n, nil
	}
	return r.Port.Read(b)
}

func (r *replay) take(b []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(b, r.first)
	r.first = r.first[n:]
	return n
}

func (r *replay) unsupported(op string) error {
	return &port.OpError{Op: op, Err: errors.ErrUnsupported}
}

func (r *replay) Mode() (port.Mode, error) {
	if p, ok := r.Port.(port.ModeSetter); ok {
		return p.Mode()
	}
	return port.Mode{}, r.unsupported("mode")
}

func (r *replay) SetMode(m port.Mode) error {
	if p, ok := r.Port.(port.ModeSetter); ok {
		return p.SetMode(m)
	}
	return r.unsupported("set mode")
}

func (r *replay) Lines() (port.Lines, error) {
	if p, ok := r.Port.(port.LineController); ok {
		return p.Lines()
	}
	return 0, r.unsupported("lines")
}

func (r *replay) SetLines(mask, values port.Lines) error {
	if p, ok := r.Port.(port.LineController); ok {
		return p.SetLines(mask, values)
	}
	return r.unsupported("set lines")
}

func (r *replay) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	if p, ok := r.Port.(port.LineController); ok {
		return p.WaitLines(ctx, mask)
	}
	return 0, r.unsupported("wait lines")
}

func (r *replay) SendBreak(ctx context.Context, d time.Duration) error {
	if p, ok := r.Port.(port.Breaker); ok {
		return p.SendBreak(ctx, d)
	}
	return r.unsupported("break")
}

func (r *replay) Drain(ctx context.Context) error {
	if p, ok := r.Port.(port.Drainer); ok {
		return p.Drain(ctx)
	}
	return r.unsupported("drain")
}

// Discard of the input drops the kept bytes as well.
func (r *replay) Discard(d port.Direction) error {
	if d&port.Input != 0 {
		r.mu.Lock()
		r.first = nil
		r.mu.Unlock()
	}
	if p, ok := r.Port.(port.Drainer); ok {
		return p.Discard(d)
	}
	return r.unsupported("discard")
}

func (r *replay) Stats() (port.Stats, error) {
	if p, ok := r.Port.(port.Counter); ok {
		return p.Stats()
	}
	return port.Stats{}, r.unsupported("stats")
}
