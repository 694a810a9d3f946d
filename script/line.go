package script

import (
	"context"
	"time"

	"github.com/rasline/rasline/ras"
)

// line receives and sends for one Dialog through the methods of its Call. It
// holds received bytes only during a call of the Dialog: at the end of each, and
// before a function of the script runs, keep gives back what was not consumed,
// so that the run's bytes have one owner. One goroutine at a time uses it.
type line struct {
	call   *ras.Call
	memory []byte // what in is part of; made at first use
	in     []byte // received and not consumed
}

// receive blocks until bytes have arrived and puts them in l.in, which must be
// empty. It reads at most need bytes of the port if the call is exact. A limit
// of 0 or less is no limit.
func (l *line) receive(ctx context.Context, limit time.Duration, need int) error {
	size := ras.MaxBuffer
	if l.call.Exact {
		size = min(max(need, 1), ras.MaxBuffer)
	}
	if l.memory == nil {
		l.memory = make([]byte, ras.MaxBuffer)
	}
	n, err := l.call.Receive(ctx, l.memory[:size], limit)
	l.in = l.memory[:n]
	return err
}

// keep gives back what was received and not consumed.
func (l *line) keep() error {
	if len(l.in) == 0 {
		return nil
	}
	err := l.call.Unread(l.in)
	l.in = nil
	return err
}
