package porttest

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
)

// An ability is an optional method that a port has, called in a way that
// changes little.
type ability struct {
	name string
	op   string // in port.OpError
	do   func(ctx context.Context) error
}

// abilities lists the optional methods of p that can block or fail. Stats is
// not among them: counts may outlive the port.
func abilities(p port.Port) []ability {
	var list []ability
	if m, ok := p.(port.ModeSetter); ok {
		list = append(list,
			ability{"Mode", "mode", func(context.Context) error { _, err := m.Mode(); return err }},
			ability{"SetMode", "set mode", func(context.Context) error { return m.SetMode(port.Mode{Baud: 9600}) }})
	}
	if l, ok := p.(port.LineController); ok {
		list = append(list,
			ability{"Lines", "lines", func(context.Context) error { _, err := l.Lines(); return err }},
			ability{"SetLines", "set lines", func(context.Context) error { return l.SetLines(port.DTR, port.DTR) }},
			ability{"WaitLines", "wait lines", func(ctx context.Context) error { _, err := l.WaitLines(ctx, port.RI); return err }})
	}
	if b, ok := p.(port.Breaker); ok {
		list = append(list, ability{"SendBreak", "send break", func(ctx context.Context) error { return b.SendBreak(ctx, time.Millisecond) }})
	}
	if d, ok := p.(port.Drainer); ok {
		list = append(list,
			ability{"Drain", "drain", d.Drain},
			ability{"Discard", "discard", func(context.Context) error { return d.Discard(port.Input) }})
	}
	if q, ok := p.(port.QueueCounter); ok {
		list = append(list, ability{"Queued", "queued", func(context.Context) error { _, _, err := q.Queued(); return err }})
	}
	if b, ok := p.(port.BreakSetter); ok {
		list = append(list, ability{"SetBreak", "set break", func(context.Context) error { return b.SetBreak(false) }})
	}
	return list
}

// query calls the methods of p that change nothing.
func query(p port.Port) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, call := range abilities(p) {
		switch call.name {
		case "Mode", "Lines", "WaitLines", "Drain":
			err := call.do(ctx)
			if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, context.Canceled) {
				return err
			}
		}
	}
	if c, ok := p.(port.Counter); ok {
		if _, err := c.Stats(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// supported ends the check if what failed, as skipped if the device cannot do
// it.
func (e *env) supported(what string, err error) {
	e.t.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		e.skipf("%s: %v", what, err)
	}
	e.must(what, err)
}

// drainer, breaker, liner, and moder return an ability of p or skip the check.

func (e *env) drainer(p port.Port) port.Drainer {
	return has[port.Drainer](e, p, "Drain")
}

func (e *env) breaker(p port.Port) port.Breaker {
	return has[port.Breaker](e, p, "SendBreak")
}

func (e *env) moder(p port.Port) port.ModeSetter {
	m := has[port.ModeSetter](e, p, "SetMode")
	_, err := m.Mode()
	e.supported("Mode", err)
	return m
}

func (e *env) liner(p port.Port) port.LineController {
	l := has[port.LineController](e, p, "Lines")
	_, err := l.Lines()
	e.supported("Lines", err)
	return l
}

func has[T any](e *env, p port.Port, method string) T {
	v, ok := p.(T)
	if !ok {
		e.skipf("%T has no method %s", p, method)
	}
	return v
}

// within returns a context that ends after d.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// isContext ends the check unless err reports that a context was cancelled.
func (e *env) isContext(what string, err error) {
	e.t.Helper()
	if !errors.Is(err, context.Canceled) {
		e.fatalf("%s with a cancelled context: error %v; want one that matches context.Canceled", what, err)
	}
}
