package ras

import (
	"context"
	"math"
	"time"
)

// instant is a point of the monotonic clock, which costs half as much to read
// as the time of day. Zero means none.
type instant int64

var epoch = time.Now()

func now() instant { return instant(time.Since(epoch)) }

// add returns the instant d later, or the last of all.
func (i instant) add(d time.Duration) instant {
	if sum := i + instant(d); sum >= i {
		return sum
	}
	return math.MaxInt64
}

// limit is a timer that is moved rarely. It is armed for the earliest of the
// deadlines that it was given since it fired last; a deadline that is later
// than that costs nothing, and fire arms it again if the deadline in force has
// not passed by then. A series of waits, each with a limit, so moves the timer
// once for each limit that passes and not once for each wait.
//
// The session's mutex guards it.
type limit struct {
	timer *time.Timer
	armed instant // when it fires; zero: it does not
	fire  func()  // acquires the mutex and calls fired first
}

// within makes the limit fire no later than at.
func (l *limit) within(at, now instant) {
	if at == 0 || l.armed != 0 && l.armed <= at {
		return
	}
	l.armed = at
	left := max(time.Duration(at-now), 0)
	if l.timer == nil {
		l.timer = time.AfterFunc(left, l.fire)
		return
	}
	l.timer.Reset(left)
}

// fired notes that the timer has fired and reports whether at has passed. If it
// has not, the timer is armed for it.
func (l *limit) fired(at instant) bool {
	l.armed = 0
	if at == 0 {
		return false
	}
	now := now()
	if now >= at {
		return true
	}
	l.within(at, now)
	return false
}

func (l *limit) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.armed = 0
}

// watch turns the end of a context into a call, once for each context and not
// once for each wait: a series of waits under one context registers one
// function and allocates nothing more. The session's mutex guards it.
type watch struct {
	ended  func(done <-chan struct{}) // what to call; set once
	done   <-chan struct{}            // of the context registered last
	stop   func() bool
	active bool // a wait under that context is running
}

// begin starts a wait under ctx. The caller holds the mutex and checks ctx.Err
// after begin, for a context that ended before.
func (w *watch) begin(ctx context.Context) {
	w.active = true
	done := ctx.Done()
	if done == w.done {
		return
	}
	w.release()
	w.active, w.done = true, done
	if done != nil {
		w.stop = context.AfterFunc(ctx, func() { w.ended(done) })
	}
}

// on reports whether a wait runs under the context with the given channel.
func (w *watch) on(done <-chan struct{}) bool { return w.active && w.done == done }

// end ends a wait and keeps the registration for the next one.
func (w *watch) end() { w.active = false }

// release gives up the registration.
func (w *watch) release() {
	if w.stop != nil {
		w.stop()
	}
	w.done, w.stop, w.active = nil, nil, false
}
