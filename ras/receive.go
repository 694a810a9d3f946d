package ras

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/rasline/rasline/port"
)

const (
	// grace is how long a receive whose limit has passed before anything read
	// for it looks for bytes that had arrived in time.
	grace = time.Millisecond

	// maxEmpty is how often in a row a port may return nothing, or time out
	// before its deadline.
	maxEmpty = 100
)

// rxState is the state of the one receive of a session:
//
//	event            rxIdle          rxPosted            rxReady   rxExpired
//	ReceiveBuffer    rxPosted (1)    616                 rxPosted  rxPosted
//	bytes arrive     kept            rxReady, event set  kept      kept
//	limit passes     -               rxExpired (2)       -         -
//	port fails       -               rxReady, event set  -         -
//	bytes returned   kept            rxReady, event set  kept      kept
//	RetrieveBuffer   87 or cause     600                 rxIdle    rxIdle, 638
//	ReceiveBytes     rxPosted (1,3)  616                 rxPosted  rxPosted
//	CancelPosted     -               rxIdle              -         -
//	Close            rxIdle in every state, without an event
//
// (1) It completes immediately if bytes or a lost character are waiting, or if
// the port has failed. (2) The event is set. On a port that obeys deadlines a
// read first makes sure that nothing has arrived. (3) ReceiveBytes has no event
// and no buffer. It retrieves its result itself, under the lock under which its
// read has ended, and withdraws the receive if its context ends.
type rxState uint8

const (
	rxIdle    rxState = iota // nothing is posted, or the result was retrieved
	rxPosted                 // no result yet
	rxReady                  // bytes, a lost character, or the failure of the port
	rxExpired                // the limit passed without bytes
)

// rxReader is who reads the port for the receive:
//
//	event            readerNone                     readerWaiter    readerBackground
//	Event.Wait       readerWaiter (1)               blocks          blocks
//	ReceiveBytes     readerWaiter                   616             unsupported (3)
//	Event.C          readerBackground               -               -
//	RetrieveBuffer   readerBackground if rxPosted   -               -
//	limit passes     readerBackground, one poll     interrupted     interrupted (2)
//	result, halt     -                              readerNone      readerNone
//
// (1) On a port that is not known to obey deadlines readerBackground, since a
// caller must never be stuck in a read. (2) There the receive expires without
// the reader, which stays in Read for the next receive; a poll that has just
// begun is given two milliseconds. (3) The receive that it read for has its
// result, or there would be 616. On a port that is not known to obey deadlines
// ReceiveBytes is never supported.
type rxReader uint8

const (
	readerNone       rxReader = iota
	readerWaiter              // a call of Event.Wait or ReceiveBytes
	readerBackground          // a goroutine of the session
)

// receive is the receive of a session. The session's mutex guards it, but for
// storage, which belongs to the reader while there is one. Besides its state it
// has flags, of which each is independent of the others:
//
//	flag          set by                               cleared by
//	halt          end of a context, result from        start of a receive or of a
//	              elsewhere, stopReading               reader, unless exit is set
//	lost          a read with port.ErrOverrun          take
//	streams       a read that filled its room          any other read
//	begun         the first deadline of the port       -
//	interrupted   a deadline that is not cleared yet   beforeRead, which clears it
//	exit          stopReading                          the end of the reader
type receive struct {
	state    rxState
	reader   rxReader
	halt     bool    // the reader must stop without a result
	lost     bool    // the device lost characters; reported once
	buf      *grant  // nil: the receive is ReceiveBytes
	room     int     // bytes that the receive has room for
	ev       *Event  // nil: the receive is ReceiveBytes
	deadline instant // zero: no limit

	storage     []byte
	streams     bool   // the last read filled its room
	unread      []byte // received and not retrieved
	interrupted bool   // the port's read deadline is set
	begun       bool   // the port has accepted a deadline
	limit       limit
	watch       watch
	exit        chan struct{} // closed when the reader stops; nil: nothing waits for that
}

// complete gives a posted receive its result and sets its event.
func (r *receive) complete(state rxState) {
	if r.state != rxPosted {
		return
	}
	r.state = state
	if r.ev != nil {
		r.ev.set()
	}
}

// due reports whether the limit of the receive has passed.
func (r *receive) due() bool { return r.deadline != 0 && now() >= r.deadline }

// direct reports whether a ReceiveBytes reads the port. Nothing else is posted
// until it returns, also if it was cancelled: it returns the result that it finds.
func (r *receive) direct() bool { return r.reader == readerWaiter && r.buf == nil }

// ReceiveBuffer implements API.
func (s *Session) ReceiveBuffer(h Handle, b Buffer, timeout time.Duration, ev *Event) error {
	background, other, err := s.post(h, b, timeout, ev)
	if err != nil {
		return err
	}
	if background {
		s.readInBackground()
	}
	if other != nil {
		other.readInBackground()
	}
	return nil
}

func (s *Session) post(h Handle, b Buffer, timeout time.Duration, ev *Event) (background bool, other *Session, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.check(opReceive, h, b)
	switch {
	case err != nil:
		return false, nil, err
	case ev == nil || ev.ch == nil:
		return false, nil, &Error{Op: opReceive, Code: ErrInvalidHandle, Err: errors.New("no event: make one with NewEvent")}
	case s.rx.state == rxPosted || s.rx.direct() || own.sending > 0:
		return false, nil, &Error{Op: opReceive, Code: ErrAsyncRequestPending}
	}
	ev.Reset()
	s.rx.buf, s.rx.ev = own, ev
	background, other = ev.arm(s)
	s.begin(len(own.data), timeout)
	return background, other, nil
}

// begin posts a receive with room for that many bytes, and completes it if there
// is a result already. s.mu is held.
func (s *Session) begin(room int, timeout time.Duration) {
	s.rx.state, s.rx.halt = rxPosted, s.rx.exit != nil
	s.rx.room, s.rx.deadline = room, 0
	switch {
	case len(s.rx.unread) > 0 || s.rx.lost || s.cause != nil:
		s.rx.complete(rxReady)
	case timeout > 0:
		now := now()
		s.rx.deadline = now.add(timeout)
		s.rx.limit.within(s.rx.deadline, now)
	}
}

// ReceiveBytes implements BytesReceiver. On a port that is not known to obey
// deadlines, and while another goroutine reads the port, it is not supported.
func (s *Session) ReceiveBytes(ctx context.Context, h Handle, b []byte, timeout time.Duration) (int, error) {
	if !s.obeys {
		return 0, errNotHere
	}
	s.mu.Lock()
	into, ok, err := s.beginBytes(ctx, h, len(b), timeout)
	if ok {
		s.mu.Unlock()
		s.readInto(into)
	}
	n := 0
	switch {
	case err != nil:
	case s.closed:
		err = &Error{Op: opReceive, Code: ErrInvalidPortHandle, Err: errClosed}
	case s.rx.state == rxPosted:
		s.rx.state = rxIdle
		err = contextError(opReceive, ctx)
	default:
		n, err = s.take(b)
	}
	s.mu.Unlock()
	return n, err
}

// beginBytes posts the receive of ReceiveBytes. It returns the room for a Read,
// or false if none is needed. s.mu is held.
func (s *Session) beginBytes(ctx context.Context, h Handle, room int, timeout time.Duration) (into []byte, ok bool, err error) {
	err = s.checkHandle(opReceive, h)
	switch {
	case err != nil:
		return nil, false, err
	case room == 0:
		return nil, false, &Error{Op: opReceive, Code: ErrBufferTooSmall}
	case s.rx.state == rxPosted:
		return nil, false, &Error{Op: opReceive, Code: ErrAsyncRequestPending}
	case s.rx.reader != readerNone:
		return nil, false, errNotHere // it has still to stop
	}
	if s.rx.ev != nil {
		s.rx.ev.disarm(s) // so that it can be used with another session
	}
	s.rx.buf, s.rx.ev = nil, nil
	s.begin(room, timeout)
	if s.rx.state != rxPosted {
		return nil, false, nil
	}
	s.rx.reader = readerWaiter
	s.rx.watch.begin(ctx)
	s.rx.halt = ctx.Err() != nil
	into, ok = s.beforeRead(false)
	return into, ok, nil
}

// RetrieveBuffer implements API.
func (s *Session) RetrieveBuffer(h Handle, b Buffer) (int, error) {
	n, pending, err := s.retrieve(h, b)
	if pending {
		s.readInBackground() // a script that polls gets its bytes as well
	}
	return n, err
}

func (s *Session) retrieve(h Handle, b Buffer) (n int, pending bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.check(opRetrieve, h, b)
	switch {
	case err != nil:
		return 0, false, err
	case own.sending > 0:
		return 0, false, &Error{Op: opRetrieve, Code: ErrAsyncRequestPending}
	case s.rx.state == rxPosted || s.rx.direct():
		return 0, true, &Error{Op: opRetrieve, Code: ErrPending}
	}
	n, err = s.take(own.data)
	return n, false, err
}

// take ends a receive that is not pending with its result, whose bytes it moves
// into b. s.mu is held.
func (s *Session) take(b []byte) (int, error) {
	was := s.rx.state
	s.rx.state = rxIdle
	switch {
	case was == rxIdle && s.cause != nil:
		return 0, s.failure(opRetrieve)
	case was == rxIdle:
		return 0, &Error{Op: opRetrieve, Code: ErrInvalidParameter, Err: errors.New("no receive is posted")}
	case s.rx.lost:
		s.rx.lost = false
		return 0, &Error{Op: opRetrieve, Code: ErrOverrun, Err: port.ErrOverrun}
	case was == rxExpired:
		s.stats.Timeouts++
		return 0, &Error{Op: opRetrieve, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	case len(s.rx.unread) > 0:
		// The one copy that a byte makes in a session.
		n := copy(b, s.rx.unread)
		s.rx.unread = s.rx.unread[n:]
		s.stats.Receives++
		s.stats.Received += uint64(n)
		return n, nil
	}
	return 0, s.failure(opRetrieve)
}

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
		if !returned { // the port has panicked, and Close must not wait for it
			s.mu.Lock()
			s.fail(ErrPortOrDevice, errPanicked)
			s.readerStopped()
			s.mu.Unlock()
		}
	}()
	for empty := 0; ; {
		returned = false
		n, err := s.port.Read(into)
		returned = true
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
	if cap(s.rx.storage) < room {
		s.rx.storage = make([]byte, room)
	}
	return s.rx.storage[:room], true
}

// failDeadline makes the refusal of a deadline the failure of the port, unless
// the refusal has a cause of its own, such as a port that is closed.
func (s *Session) failDeadline(err error) {
	if code := Cause(err); code != ErrUnknown && code != ErrNotSupported {
		s.fail(code, err)
		return
	}
	s.fail(ErrNotSupported, fmt.Errorf("the port refuses deadlines, which end its calls (%w): use port.FromStream", err))
}

// afterRead handles the result of a Read and returns the room for the next one,
// or false if the reader has stopped. s.mu is held.
func (s *Session) afterRead(n int, err error, empty int) ([]byte, bool) {
	s.rx.streams = n > 0 && n >= s.rx.room
	if n > 0 {
		if len(s.rx.unread) == 0 {
			s.rx.unread = s.rx.storage[:n]
		} else {
			s.rx.unread = append(s.rx.unread, s.rx.storage[:n]...)
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

// isTimeout reports whether err is the passing of a deadline. ETIMEDOUT is not:
// it is how the kernel reports that a connection is lost.
func isTimeout(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}
