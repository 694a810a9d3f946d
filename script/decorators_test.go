package script_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// bare hides the abilities of an API, as a decorator does that forwards the six
// callbacks alone.
type bareAPI struct{ ras.API }

// copying is a decorator with buffers of its own.
type copying struct {
	ras.API
	mu    sync.Mutex
	below map[*copied]ras.Buffer
}

type copied struct{ data []byte }

func (c *copied) Bytes() []byte { return c.data }

func newCopying(api ras.API) *copying {
	return &copying{API: api, below: make(map[*copied]ras.Buffer)}
}

func (c *copying) GetBuffer(size int) (ras.Buffer, error) {
	b, err := c.API.GetBuffer(size)
	if err != nil {
		return nil, err
	}
	own := &copied{make([]byte, len(b.Bytes()))}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.below[own] = b
	return own, nil
}

func (c *copying) under(b ras.Buffer) (*copied, ras.Buffer) {
	own, _ := b.(*copied)
	c.mu.Lock()
	defer c.mu.Unlock()
	return own, c.below[own]
}

func (c *copying) FreeBuffer(b ras.Buffer) error {
	own, below := c.under(b)
	err := c.API.FreeBuffer(below)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.below, own)
	}
	return err
}

func (c *copying) SendBuffer(p ras.Handle, b ras.Buffer, n int) error {
	own, below := c.under(b)
	if below != nil {
		copy(below.Bytes(), own.data[:n])
	}
	return c.API.SendBuffer(p, below, n)
}

func (c *copying) ReceiveBuffer(p ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	_, below := c.under(b)
	return c.API.ReceiveBuffer(p, below, t, ev)
}

func (c *copying) RetrieveBuffer(p ras.Handle, b ras.Buffer) (int, error) {
	own, below := c.under(b)
	n, err := c.API.RetrieveBuffer(p, below)
	if below != nil {
		copy(own.data, below.Bytes()[:n])
	}
	return n, err
}

// forwarding is a decorator that forwards what BytesReceiver and BytesSender need
// to the API below, and is without them where that has them not.
type forwarding struct{ ras.API }

func (f forwarding) CancelPosted(h ras.Handle) error {
	if below, ok := f.API.(ras.ReceiveCanceler); ok {
		return below.CancelPosted(h)
	}
	return errors.ErrUnsupported
}

func (f forwarding) ReturnBytes(h ras.Handle, b []byte) error {
	if below, ok := f.API.(ras.Returner); ok {
		return below.ReturnBytes(h, b)
	}
	return errors.ErrUnsupported
}

func (f forwarding) ReceiveBytes(ctx context.Context, h ras.Handle, b []byte, t time.Duration) (int, error) {
	if below, ok := f.API.(ras.BytesReceiver); ok {
		return below.ReceiveBytes(ctx, h, b, t)
	}
	return 0, errors.ErrUnsupported
}

func (f forwarding) SendBytes(ctx context.Context, h ras.Handle, b []byte) error {
	if below, ok := f.API.(ras.BytesSender); ok {
		return below.SendBytes(ctx, h, b)
	}
	return errors.ErrUnsupported
}

// onCall is a decorator whose abilities are the methods of the Call below it.
type onCall struct{ *ras.Call }

func (c onCall) CancelPosted(ras.Handle) error { return c.CancelReceive() }

func (c onCall) ReturnBytes(_ ras.Handle, b []byte) error { return c.Unread(b) }

func (c onCall) SendBytes(ctx context.Context, _ ras.Handle, b []byte) error { return c.Send(ctx, b) }

func (c onCall) ReceiveBytes(ctx context.Context, _ ras.Handle, b []byte, t time.Duration) (int, error) {
	return c.Receive(ctx, b, t)
}

// decorations are the ways in which a script may put something between itself
// and the callbacks.
var decorations = map[string]func(call *ras.Call) *ras.Call{
	"session": func(call *ras.Call) *ras.Call { return call },
	"bare":    func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{call.API}) },
	"bare by hand": func(call *ras.Call) *ras.Call {
		return &ras.Call{API: bareAPI{call.API}, Port: call.Port, Params: call.Params}
	},
	"bare of the call":     func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{call}) },
	"the call":             func(call *ras.Call) *ras.Call { return call.WithAPI(call) },
	"the call by hand":     func(call *ras.Call) *ras.Call { return &ras.Call{API: call, Port: call.Port, Params: call.Params} },
	"copying":              func(call *ras.Call) *ras.Call { return call.WithAPI(newCopying(call.API)) },
	"forwarding":           func(call *ras.Call) *ras.Call { return call.WithAPI(forwarding{call.API}) },
	"forwarding over bare": func(call *ras.Call) *ras.Call { return call.WithAPI(forwarding{bareAPI{call.API}}) },
	"bare over forwarding": func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{forwarding{call.API}}) },
	"on the call":          func(call *ras.Call) *ras.Call { return call.WithAPI(onCall{call}) },
	"on a bare call": func(call *ras.Call) *ras.Call {
		return call.WithAPI(onCall{call.WithAPI(bareAPI{call.API})})
	},
	"on forwarding over bare": func(call *ras.Call) *ras.Call {
		return call.WithAPI(onCall{call.WithAPI(forwarding{bareAPI{call.API}})})
	},
	"bare over copying": func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{newCopying(bareAPI{call})}) },
}
