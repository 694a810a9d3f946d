package ras

import (
	"bytes"
	"errors"
	"time"
)

// leftReceive is a receive that its API could not cancel.
type leftReceive struct {
	api     API
	port    Handle
	buf     Buffer
	ev      *Event
	freed   bool          // the script has freed buf
	watched bool          // a goroutine passes the event on
	done    chan struct{} // closed when the API has finished with the receive
}

// leave leaves the receive with the API. st.mu is held.
func (st *callState) leave() {
	st.stopClock()
	if st.rx.state == callPosted {
		st.rx.left = &leftReceive{api: st.rx.owner.API, port: st.rx.owner.Port, buf: st.rx.buf, ev: st.rx.ev, done: make(chan struct{})}
		st.noteLeft()
	}
	st.setIdle()
}

// adopt makes the receive that was left with an API serve a new one, and returns
// true. It returns false if there is none any more: the API of c can cancel it,
// or its limit has passed. st.mu is held, and released meanwhile.
func (st *callState) adopt(c *Call, timeout time.Duration) bool {
	left := st.rx.left
	st.rx.state = callPosted
	if st.endReceive(c) == nil {
		st.finishLeft()
		return false
	}
	// The API may have signalled before, to an event that was reset since; what
	// it signals from here on stays.
	st.rx.ev.Reset()
	st.mu.Unlock()
	n, err := c.API.RetrieveBuffer(c.Port, st.rx.buf)
	st.mu.Lock()
	if !errors.Is(err, ErrPending) {
		st.finishLeft()
		switch {
		case n > 0:
			st.unread = append(bytes.Clone(st.rx.buf.Bytes()[:n]), st.unread...)
		case errors.Is(err, ErrOverrun):
			st.rx.overrun = err // which the API reports once
		default:
			return false // the new receive finds what is wrong, if anything is
		}
		st.rx.state = callKept
		st.rx.ev.Set()
		return true
	}
	st.rx.state, st.rx.expired, st.rx.deadline = callAdopted, false, time.Time{}
	if timeout > 0 {
		st.rx.deadline = time.Now().Add(timeout)
		st.rx.clock = time.AfterFunc(timeout, st.adoptedLimit)
	}
	if left.ev != st.rx.ev {
		st.passOn(left)
	}
	return true
}

// adoptedLimit runs when the limit of an adopted receive may have passed.
func (st *callState) adoptedLimit() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.rx.state == callAdopted && !st.rx.deadline.IsZero() && !time.Now().Before(st.rx.deadline) {
		st.rx.expired = true
		st.rx.ev.Set()
	}
}

// passOn makes the event of a left receive set the event of the receive that
// has adopted it. st.mu is held.
func (st *callState) passOn(left *leftReceive) {
	if left.watched {
		return
	}
	left.watched = true
	// The goroutine ends with the event, or when the API has finished.
	go func() {
		select {
		case <-left.ev.C():
		case <-left.done:
			return
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		left.watched = false
		if st.rx.left != left {
			return
		}
		if st.rx.state == callAdopted && st.rx.ev != left.ev {
			st.rx.ev.Set()
		} else {
			left.ev.Set() // for the receive that adopts it next
		}
	}()
}

// finishLeft notes that the API has finished with the receive that was left with
// it, and frees its buffer if the script has. st.mu is held, and released
// meanwhile.
func (st *callState) finishLeft() {
	left := st.rx.left
	st.rx.left = nil
	st.noteLeft()
	close(left.done)
	if left.freed {
		st.mu.Unlock()
		left.api.FreeBuffer(left.buf)
		st.mu.Lock()
	}
}

// repost posts a receive again whose API reported the limit of the receive that
// it had adopted, for the rest of its own limit. It returns ErrPending, or the
// timeout if that has passed as well. st.mu is held, and released meanwhile.
func (st *callState) repost(c *Call, b Buffer, timeout error) error {
	var rest time.Duration
	if !st.rx.deadline.IsZero() {
		if rest = time.Until(st.rx.deadline); rest <= 0 {
			return timeout
		}
	}
	st.rx.state, st.rx.buf = callPosted, b
	ev := st.rx.ev
	st.mu.Unlock()
	err := c.API.ReceiveBuffer(c.Port, b, rest, ev)
	st.mu.Lock()
	if err != nil {
		st.rx.state = callIdle
		return err
	}
	return &Error{Op: opRetrieve, Code: ErrPending}
}

// signalled reports whether the API has signalled a left receive whose event
// no caller passes on. st.mu is held.
func (st *callState) signalled() bool {
	left := st.rx.left
	return left != nil && left.ev != st.rx.ev && len(left.ev.ch) > 0
}
