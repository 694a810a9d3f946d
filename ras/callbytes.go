package ras

import (
	"context"
	"errors"
	"time"
)

// Receive is GetBuffer, ReceiveBuffer, Event.Wait, RetrieveBuffer and FreeBuffer
// in one, on the port of the call: it waits until bytes have arrived, moves at
// most len(b) of them into b, which must not be empty, and returns their number,
// which is 0 with every error. A timeout of 0 or less is no limit; when it
// passes, the error matches ErrRequestTimeout. If ctx ends first the error is as
// ContextError makes it, the receive is cancelled as CancelReceive does it, and
// no byte is lost. Like RetrieveBuffer, it returns 0 without an error where an
// API completes a receive without bytes.
//
// An API that is a BytesReceiver gets the whole of it; any other sees the
// callbacks.
func (c *Call) Receive(ctx context.Context, b []byte, timeout time.Duration) (int, error) {
	st := c.shared()
	r, ok := c.API.(BytesReceiver)
	if !ok {
		return st.receiveCopy(ctx, c, b, timeout)
	}
	st.mu.Lock()
	if st.rx.state != callIdle || len(st.unread) > 0 || st.rx.left != nil || st.rx.direct == c {
		st.mu.Unlock()
		return st.receiveCopy(ctx, c, b, timeout)
	}
	outermost := st.rx.direct == nil
	if outermost {
		st.rx.direct = c
	}
	st.mu.Unlock()
	n, err := r.ReceiveBytes(ctx, c.Port, b, timeout)
	seen, again := n, err != nil && errors.Is(err, errors.ErrUnsupported)
	var observers []*func(b []byte)
	if outermost {
		st.mu.Lock()
		st.rx.direct = nil
		seen, observers = st.unseen(n)
		// Unread ends ReceiveBytes for bytes that its API could not take.
		again = again || len(st.unread) > 0 && errors.Is(err, ErrInvalidParameter)
		st.mu.Unlock()
	}
	if n > seen {
		for _, f := range observers {
			(*f)(b[seen:n])
		}
	}
	if again {
		return st.receiveCopy(ctx, c, b, timeout)
	}
	return n, err
}

// receiveCopy is receiveBytes by the callbacks.
func (st *callState) receiveCopy(ctx context.Context, c *Call, b []byte, timeout time.Duration) (int, error) {
	if len(b) == 0 {
		return 0, &Error{Op: opReceive, Code: ErrBufferTooSmall}
	}
	buf, err := c.GetBuffer(min(len(b), MaxBuffer))
	if err != nil {
		return 0, err
	}
	defer c.FreeBuffer(buf)
	ev, posted, err := st.postCopy(c, buf, timeout)
	defer st.endCopy(ev)
	if err != nil {
		return 0, err
	}
	for {
		if err := ev.Wait(ctx); err != nil {
			st.endCopy(ev)
			return 0, errors.Join(err, c.CancelReceive())
		}
		if posted && !st.has(ev) {
			return 0, &Error{Op: opRetrieve, Code: ErrInvalidParameter, Err: errors.New("the receive was cancelled")}
		}
		n, err := c.RetrieveBuffer(c.Port, buf)
		if errors.Is(err, ErrPending) {
			continue // the event was set without a result
		}
		got := buf.Bytes()[:n]
		if n = copy(b, got); n < len(got) {
			err = c.Unread(got[n:]) // the API has granted more than was requested
		}
		return n, err
	}
}

// postCopy posts the receive of receiveCopy. It reports whether it is the receive
// of the run, and not one that a decorator posts inside another.
func (st *callState) postCopy(c *Call, buf Buffer, timeout time.Duration) (ev *Event, posted bool, err error) {
	st.mu.Lock()
	ev, st.rx.event = st.rx.event, nil
	if ev == nil {
		ev = NewEvent()
	}
	st.mu.Unlock()
	err = c.ReceiveBuffer(c.Port, buf, timeout, ev)
	st.mu.Lock()
	defer st.mu.Unlock()
	if posted = err == nil && st.rx.ev == ev; posted {
		st.rx.copying = ev
		if st.rx.state == callIdle {
			ev.Set() // it was cancelled while it was posted
		}
	}
	return ev, posted, err
}

// endCopy ends what postCopy began. It may be called again.
func (st *callState) endCopy(ev *Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.rx.event = ev
	if st.rx.copying == ev {
		st.rx.copying = nil
	}
}

// has reports whether the receive that was posted with ev is still posted.
func (st *callState) has(ev *Event) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.rx.state != callIdle && st.rx.ev == ev
}
