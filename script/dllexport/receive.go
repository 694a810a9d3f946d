package dllexport

import (
	"time"

	"github.com/rasline/rasline/ras"
)

// slack is how much later than the host's limit ours passes, and how much
// earlier the host's may, for clocks that tick in steps.
const slack = 100 * time.Millisecond

// receive is the one receive of a run, in the executor's view and in the
// host's. The two differ once our limit passes or the executor cancels, since a
// host cannot cancel a receive. The api's mutex guards it.
//
//	executor's receive   how it gets there
//	idle                 posted is false
//	open                 ReceiveBuffer: posted, not done
//	done                 the host signalled, bytes were kept, the limit passed
//	                     (expired) or the run ended; RetrieveBuffer makes it idle
//
//	host's receive       how it gets there
//	none                 atHost is false
//	at host              postAtHost; ReceiveBuffer continues with one that is there
//	signalled            the host has set its event; RetrieveBuffer calls it, and
//	                     PENDING makes it "at host" again, a timeout that is not
//	                     ours posts it again, anything else ends it
type receive struct {
	// What the executor posted.
	posted   bool
	done     bool // its event was set
	expired  bool // our limit passed
	ev       *ras.Event
	deadline time.Time // zero: no limit
	clock    *time.Timer
	number   int // counts posts, so that an old clock does nothing

	// What the host has.
	atHost    bool // posted and not retrieved
	signalled bool // its event was signalled
	buf       *buffer
	event     hostEvent // made once, at the first receive
}

// open reports whether the receive is posted and has no result yet.
func (r *receive) open() bool { return r.posted && !r.done }

// finish gives an open receive its result.
func (r *receive) finish() {
	if r.open() {
		r.done = true
		r.stopClock()
		r.ev.Set()
	}
}

func (r *receive) stopClock() {
	if r.clock != nil {
		r.clock.Stop()
		r.clock = nil
	}
}

// ReceiveBuffer implements ras.API.
func (a *api) ReceiveBuffer(port ras.Handle, b ras.Buffer, timeout time.Duration, ev *ras.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	own, err := a.check(opReceive, port, b)
	switch {
	case err != nil:
		return err
	case ev == nil:
		return failure(opReceive, ras.ErrInvalidHandle)
	case a.rx.open():
		return failure(opReceive, ras.ErrAsyncRequestPending)
	}
	ev.Reset()
	a.rx.ev, a.rx.done, a.rx.expired, a.rx.deadline = ev, false, false, time.Time{}
	if timeout > 0 {
		a.rx.deadline = time.Now().Add(timeout)
	}
	if a.ctx.Err() == nil && len(a.unread) == 0 {
		if err := a.postAtHost(own); err != nil {
			return err
		}
	}
	a.rx.posted = true
	a.rx.number++
	if len(a.unread) > 0 || a.rx.signalled || a.ctx.Err() != nil {
		a.rx.finish()
		return nil
	}
	a.startClock()
	return nil
}

// CancelPosted implements ras.ReceiveCanceler. The host, which cannot take a
// receive back, keeps it for the next.
func (a *api) CancelPosted(port ras.Handle) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || port != a.port {
		return failure(opReceive, ras.ErrInvalidPortHandle)
	}
	if a.rx.open() {
		a.rx.posted = false
		a.rx.stopClock()
	}
	return nil
}

// ReturnBytes implements ras.Returner.
func (a *api) ReturnBytes(port ras.Handle, b []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || port != a.port {
		return failure(opReceive, ras.ErrInvalidPortHandle)
	}
	if len(b) > 0 {
		a.unread = append(append(make([]byte, 0, len(b)+len(a.unread)), b...), a.unread...)
		a.rx.finish()
	}
	return nil
}

// postAtHost posts a receive with the host, unless it still has one.
func (a *api) postAtHost(b *buffer) error {
	if a.rx.atHost {
		return nil
	}
	if a.rx.event == nil {
		ev, err := a.host.newEvent()
		if err != nil {
			return &ras.Error{Op: opReceive, Code: ras.ErrNotEnoughMemory, Err: err}
		}
		a.rx.event = ev
	}
	limit := time.Duration(0) // the rest of it; 0: none
	if !a.rx.deadline.IsZero() {
		limit = max(time.Until(a.rx.deadline), time.Millisecond)
	}
	if code := a.host.receiveBuffer(b.mem[:len(b.data)], milliseconds(limit), a.rx.event); code != ras.Success {
		return failure(opReceive, code)
	}
	a.rx.atHost, a.rx.signalled, a.rx.buf = true, false, b
	a.wg.Go(a.await)
	return nil
}

// await waits until the host signals, or the run is over.
func (a *api) await() {
	if a.rx.event.wait(a.ctx) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rx.signalled = true
	a.rx.finish()
}

// startClock keeps the limit in case the host does not.
func (a *api) startClock() {
	a.rx.stopClock()
	if a.rx.deadline.IsZero() {
		return
	}
	number := a.rx.number
	a.rx.clock = time.AfterFunc(time.Until(a.rx.deadline)+slack, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.rx.number == number && a.rx.open() {
			a.rx.expired = true
			a.rx.finish()
		}
	})
}

// runEnded completes the open receive; what it finds is the end of the run.
func (a *api) runEnded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rx.finish()
}

// RetrieveBuffer implements ras.API.
func (a *api) RetrieveBuffer(port ras.Handle, b ras.Buffer) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	own, err := a.check(opRetrieve, port, b)
	if err == nil {
		err = a.ended(opRetrieve)
	}
	switch {
	case err != nil:
		return 0, err
	case a.rx.open():
		return 0, failure(opRetrieve, ras.ErrPending)
	case !a.rx.posted:
		return 0, failure(opRetrieve, ras.ErrInvalidParameter)
	case len(a.unread) > 0:
		a.rx.posted = false
		// The host had more than fitted into an earlier buffer.
		n := copy(own.data, a.unread)
		a.unread = a.unread[n:]
		return n, nil
	case a.rx.expired && !a.rx.signalled:
		a.rx.posted = false
		return 0, failure(opRetrieve, ras.ErrRequestTimeout)
	}
	return a.retrieveAtHost(own)
}

// retrieveAtHost retrieves the host's result.
func (a *api) retrieveAtHost(b *buffer) (int, error) {
	n, code := a.host.retrieveBuffer(b.mem[:len(b.data)])
	a.rx.signalled = false
	switch {
	case code == ras.ErrPending:
		a.wg.Go(a.await) // a stray signal
		return a.reopen()
	case code == ras.ErrRequestTimeout, code == ras.Success && n == 0:
		// Handle the limit of a receive at the host. It may be the limit of
		// an earlier receive that the host has continued; then the rest is posted.
		a.rx.atHost = false
		due := !a.rx.deadline.IsZero() && time.Until(a.rx.deadline) < slack
		if due || a.rx.expired {
			a.rx.posted = false
			return 0, failure(opRetrieve, ras.ErrRequestTimeout)
		}
		if err := a.postAtHost(b); err != nil {
			a.rx.posted = false
			return 0, err
		}
		return a.reopen()
	}
	a.rx.atHost, a.rx.posted = false, false
	if code != ras.Success {
		return 0, failure(opRetrieve, code)
	}
	n = min(n, uint32(len(b.mem)))
	a.unread = append(a.unread, b.mem[len(b.data):max(int(n), len(b.data))]...)
	return min(int(n), len(b.data)), nil
}

// reopen makes the receive wait again, for the rest of its limit.
func (a *api) reopen() (int, error) {
	a.rx.done = false
	a.startClock()
	return 0, failure(opRetrieve, ras.ErrPending)
}
