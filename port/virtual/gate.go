package virtual

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// A gate blocks the calls of one kind on one port: its reads, its writes, or the
// writes that wait for an earlier one. They all wait for the same condition, so
// one token is enough: the call that receives it checks again, and passes it on
// when it returns. The port's mutex guards all fields but the channel.
//
// It is a channel, and not a sync.Cond, because a channel is durably blocking
// under testing/synctest and can be combined with a timer.
type gate struct {
	token   chan struct{} // capacity 1
	waiting int
	due     []time.Duration // when the waiting calls that have a time check again
	timer   *time.Timer
	armed   time.Duration // what the timer is set to, or was when it fired
}

func newGate() gate { return gate{token: make(chan struct{}, 1)} }

// wait releases mu, blocks until a signal or until the time until, which is not
// before now on the same clock, and locks mu again. It may also return without
// either; the caller checks again in any case.
func (g *gate) wait(mu *sync.Mutex, now, until time.Duration) {
	overdue := false
	if until != never {
		// Signal at the earliest time of the waiting calls. A timer of an earlier
		// wait causes a later one to check needlessly, which is cheaper than
		// stopping the timer each time.
		g.due = append(g.due, until)
		switch first := slices.Min(g.due); {
		case first <= now:
			// Another call is due. It may have the token already and wait for mu,
			// and this one would receive the next: without Gosched it could do so
			// for long.
			overdue = true
			put(g.token)
		case g.timer == nil:
			token := g.token
			g.timer = time.AfterFunc(first-now, func() { put(token) })
			g.armed = first
		case first < g.armed || g.armed <= now:
			g.timer.Reset(first - now)
			g.armed = first
		}
	}
	g.waiting++
	mu.Unlock()
	if overdue {
		runtime.Gosched()
	}
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
