package ras

import (
	"context"
	"sync/atomic"
)

// Event is the event handle of RasReceiveBuffer. It is an auto-reset
// event: it is set or not, setting it twice is setting it once, and the receiver
// that reads the token from its channel resets it.
//
// An Event may be used from several goroutines. Make one with NewEvent and use
// it for one pending receive at a time.
type Event struct {
	ch      chan struct{} // holds a token while the event is set
	waiters atomic.Int32  // calls of Wait that block on ch

	// ReceiveBuffer stores source, then loads watched; C stores watched, then
	// loads source. At least one of them therefore sees the other's store and
	// starts the background reader.
	source  atomic.Pointer[Session] // of the receive that was posted last
	watched atomic.Bool             // C was called, so Wait may never be
}

// NewEvent returns an event that is not set.
func NewEvent() *Event { return &Event{ch: make(chan struct{}, 1)} }

// C returns the channel that gives one token each time the event is set. A
// receive that is posted with an event whose channel C has returned is read by
// a goroutine of the session; Wait saves that goroutine.
//
// Give the limit of the wait to ReceiveBuffer, whose event is set when it
// passes. A script that stops waiting earlier, because a context or a timer of
// its own has ended, calls Call.CancelReceive before it frees the buffer or
// posts again.
func (e *Event) C() <-chan struct{} {
	e.watched.Store(true)
	if s := e.source.Load(); s != nil {
		s.readInBackground()
	}
	return e.ch
}

// Set sets the event. It never blocks. It ends a Wait also where that reads the
// port of a Session, whose receive then stays pending.
func (e *Event) Set() {
	e.set()
	if s := e.source.Load(); s != nil {
		s.eventSet(e)
	}
}

// set is Set for the session of the receive.
func (e *Event) set() {
	select {
	case e.ch <- struct{}{}:
	default:
	}
}

// Reset removes a token that was not received. It never blocks.
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
// If ctx ends first, Wait returns an error as ContextError makes it, and a
// receive that was posted with the event stays pending. An event that is set
// already wins over a context that has ended. If the session of the receive is
// closed, Wait returns an error that matches ErrInvalidPortHandle.
func (e *Event) Wait(ctx context.Context) error {
	var source *Session // also after it was closed and has disarmed the event
	for {
		if e.take() {
			return nil
		}
		if ctx.Err() != nil {
			return contextError("", ctx)
		}
		if s := e.source.Load(); s != nil {
			if source = s; s.readHere(ctx, e) {
				continue
			}
		}
		if done, err := e.block(ctx, source); done {
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

// block waits for a token that another goroutine brings. It reports false if
// the receive has lost its reader meanwhile, so that the caller has to read.
func (e *Event) block(ctx context.Context, s *Session) (done bool, err error) {
	e.waiters.Add(1)
	defer e.waiters.Add(-1)
	var closed <-chan struct{}
	if s != nil {
		if s.readerMissing(e) {
			return false, nil
		}
		closed = s.done
	}
	select {
	case <-e.ch:
		return true, nil
	case <-ctx.Done():
		return true, contextError("", ctx)
	case <-closed:
	}
	if e.take() {
		return true, nil
	}
	return true, &Error{Op: "wait", Code: ErrInvalidPortHandle, Err: errClosed}
}

// arm notes that s sets the event from now on. It reports whether s has to read
// in the background, and the session that used the event before and now has to
// do so too, since a waiter can read for one session only.
func (e *Event) arm(s *Session) (background bool, other *Session) {
	if old := e.source.Swap(s); old != nil && old != s {
		e.watched.Store(true)
		other = old
	}
	return e.watched.Load(), other
}

// disarm forgets s, so that the event does not keep it alive.
func (e *Event) disarm(s *Session) { e.source.CompareAndSwap(s, nil) }
