package ras

import (
	"context"
	"sync/atomic"
)

// Event stands for the event handle of RasReceiveBuffer. It is an auto-reset
// event: it is set or not, setting it twice is setting it once, and whoever
// takes the token from its channel resets it.
//
// An Event may be used from several goroutines. Make one with NewEvent and use
// it for one pending receive at a time.
type Event struct {
	ch      chan struct{} // holds a token while the event is set
	waiters atomic.Int32  // calls of Wait that block on ch

	// Who posts stores source and then looks at watched; who asks for the
	// channel stores watched and then looks at source. So one of them sees the
	// other.
	source  atomic.Pointer[Session] // whose receive sets the event, if it was posted last
	watched atomic.Bool             // somebody has the channel, so nobody may call Wait
}

// NewEvent returns an event that is not set.
func NewEvent() *Event { return &Event{ch: make(chan struct{}, 1)} }

// C returns the channel that gives one token each time the event is set. A
// receive that is posted with an event whose channel was asked for is read by
// a goroutine of the session; Wait saves that goroutine.
func (e *Event) C() <-chan struct{} {
	e.watched.Store(true)
	if s := e.source.Load(); s != nil {
		s.driveInBackground()
	}
	return e.ch
}

// Set sets the event. It never blocks.
func (e *Event) Set() {
	select {
	case e.ch <- struct{}{}:
	default:
	}
}

// Reset takes back a token that nobody took. It never blocks.
func (e *Event) Reset() {
	select {
	case <-e.ch:
	default:
	}
}

// Wait blocks until the event is set and resets it. It does what a receive
// from C does, but lets a Session read its port on the calling goroutine, which
// saves two switches for each answer.
//
// If ctx ends first, Wait returns context.Cause(ctx), and a receive that was
// posted with the event stays pending. An event that is set already wins over a
// context that has ended.
func (e *Event) Wait(ctx context.Context) error {
	for {
		if e.take() {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s := e.source.Load(); s != nil && s.driveHere(ctx, e) {
			continue
		}
		if done, err := e.block(ctx); done {
			return err
		}
	}
}

func (e *Event) take() bool {
	select {
	case <-e.ch:
		return true
	default:
		return false
	}
}

// block waits for a token that somebody else will bring. It reports false if
// that somebody has just left, so that the caller must see to it.
func (e *Event) block(ctx context.Context) (done bool, err error) {
	e.waiters.Add(1)
	defer e.waiters.Add(-1)
	if s := e.source.Load(); s != nil && s.undriven(e) {
		return false, nil
	}
	select {
	case <-e.ch:
		return true, nil
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// arm notes that s sets the event from now on. It reports whether s has to read
// in the background, and the session that used the event before and now has to
// do so too, since nobody can read for two sessions at once.
func (e *Event) arm(s *Session) (background bool, other *Session) {
	if old := e.source.Swap(s); old != nil && old != s {
		e.watched.Store(true)
		other = old
	}
	return e.watched.Load(), other
}

// disarm forgets s, so that the event does not keep it alive.
func (e *Event) disarm(s *Session) { e.source.CompareAndSwap(s, nil) }
