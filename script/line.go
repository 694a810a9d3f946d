package script

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/ras"
)

// line receives and sends for one Dialog through the methods of its Call. It
// holds received bytes only during a call of the Dialog: at the end of each, and
// before a function of the script runs, keep gives back what was not consumed,
// so that the run's bytes have one owner. One goroutine at a time uses it.
type line struct {
	call  *ras.Call
	event *ras.Event
	buf   ras.Buffer // what in is part of
	in    []byte     // received and not consumed
}

// receive blocks until bytes have arrived and puts them in l.in, which must be
// empty. It reads at most need bytes of the port if the call is exact. A limit
// of 0 or less is no limit.
func (l *line) receive(ctx context.Context, limit time.Duration, need int) error {
	size := ras.MaxBuffer
	if l.call.Exact {
		size = min(max(need, 1), ras.MaxBuffer)
	}
	if l.buf != nil && len(l.buf.Bytes()) != size {
		l.free()
	}
	if l.buf == nil {
		b, err := l.call.GetBuffer(size)
		if err != nil {
			return err
		}
		l.buf = b
	}
	if err := l.call.ReceiveBuffer(l.call.Port, l.buf, limit, l.event); err != nil {
		l.free()
		return err
	}
	for {
		if err := l.event.Wait(ctx); err != nil {
			cancelErr := l.call.CancelReceive()
			l.free()
			return errors.Join(err, cancelErr)
		}
		n, err := l.call.RetrieveBuffer(l.call.Port, l.buf)
		if errors.Is(err, ras.ErrPending) {
			continue // the event was set without a result
		}
		l.in = l.buf.Bytes()[:n]
		return err
	}
}

// keep gives back what was received and not consumed.
func (l *line) keep() error {
	var err error
	if len(l.in) > 0 {
		err = l.call.Unread(l.in)
		l.in = nil
	}
	l.free()
	return err
}

func (l *line) free() {
	if l.buf != nil {
		l.call.FreeBuffer(l.buf)
		l.buf, l.in = nil, nil
	}
}

// send sends all of b.
func (l *line) send(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		tx, err := l.call.GetBuffer(min(len(b), ras.MaxBuffer))
		if err != nil {
			return err
		}
		n := copy(tx.Bytes(), b)
		err = l.call.SendContext(ctx, tx, n)
		l.call.FreeBuffer(tx)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
