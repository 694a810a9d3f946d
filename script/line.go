package script

import (
	"context"
	"errors"
	"math/bits"
	"reflect"
	"time"

	"github.com/rasline/rasline/ras"
)

// line is the input of a call, shared by all its Dialogs: the callbacks' buffers
// and the bytes that were received and not consumed yet. One goroutine at a
// time uses it.
type line struct {
	call      *ras.Call
	event     *ras.Event
	in        []byte // received and not consumed; lies in the buffer retrieved last
	full      ras.Buffer
	small     [11]ras.Buffer // of 1, 2, 4 … 1024 bytes, for exact receives
	tx        ras.Buffer
	posted    ras.Buffer           // of a receive that a cancelled wait left behind
	shared    map[reflect.Type]any // see Shared
	observers []*func(b []byte)    // see OnReceive
}

// What an API may have besides the callbacks. A Session has all of it.
type (
	contextSender interface {
		SendBufferContext(ctx context.Context, port ras.Handle, b ras.Buffer, n int) error
	}
	canceller  interface{ CancelReceive() }
	unreceiver interface{ Unreceive(b []byte) }
)

// lineOf returns the line of the call, which is made at first use.
func lineOf(call *ras.Call) *line {
	if l, ok := call.Attached().(*line); ok {
		return l
	}
	l := &line{call: call, event: ras.NewEvent()}
	call.Attach(l)
	return l
}

// receive blocks until bytes are there and puts them in l.in, which must be
// empty. It takes at most need bytes from the port if the call is exact. A
// limit of 0 or less is no limit.
func (l *line) receive(ctx context.Context, limit time.Duration, need int) error {
	if l.posted == nil {
		b, err := l.buffer(need)
		if err != nil {
			return err
		}
		if err := l.call.ReceiveBuffer(l.call.Port, b, limit, l.event); err != nil {
			return err
		}
		l.posted = b
	}
	if err := l.event.Wait(ctx); err != nil {
		l.abandon()
		return err
	}
	b := l.posted
	n, err := l.call.RetrieveBuffer(l.call.Port, b)
	if errors.Is(err, ras.ErrPending) {
		return nil // a stray signal; the receive stays posted
	}
	l.posted = nil
	l.in = b.Bytes()[:n]
	for _, f := range l.observers {
		(*f)(l.in)
	}
	return err
}

// abandon takes the posted receive back where the API can; elsewhere the next
// receive goes on waiting for it.
func (l *line) abandon() {
	if c, ok := l.call.API.(canceller); ok {
		c.CancelReceive()
		l.posted = nil
	}
}

// buffer returns the buffer for a receive that may take need bytes: in an exact
// call the largest power of two that is not above it, so that a few buffers
// serve all needs.
func (l *line) buffer(need int) (ras.Buffer, error) {
	if !l.call.Exact {
		return l.grant(&l.full, ras.MaxBuffer)
	}
	i := min(bits.Len(uint(max(need, 1)))-1, len(l.small)-1)
	return l.grant(&l.small[i], 1<<i)
}

func (l *line) grant(slot *ras.Buffer, size int) (ras.Buffer, error) {
	if *slot == nil {
		b, err := l.call.GetBuffer(size)
		if err != nil {
			return nil, err
		}
		*slot = b
	}
	return *slot, nil
}

// send sends all of b.
func (l *line) send(ctx context.Context, b []byte) error {
	tx, err := l.grant(&l.tx, ras.MaxBuffer)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		n := copy(tx.Bytes(), b)
		if err := l.sendBuffer(ctx, tx, n); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (l *line) sendBuffer(ctx context.Context, tx ras.Buffer, n int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s, ok := l.call.API.(contextSender); ok {
		return s.SendBufferContext(ctx, l.call.Port, tx, n)
	}
	return l.call.SendBuffer(l.call.Port, tx, n)
}

// giveBack returns what was not consumed to the API, where the next receive of
// anybody finds it. An API that cannot take it back leaves it to the next
// Dialog.
func (l *line) giveBack() {
	if u, ok := l.call.API.(unreceiver); ok {
		u.Unreceive(l.in)
		l.in = nil
	}
}

// release frees the buffers and returns what was not consumed.
func (l *line) release() []byte {
	l.giveBack()
	rest := append([]byte(nil), l.in...)
	l.in = nil
	l.free(&l.full)
	l.free(&l.tx)
	for i := range l.small {
		l.free(&l.small[i])
	}
	return rest
}

func (l *line) free(slot *ras.Buffer) {
	if *slot != nil && *slot != l.posted {
		l.call.FreeBuffer(*slot)
		*slot = nil
	}
}
