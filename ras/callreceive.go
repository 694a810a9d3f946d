package ras

import (
	"errors"
	"os"
	"reflect"
	"time"
)

// maxUnread is how many bytes may be given back at a time.
const maxUnread = 64 << 10

// callReceive is the receive of a run, as its Calls see it. The receive with the
// API, posted by the Call owner, is the same but for two cases: a receive that
// Unread's bytes complete never reaches the API, and one that was cancelled may
// stay there.
//
//	event           callIdle             callKept            callPosted           callAdopted
//	ReceiveBuffer   callKept (1),        616                 616                  616
//	                callAdopted (2) or
//	                callPosted
//	Receive         callIdle (5)         616                 616                  616
//	Unread          -                    -                   event set            event set
//	API signals     -                    -                   event set            event set
//	own limit       -                    -                   -                    event set
//	RetrieveBuffer  to the API           callIdle, bytes     callIdle (3)         callIdle (3)
//	CancelReceive   -                    callIdle            callIdle (4)         callIdle, left
//
// (1) If bytes were given back. (2) If a receive was left with the API and the
// API cannot cancel it. (3) Given-back bytes win, and the receive is then
// cancelled or left; ErrPending changes nothing. (4) If the API cannot cancel,
// the receive is left with it. (5) If neither 1 nor 2 holds and the API is a
// BytesReceiver; else Receive is a ReceiveBuffer.
//
// A Receive that runs in ReceiveBytes is no state here but direct: the API of that
// Call keeps the receive. Unread and CancelReceive go there and end it, and a
// ReceiveBuffer is refused there. A decorator may serve ReceiveBytes with any
// receive of a Call below it, which then runs through the states.
type callReceive struct {
	state    callRxState
	owner    *Call  // whose receive it is
	buf      Buffer // of that receive
	ev       *Event
	deadline time.Time // of callAdopted; zero: no limit
	expired  bool      // it has passed
	overrun  error     // of a left receive: the result of callKept without bytes
	clock    *time.Timer
	dropped  bool // it ended without a result: it was cancelled, or the run ended

	left   *leftReceive // with the API, after a cancel
	direct *Call        // whose API runs ReceiveBytes, the outermost; nil: none
	ending bool         // the API of owner or of direct is being called to end its receive

	event   *Event // for the next Receive that is a ReceiveBuffer; nil: to be made
	copying *Event // of the Receive that is a ReceiveBuffer and waits; nil: none
}

type callRxState uint8

const (
	callIdle    callRxState = iota
	callKept                // completed with bytes that were given back
	callPosted              // with the API
	callAdopted             // served by the receive that was left with the API
)

// Unread gives back a copy of bytes that were retrieved and not used: the next
// receiver of the call, or PPP, gets them before all others. A posted receive
// completes with them. It fails with ErrBufferTooSmall if more than 64 KiB would
// wait, and with ErrInvalidPortHandle after the run; the bytes then are the
// caller's to keep.
func (c *Call) Unread(b []byte) error {
	st := c.shared()
	if len(b) == 0 {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.ended:
		return &Error{Op: opReturn, Code: ErrInvalidPortHandle, Err: errClosed}
	case len(st.unread)+len(b) > maxUnread:
		return errTooMuch
	}
	outer := st.returning
	below := outer != nil && outer != c // called by the API of outer, which has counted
	direct := st.rx.state == callIdle && !below && st.rx.direct != nil
	if !below {
		st.returned += len(b) // before a receiver on another goroutine gets them
	}
	// Bytes go to an API that accepts them, so that its other users get them too,
	// unless some are kept here that must follow them.
	r, ok := c.API.(Returner)
	if !ok && direct {
		c = st.rx.direct // whose API completes the receive with them
		r, ok = c.API.(Returner)
	}
	if ok && len(st.unread) == 0 {
		st.returning = c
		st.mu.Unlock()
		err := r.ReturnBytes(c.Port, b)
		st.mu.Lock()
		st.returning = outer
		if err == nil {
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			if !below {
				st.returned = max(0, st.returned-len(b))
			}
			return err
		}
	}
	st.unread = append(append(make([]byte, 0, len(b)+len(st.unread)), b...), st.unread...)
	switch {
	case st.rx.state == callPosted || st.rx.state == callAdopted:
		st.rx.ev.Set()
	case direct && st.rx.direct != nil:
		st.endReceive(st.rx.direct) // so that it receives them, or else the next one
	}
	return nil
}

// ReceiveBuffer is RasReceiveBuffer; see API. It completes immediately if Unread
// gave bytes back.
func (c *Call) ReceiveBuffer(port Handle, b Buffer, timeout time.Duration, ev *Event) error {
	st := c.shared()
	st.mu.Lock()
	if st.rx.state != callIdle {
		// A Call whose API is a decorator reaches the Call below it while its
		// own receive is being posted; the one below passes everything on.
		other := st.rx.owner != c
		st.mu.Unlock()
		if other {
			return c.API.ReceiveBuffer(port, b, timeout, ev)
		}
		return &Error{Op: opReceive, Code: ErrAsyncRequestPending}
	}
	if ev == nil || ev.ch == nil || b == nil || port != c.Port {
		st.mu.Unlock()
		return c.API.ReceiveBuffer(port, b, timeout, ev) // which refuses it in its own way
	}
	st.rx.owner, st.rx.buf, st.rx.ev = c, b, ev
	if len(st.unread) > 0 {
		st.rx.state = callKept
		ev.Reset()
		ev.Set()
		st.mu.Unlock()
		return nil
	}
	if st.rx.left != nil && st.adopt(c, timeout) {
		st.mu.Unlock()
		return nil
	}
	st.rx.state, st.rx.dropped = callPosted, false
	st.mu.Unlock()
	err := c.API.ReceiveBuffer(port, b, timeout, ev)
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case err != nil:
		st.rx.state = callIdle
	case st.rx.state == callIdle && st.rx.dropped && st.rx.left == nil &&
		errors.Is(st.endReceive(c), errors.ErrUnsupported) && st.rx.state == callIdle:
		// It was cancelled meanwhile, perhaps before the API had it, and the API
		// cannot cancel.
		st.rx.state = callPosted
		st.leave()
	}
	return err
}

// RetrieveBuffer is RasRetrieveBuffer; see API.
func (c *Call) RetrieveBuffer(port Handle, b Buffer) (int, error) {
	st := c.shared()
	st.mu.Lock()
	if st.rx.state == callIdle || st.rx.owner != c || b == nil || port != c.Port {
		st.mu.Unlock()
		return c.API.RetrieveBuffer(port, b)
	}
	plain := st.rx.state == callPosted && len(st.unread) == 0
	st.mu.Unlock()
	var n int
	var err error
	if plain {
		n, err = c.API.RetrieveBuffer(port, b)
	} else {
		n, err = st.retrieveKept(c, port, b)
	}
	st.mu.Lock()
	if plain && !errors.Is(err, ErrPending) {
		st.rx.state = callIdle
	}
	seen := n
	var observers []*func(b []byte)
	if st.rx.direct == nil || st.rx.direct == c { // else the Receive of direct shows them
		seen, observers = st.unseen(n)
	}
	st.mu.Unlock()
	if n > seen {
		for _, f := range observers {
			(*f)(b.Bytes()[seen:n])
		}
	}
	return n, err
}

// unseen returns how many of the next n bytes that are received the observers
// have seen before, and the observers that must see the rest. st.mu is held.
func (st *callState) unseen(n int) (seen int, observers []*func(b []byte)) {
	seen = min(st.returned, n)
	st.returned -= seen
	return seen, st.observers
}

// retrieveKept is retrieve where bytes were given back or a receive was adopted.
func (st *callState) retrieveKept(c *Call, port Handle, b Buffer) (int, error) {
	st.mu.Lock()
	if len(st.unread) > 0 {
		n := copy(b.Bytes(), st.unread)
		st.unread = st.unread[n:]
		if st.rx.state == callKept {
			st.rx.state = callIdle
			st.mu.Unlock()
			return n, nil
		}
		st.mu.Unlock()
		st.cancel(c) // the bytes are there; the next receive reports an error
		return n, nil
	}
	if st.rx.state == callKept {
		st.rx.state = callIdle
		err := st.rx.overrun
		st.rx.overrun = nil
		st.mu.Unlock()
		if err != nil {
			return 0, err
		}
		// Another Call has received the bytes.
		return 0, &Error{Op: opRetrieve, Code: ErrInvalidParameter, Err: errors.New("no receive is posted")}
	}
	adopted := st.rx.state == callAdopted
	if adopted && st.rx.expired && !st.signalled() {
		st.leave()
		st.mu.Unlock()
		return 0, &Error{Op: opRetrieve, Code: ErrRequestTimeout, Err: os.ErrDeadlineExceeded}
	}
	st.mu.Unlock()
	n, err := c.API.RetrieveBuffer(port, b)
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case errors.Is(err, ErrPending):
		if adopted && st.rx.left != nil && st.rx.left.ev != st.rx.ev {
			st.passOn(st.rx.left)
		}
		return 0, err
	case !adopted:
		st.rx.state = callIdle
		return n, err
	}
	st.stopClock()
	st.rx.state = callIdle
	if st.rx.left != nil {
		st.finishLeft()
	}
	if !errors.Is(err, ErrRequestTimeout) {
		return n, err
	}
	return 0, st.repost(c, b, err)
}

func (st *callState) stopClock() {
	if st.rx.clock != nil {
		st.rx.clock.Stop()
		st.rx.clock = nil
	}
}

// setIdle ends the receive without a result, which a Receive that waits for it
// must notice. st.mu is held.
func (st *callState) setIdle() {
	st.rx.state, st.rx.dropped = callIdle, true
	if st.rx.copying != nil && st.rx.copying == st.rx.ev {
		st.rx.ev.Set()
	}
}

// cancel is Call.CancelReceive. It ends the receive with the API of the Call that
// has it; where that API forwards the cancel to the Call below it, the API of that
// one ends it.
func (st *callState) cancel(c *Call) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	target, below := c, st.rx.ending
	switch st.rx.state {
	case callIdle:
		if st.rx.direct == nil && !below {
			return nil
		}
		if !below {
			target = st.rx.direct
		}
	case callPosted:
		if _, ok := st.rx.owner.API.(ReceiveCanceler); ok && !below {
			target = st.rx.owner
		}
	default:
		st.leave()
		return nil
	}
	err := st.endReceive(target)
	switch {
	case err == nil && st.rx.state == callPosted:
		st.setIdle()
	case err == nil:
	case !errors.Is(err, errors.ErrUnsupported) || st.rx.state != callPosted || below && st.rx.owner != c:
		return err
	default:
		st.leave()
	}
	return nil
}

// endReceive cancels the receive that is pending with the API of c. st.mu is held,
// and released meanwhile.
func (st *callState) endReceive(c *Call) error {
	canceler, ok := c.API.(ReceiveCanceler)
	if !ok {
		return errNotHere
	}
	outer := st.rx.ending
	st.rx.ending = true
	st.mu.Unlock()
	err := canceler.CancelPosted(c.Port)
	st.mu.Lock()
	st.rx.ending = outer
	return err
}

// FreeBuffer is RasFreeBuffer; see API. A buffer that a cancelled receive or
// send left with the API is freed when the API has finished with it.
func (c *Call) FreeBuffer(b Buffer) error {
	st := c.shared()
	if !st.unusual.Load() {
		return c.API.FreeBuffer(b)
	}
	st.mu.Lock()
	if left := st.rx.left; left != nil && !left.freed && sameBuffer(left.buf, b) {
		left.freed = true
		st.mu.Unlock()
		return nil
	}
	for _, tx := range st.tx {
		if !tx.freed && sameBuffer(tx.buf, b) {
			tx.freed = true
			st.mu.Unlock()
			return nil
		}
	}
	st.mu.Unlock()
	return c.API.FreeBuffer(b)
}

// sameBuffer reports whether a and b are one buffer. An API may have buffers of a
// type that cannot be compared, such as a slice: those are the same if their memory
// is.
func sameBuffer(a, b Buffer) bool {
	if reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() {
		return a == b
	}
	if a == nil || b == nil {
		return false
	}
	x, y := a.Bytes(), b.Bytes()
	return len(x) > 0 && len(y) > 0 && &x[0] == &y[0]
}
