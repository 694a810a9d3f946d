package ras

import (
	"context"
	"errors"
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
// storage and lent, which belong to the reader while there is one. Besides its state it
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
	lent        []byte // the memory of the ReceiveBytes that is under way
	into        []byte // what a Read fills: the front of lent or of storage
	streams     bool   // the last read filled its room
	unread      []byte // received and not retrieved
	returned    int    // of those, the first ones, which were given back
	mayReturn   int    // limit of returned
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
	into, ok, err := s.beginBytes(ctx, h, b, timeout)
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
	if n == 0 && ok && len(s.rx.unread) > 0 {
		s.rx.unread = append(s.rx.storage[:0], s.rx.unread...) // b is the caller's again
	}
	s.rx.lent = nil
	s.mu.Unlock()
	return n, err
}

// beginBytes posts the receive of ReceiveBytes. It returns the room for a Read,
// or false if none is needed. s.mu is held.
func (s *Session) beginBytes(ctx context.Context, h Handle, b []byte, timeout time.Duration) (into []byte, ok bool, err error) {
	err = s.checkHandle(opReceive, h)
	switch {
	case err != nil:
		return nil, false, err
	case len(b) == 0:
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
	s.begin(len(b), timeout)
	if s.rx.state != rxPosted {
		return nil, false, nil
	}
	s.rx.reader, s.rx.lent = readerWaiter, b
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
		// The one copy that a byte makes in a session, and none if it was
		// read into b.
		n := copy(b, s.rx.unread)
		s.rx.unread = s.rx.unread[n:]
		s.rx.returned = max(0, s.rx.returned-n)
		s.stats.Receives++
		s.stats.Received += uint64(n)
		return n, nil
	}
	return 0, s.failure(opRetrieve)
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
