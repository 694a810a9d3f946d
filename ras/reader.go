package ras

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rasline/rasline/port"
)

// startReading makes the caller the reader of the receive that was posted with
// e, or of any if e is nil. s.mu is held.
func (s *Session) startReading(e *Event, as rxReader) bool {
	if !s.needsReader(e) {
		return false
	}
	s.rx.reader, s.rx.halt = as, false
	return true
}

// needsReader reports whether the receive that was posted with e, or any if e
// is nil, has no reader. s.mu is held.
func (s *Session) needsReader(e *Event) bool {
	return s.rx.state == rxPosted && s.rx.reader == readerNone && !s.closed && (e == nil || s.rx.ev == e)
}

// readerMissing is needsReader for a waiter that does not hold the mutex.
func (s *Session) readerMissing(e *Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.needsReader(e)
}

// readInBackground starts a reader if the posted receive has none.
func (s *Session) readInBackground() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.startReading(nil, readerBackground) {
		go s.loop()
	}
}

// readHere reads for the receive that was posted with e until it has a result
// or ctx ends. It reports false if there is nothing to read for on this
// goroutine.
func (s *Session) readHere(ctx context.Context, e *Event) bool {
	s.mu.Lock()
	if !s.obeys {
		if s.startReading(e, readerBackground) {
			go s.loop()
		}
		s.mu.Unlock()
		return false
	}
	if !s.startReading(e, readerWaiter) {
		s.mu.Unlock()
		return false
	}
	s.rx.watch.begin(ctx)
	if ctx.Err() != nil || len(e.ch) > 0 {
		s.rx.halt = true
	}
	into, ok := s.beforeRead(s.rx.due())
	if ok {
		s.mu.Unlock()
		s.readInto(into)
	}
	s.mu.Unlock()
	return true
}

// eventSet ends the Read of a waiter whose event e another than the session has
// set. The token is in e by then, where readHere finds it.
func (s *Session) eventSet(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rx.reader == readerWaiter && s.rx.ev == e && s.rx.state == rxPosted {
		s.haltRead()
	}
}

// readContextEnded runs when the context of a waiter ends.
func (s *Session) readContextEnded(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rx.reader == readerWaiter && s.rx.watch.on(done) {
		s.haltRead()
	}
}

// readLimitPassed runs when the timer of the receive fires.
func (s *Session) readLimitPassed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.rx.deadline
	if s.rx.state != rxPosted || s.closed {
		at = 0
	}
	switch {
	case !s.rx.limit.fired(at):
	case s.rx.reader == readerNone:
		if s.startReading(nil, readerBackground) {
			go s.loop()
		}
		if !s.obeys { // the poll may block
			now := now()
			s.rx.limit.within(now.add(2*grace), now)
		}
	case s.obeys:
		s.interruptRead()
	default:
		s.rx.complete(rxExpired)
	}
}

// interruptRead ends a Read that is running. s.mu is held, so that no reader
// can set a later deadline in between.
func (s *Session) interruptRead() {
	s.rx.interrupted = true
	s.port.SetReadDeadline(past)
}

// haltRead makes the reader stop without a result. s.mu is held.
func (s *Session) haltRead() {
	s.rx.halt = true
	if s.rx.reader != readerNone {
		s.interruptRead()
	}
}

// stopReading withdraws the receive, halts the reader and returns a channel
// that is closed when it has stopped. s.mu is held.
func (s *Session) stopReading() <-chan struct{} {
	s.rx.state = rxIdle
	if s.rx.reader == readerNone {
		exited := make(chan struct{})
		close(exited)
		return exited
	}
	if s.rx.exit == nil {
		s.rx.exit = make(chan struct{})
	}
	s.haltRead()
	return s.rx.exit
}

// readOn is the goroutine of a background reader. It ends with the receive that it
// reads for; stopReading ends it earlier and returns what Close waits for.
func (s *Session) readOn() {
	s.mu.Lock()
	into, ok := s.beforeRead(s.rx.due())
	if ok {
		s.mu.Unlock()
		s.readInto(into)
	}
	s.mu.Unlock()
}

// readInto reads until the receive has a result or the reader is halted. It
// acquires s.mu, which is held when it returns.
func (s *Session) readInto(into []byte) {
	returned := false
	defer func() {
		if returned {
			return
		}
		// The port has panicked, and Close must not wait for it. The panic goes on to
		// the caller whose goroutine it is, and otherwise is the failure of the port.
		s.mu.Lock()
		var v any
		if s.rx.reader == readerBackground {
			v = recover()
		}
		s.fail(ErrPortOrDevice, s.panicked(v))
		s.readerStopped()
		if v == nil {
			s.mu.Unlock() // readInto does not return
		}
	}()
	for empty := 0; ; {
		returned = false
		n, err := s.port.Read(into)
		returned = true
		if n > len(into) {
			n, err = 0, fmt.Errorf("the port reports %d bytes of %d as read", n, len(into))
		}
		if n <= 0 && (err == nil || isTimeout(err)) {
			empty++
		} else {
			empty = 0
		}
		s.mu.Lock()
		next, ok := s.afterRead(max(n, 0), err, empty)
		if !ok {
			return
		}
		s.mu.Unlock()
		into = next
	}
}

// beforeRead makes the port ready for a Read and returns the room for its
// bytes, or false if the reader has stopped. If the limit of the receive is due,
// the Read looks for what has arrived. s.mu is held.
func (s *Session) beforeRead(due bool) ([]byte, bool) {
	if s.rx.halt || s.rx.state != rxPosted {
		s.readerStopped()
		return nil, false
	}
	var deadline time.Time
	if due {
		deadline = time.Now().Add(grace)
	}
	if !s.rx.begun || s.rx.interrupted || !deadline.IsZero() {
		if err := s.port.SetReadDeadline(deadline); err != nil {
			s.failDeadline(err)
			s.readerStopped()
			return nil, false
		}
		s.rx.begun, s.rx.interrupted = true, !deadline.IsZero()
	}
	room := s.rx.room
	if s.rx.streams {
		room = max(room, s.cfg.ReadAhead)
	}
	if s.rx.direct() && len(s.rx.lent) >= room {
		s.rx.into = s.rx.lent[:room]
		return s.rx.into, true
	}
	if cap(s.rx.storage) < room {
		s.rx.storage = make([]byte, room)
	}
	s.rx.into = s.rx.storage[:room]
	return s.rx.into, true
}

// failDeadline makes the refusal of a deadline the failure of the port. s.mu is
// held.
func (s *Session) failDeadline(err error) { s.fail(refusal(err)) }

// refusal returns what the refusal of a deadline means: that the port has none,
// unless the refusal has a cause of its own, such as a port that is closed.
func refusal(err error) (Code, error) {
	if code := Cause(err); code != ErrUnknown && code != ErrNotSupported {
		return code, err
	}
	return ErrNotSupported, fmt.Errorf("the port refuses deadlines, which end its calls (%w): use port.FromStream", err)
}

// afterRead handles the result of a Read and returns the room for the next one,
// or false if the reader has stopped. s.mu is held.
func (s *Session) afterRead(n int, err error, empty int) ([]byte, bool) {
	s.rx.streams = n > 0 && n >= s.rx.room
	if n > 0 {
		if len(s.rx.unread) == 0 {
			s.rx.unread = s.rx.into[:n]
		} else {
			s.rx.unread = append(s.rx.unread, s.rx.into[:n]...)
		}
	}
	switch {
	case errors.Is(err, port.ErrOverrun):
		s.rx.lost = true
	case err != nil && !isTimeout(err):
		s.fail(Cause(err), err)
	case n > 0:
	case s.rx.halt:
		s.readerStopped()
		return nil, false
	case err != nil && s.rx.due():
		s.rx.complete(rxExpired)
		s.readerStopped()
		return nil, false
	case empty < maxEmpty:
		return s.beforeRead(s.rx.due())
	case err == nil:
		s.fail(Cause(io.ErrNoProgress), io.ErrNoProgress)
	default:
		s.fail(ErrPortOrDevice, fmt.Errorf("the port times out although no deadline has passed: %w", err))
	}
	s.rx.complete(rxReady)
	s.readerStopped()
	return nil, false
}

// readerStopped notes that the reader has stopped. A posted receive that others
// wait for gets a new one. s.mu is held.
func (s *Session) readerStopped() {
	s.rx.reader = readerNone
	s.rx.watch.end()
	if s.rx.exit != nil {
		close(s.rx.exit)
		s.rx.exit = nil
	}
	if ev := s.rx.ev; s.rx.state == rxPosted && ev != nil && (ev.waiters.Load() > 0 || ev.watched.Load()) && s.startReading(nil, readerBackground) {
		go s.loop()
	}
}
