package virtual

import (
	"slices"
	"sync"
	"time"
)

// A gate is where the calls of one kind wait on one port: its reads, its
// writes, or the writes that await their turn. They all wait for the same
// thing, so one token is enough: the call that takes it checks again, and the call that
// leaves passes it on. The port's mutex guards everything but the channel.
//
// It is a channel, and not a sync.Cond, because a channel is durably blocking
// under testing/synctest and goes together with a timer.
type gate struct {
	token   chan struct{} // capacity 1
	waiting int
	due     []time.Duration // when the waiting calls that have a time check again
	timer   *time.Timer
	armed   time.Duration // what the timer is set to, or was when it fired
}

func newGate() gate { return gate{token: make(chan struct{}, 1)} }

// wait gives mu up, blocks until a signal or until the time until, which is
// not before now on the same clock, and takes mu again. It may also return for
// nothing; the caller checks again in any case.
func (g *gate) wait(mu *sync.Mutex, now, until time.Duration) {
	if until != never {
		g.due = append(g.due, until)
		g.arm(now)
	}
	g.waiting++
	mu.Unlock()
	<-g.token
	mu.Lock()
	g.waiting--
	if until != never {
		i := slices.Index(g.due, until)
		g.due = slices.Delete(g.due, i, i+1)
	}
	if len(g.due) > 0 && slices.Min(g.due) < until {
		g.signal() // the token may have been meant for an earlier one
	}
}

// arm makes the gate signal at the earliest time of its waiting calls. A timer
// left from an earlier wait costs a later one a needless check, which is
// cheaper than stopping it each time.
func (g *gate) arm(now time.Duration) {
	first := slices.Min(g.due)
	switch {
	case g.timer == nil:
		token := g.token
		g.timer = time.AfterFunc(first-now, func() { put(token) })
	case first < g.armed || g.armed <= now:
		g.timer.Reset(first - now)
	default:
		return
	}
	g.armed = first
}

// signal makes one waiting call check again.
func (g *gate) signal() {
	if g.waiting > 0 {
		put(g.token)
	}
}

func put(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
