package script

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rasline/rasline/ras"
)

// waitClock holds the limits of one wait.
type waitClock struct {
	start       time.Time
	limit, idle time.Duration // 0 or less: none
	now         time.Time     // when next was called last
	silent      bool          // the idle limit ended the wait
}

// next returns how long the next receive may take, 0 for no limit, and false if
// the total has passed.
func (c *waitClock) next() (time.Duration, bool) {
	if c.now.IsZero() {
		c.now = c.start // the first receive follows immediately
	} else {
		c.now = time.Now()
	}
	if c.limit <= 0 {
		return max(c.idle, 0), true
	}
	left := c.limit - c.now.Sub(c.start)
	if left <= 0 {
		return 0, false
	}
	if c.idle > 0 {
		left = min(left, c.idle)
	}
	return left, true
}

// passed reports whether the timeout of a receive ends the wait.
func (c *waitClock) passed(limit time.Duration) bool {
	if c.limit > 0 && time.Since(c.start) >= c.limit {
		return true
	}
	c.silent = c.idle > 0 && limit >= c.idle
	return c.silent
}

// check reports the end of the wait while it has input to scan.
func (c *waitClock) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if c.limit > 0 && time.Since(c.start) >= c.limit {
		return c.over(ctx)
	}
	return nil
}

// over returns what ends a wait whose limit has passed: the context, if it ends
// at that moment as well.
func (c *waitClock) over(ctx context.Context) error {
	if at, ok := ctx.Deadline(); ok && !c.silent && !at.After(c.start.Add(c.limit)) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return errWaitOver
}

var (
	errWaitOver = errors.New("the wait's limit has passed")
	errEnded    = errors.New("the context has ended")
)

// endedError is the end of a context during a wait, which errEnded marks.
type endedError struct{ error }

func ended(ctx context.Context) error { return endedError{ras.ContextError(ctx)} }

func (e endedError) Unwrap() error { return e.error }

func (e endedError) Is(target error) bool { return target == errEnded }

// line is the input of one Dialog. It holds received bytes only during a call of
// the Dialog: at the end of each, and before a function of the script runs, keep
// gives back what was not consumed, so that the run's bytes have one owner. One
// goroutine at a time uses it.
type line struct {
	call   *ras.Call
	memory []byte // what in is part of; made at first use
	in     []byte // received and not consumed
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

// fill receives more input, which must be empty: at most need bytes if the call is
// exact. It returns errWaitOver when a limit has passed, and an endedError when the
// context has ended.
func (d *Dialog) fill(ctx context.Context, c *waitClock, need int) error {
	if d.line.memory == nil {
		d.line.memory = make([]byte, readAhead)
	}
	for empty := 0; ; {
		limit, ok := c.next()
		if !ok {
			return c.over(ctx)
		}
		if d.ahead && d.call.ReadAhead {
			need = ras.MaxBuffer
		}
		size := len(d.line.memory)
		if d.call.Exact {
			size = min(max(need, 1), ras.MaxBuffer)
		}
		n, err := d.call.Receive(ctx, d.line.memory[:size], limit)
		d.line.in = d.line.memory[:n]
		switch {
		case err == nil && len(d.line.in) == 0:
			if empty++; empty == maxEmpty {
				return io.ErrNoProgress
			}
			continue
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ended(ctx)
		case !errors.Is(err, ras.ErrRequestTimeout) || limit <= 0:
			return err
		case c.passed(limit):
			return c.over(ctx)
		case time.Since(c.now) == 0, limit-time.Since(c.now) > tooEarly:
			return err // not our limit: the whole run's, which has failed the session
		}
	}
}
