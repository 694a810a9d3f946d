package ras

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/handles"
	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/port"
)

// maxUnread is how many bytes may be given back at a time.
const maxUnread = 64 << 10

// callState is what all Calls of one run share.
//
// Locks: mu guards all fields but masker, which has its own lock. It is not
// held during calls of an API, since a decorator may call back.
type callState struct {
	masker mask.Masker
	slot   *handles.Slot // keeps the registration of the handle; nil if there is none

	mu       sync.Mutex
	unread   []byte // given back and not received again
	settings settings
	api      API // below all decorators as far as known: a Session, or the first that was used
	rx       callReceive
	tx       []*callSend // left with callbacks, in the order of their cancels
	ended    bool

	values    map[any]any
	observers []*func(b []byte) // replaced, never changed
	returned  int               // bytes given back, which observers have seen
}

// settings are what a script sets for the connection.
type settings struct {
	params  *DialParams // nil: the Params of the Call
	addr    netip.Addr
	addrSet bool
}

// callReceive is the receive of a run, as its Calls see it. The receive with the
// API, posted by the Call owner, is the same but for two cases: a receive that
// Unread's bytes complete never reaches the API, and one that was cancelled may
// stay there.
//
//	event           callIdle             callKept            callPosted           callAdopted
//	ReceiveBuffer   callKept (1),        616                 616                  616
//	                callAdopted (2) or
//	                callPosted
//	Unread          -                    -                   event set            event set
//	API signals     -                    -                   event set            event set
//	own limit       -                    -                   -                    event set
//	RetrieveBuffer  to the API           callIdle, bytes     callIdle (3)         callIdle (3)
//	CancelReceive   -                    callIdle            callIdle (4)         callIdle, left
//
// (1) If bytes were given back. (2) If a receive was left with the API and the
// API cannot cancel it. (3) Given-back bytes win, and the receive is then
// cancelled or left; ErrPending changes nothing. (4) If the API cannot cancel,
// the receive is left with it.
type callReceive struct {
	state    callRxState
	owner    *Call  // whose receive it is
	buf      Buffer // of that receive
	ev       *Event
	deadline time.Time // of callAdopted; zero: no limit
	expired  bool      // it has passed
	overrun  error     // of a left receive: the result of callKept without bytes
	clock    *time.Timer

	left *leftReceive // with the API, after a cancel
}

type callRxState uint8

const (
	callIdle    callRxState = iota
	callKept                // completed with bytes that were given back
	callPosted              // with the API
	callAdopted             // served by the receive that was left with the API
)

// leftReceive is a receive that was cancelled and could not be taken back.
type leftReceive struct {
	api     API
	port    Handle
	buf     Buffer
	ev      *Event
	freed   bool          // the script has freed buf
	watched bool          // a goroutine passes the event on
	done    chan struct{} // closed when the API has finished with the receive
}

// callSend is a send that a cancelled SendContext left with the callback.
type callSend struct {
	api   API
	buf   Buffer
	freed bool
	done  chan struct{} // closed when the callback has returned; nil: none
}

// shareState returns a state for the calls on the port of s.
func shareState(s *Session) *callState {
	st := &callState{slot: handles.Register(uintptr(s.handle)), api: s}
	st.slot.Value = st
	return st
}

// shared returns the state of the call's run, which is made at first use.
func (c *Call) shared() *callState {
	if st := c.state.Load(); st != nil {
		return st
	}
	st := c.findState()
	if !c.state.CompareAndSwap(nil, st) {
		st = c.state.Load()
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.api == nil {
		st.api = c.API
	}
	return st
}

func (c *Call) findState() *callState {
	switch api := c.API.(type) {
	case *Call:
		return api.shared()
	case *Session:
		return api.shared
	}
	slot := handles.Find(uintptr(c.Port))
	if slot == nil {
		return new(callState)
	}
	slot.Mutex.Lock()
	defer slot.Mutex.Unlock()
	if slot.Value == nil {
		slot.Value = &callState{slot: slot}
	}
	return slot.Value.(*callState)
}

func (c *Call) mask() *mask.Masker {
	st := c.shared()
	for _, p := range []*DialParams{c.Params, st.setting().params} {
		if p != nil {
			st.masker.Add(p.Password.Reveal())
		}
	}
	return &st.masker
}

func (st *callState) setting() settings {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.settings
}

func (st *callState) setParams(p *DialParams) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.settings.params = p
}

func (st *callState) setAddr(a netip.Addr) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.settings.addr, st.settings.addrSet = a, true
}

func (st *callState) line() port.Port {
	st.mu.Lock()
	api := st.api
	st.mu.Unlock()
	if l, ok := api.(PortHolder); ok {
		return l.Line()
	}
	return nil
}

// unreadBytes is Call.Unread. Bytes go to an API that takes them, so that its
// other users get them too, unless some are kept here that must follow them.
func (st *callState) unreadBytes(c *Call, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	st.mu.Lock()
	switch {
	case st.ended:
		st.mu.Unlock()
		return &Error{Op: opReturn, Code: ErrInvalidPortHandle, Err: errClosed}
	case len(st.unread)+len(b) > maxUnread:
		st.mu.Unlock()
		return &Error{Op: opReturn, Code: ErrBufferTooSmall, Err: errors.New("more than 64 KiB would wait to be received again")}
	}
	if r, ok := c.API.(Returner); ok && len(st.unread) == 0 {
		st.mu.Unlock()
		if err := r.ReturnBytes(c.Port, b); err != nil {
			return err
		}
		st.mu.Lock()
		st.returned += len(b)
		st.mu.Unlock()
		return nil
	}
	defer st.mu.Unlock()
	st.returned += len(b)
	st.unread = append(append(make([]byte, 0, len(b)+len(st.unread)), b...), st.unread...)
	if st.rx.state == callPosted || st.rx.state == callAdopted {
		st.rx.ev.Set()
	}
	return nil
}

// receive is Call.ReceiveBuffer. A Call whose API is a decorator reaches the
// Call below it while its own receive is being posted; the one below, which is
// not the owner, then passes everything on.
func (st *callState) receive(c *Call, port Handle, b Buffer, timeout time.Duration, ev *Event) error {
	st.mu.Lock()
	if st.rx.state != callIdle {
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
	st.rx.state = callPosted
	st.mu.Unlock()
	err := c.API.ReceiveBuffer(port, b, timeout, ev)
	if err != nil {
		st.mu.Lock()
		st.rx.state = callIdle
		st.mu.Unlock()
	}
	return err
}

// adopt makes the receive that was left with an API serve a new one, and returns
// true. It returns false if there is none any more: the API of c can cancel it,
// or its limit has passed. st.mu is held, and released meanwhile.
func (st *callState) adopt(c *Call, timeout time.Duration) bool {
	left := st.rx.left
	st.rx.state = callPosted
	if canceler, ok := c.API.(ReceiveCanceler); ok {
		st.mu.Unlock()
		err := canceler.CancelPosted(c.Port)
		st.mu.Lock()
		if err == nil {
			st.finishLeft()
			return false
		}
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
	} else {
		left.ev.C() // a waiter that reads itself would not see our limit
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
	close(left.done)
	if left.freed {
		st.mu.Unlock()
		left.api.FreeBuffer(left.buf)
		st.mu.Lock()
	}
}

// retrieve is Call.RetrieveBuffer.
func (st *callState) retrieve(c *Call, port Handle, b Buffer) (int, error) {
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
	seen := min(st.returned, n)
	st.returned -= seen
	observers := st.observers
	st.mu.Unlock()
	if n > seen {
		for _, f := range observers {
			(*f)(b.Bytes()[seen:n])
		}
	}
	return n, err
}

// retrieveKept is retrieve where bytes were given back or a receive was adopted.
func (st *callState) retrieveKept(c *Call, port Handle, b Buffer) (int, error) {
	st.mu.Lock()
	if len(st.unread) > 0 {
		n := copy(b.Bytes(), st.unread)
		st.unread = st.unread[n:]
		state := st.rx.state
		st.mu.Unlock()
		if state != callKept {
			if err := st.cancel(c); err != nil {
				return n, nil // the bytes are there; the next receive reports it
			}
			return n, nil
		}
		st.setIdle()
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

// leave leaves the receive with the API. st.mu is held.
func (st *callState) leave() {
	st.stopClock()
	if st.rx.state == callPosted {
		st.rx.left = &leftReceive{api: st.rx.owner.API, port: st.rx.owner.Port, buf: st.rx.buf, ev: st.rx.ev, done: make(chan struct{})}
	}
	st.rx.state = callIdle
}

func (st *callState) stopClock() {
	if st.rx.clock != nil {
		st.rx.clock.Stop()
		st.rx.clock = nil
	}
}

func (st *callState) setIdle() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.rx.state = callIdle
}

// cancel is Call.CancelReceive.
func (st *callState) cancel(c *Call) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.rx.state != callPosted {
		if st.rx.state != callIdle {
			st.leave()
		}
		return nil
	}
	canceler, ok := st.rx.owner.API.(ReceiveCanceler)
	if !ok {
		canceler, ok = c.API.(ReceiveCanceler)
	}
	if !ok {
		st.leave()
		return nil
	}
	st.mu.Unlock()
	err := canceler.CancelPosted(c.Port)
	st.mu.Lock()
	if err != nil {
		return err
	}
	st.rx.state = callIdle
	return nil
}

// free is Call.FreeBuffer.
func (st *callState) free(c *Call, b Buffer) error {
	st.mu.Lock()
	if left := st.rx.left; left != nil && left.buf == b && !left.freed {
		left.freed = true
		st.mu.Unlock()
		return nil
	}
	for _, tx := range st.tx {
		if tx.buf == b && !tx.freed {
			tx.freed = true
			st.mu.Unlock()
			return nil
		}
	}
	st.mu.Unlock()
	return c.API.FreeBuffer(b)
}

// send is Call.SendContext.
func (st *callState) send(ctx context.Context, c *Call, b Buffer, n int) error {
	if ctx.Err() != nil {
		return contextError(opSend, ctx)
	}
	if err := st.awaitSend(ctx); err != nil {
		return err
	}
	if s, ok := c.API.(ContextSender); ok {
		return s.SendBufferContext(ctx, c.Port, b, n)
	}
	if ctx.Done() == nil {
		return c.API.SendBuffer(c.Port, b, n)
	}
	result := make(chan error, 1)
	tx := &callSend{api: c.API, buf: b, done: make(chan struct{})}
	go func() {
		result <- c.API.SendBuffer(c.Port, b, n)
		st.sendReturned(tx)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	select {
	case err := <-result:
		return err
	default:
	}
	st.tx = append(st.tx, tx)
	return contextError(opSend, ctx)
}

// awaitSend waits for the sends that were left with callbacks.
func (st *callState) awaitSend(ctx context.Context) error {
	for {
		st.mu.Lock()
		ended := st.ended
		var done chan struct{}
		if len(st.tx) > 0 {
			done = st.tx[0].done
		}
		st.mu.Unlock()
		switch {
		case ended:
			return &Error{Op: opSend, Code: ErrInvalidPortHandle, Err: errClosed}
		case done == nil:
			return nil
		}
		select {
		case <-done:
		case <-ctx.Done():
			return contextError(opSend, ctx)
		}
	}
}

// sendReturned runs when the callback of a send has returned. If the send was
// left with it, the buffer is freed where the script has freed it meanwhile.
func (st *callState) sendReturned(tx *callSend) {
	st.mu.Lock()
	defer st.mu.Unlock()
	defer close(tx.done)
	if tx.freed {
		st.mu.Unlock()
		tx.api.FreeBuffer(tx.buf) // before End finds that nothing is left
		st.mu.Lock()
	}
	if i := slices.Index(st.tx, tx); i >= 0 {
		st.tx = slices.Delete(st.tx, i, i+1)
	}
}

// end is Call.End.
func (st *callState) end() (unread []byte, err error) {
	st.mu.Lock()
	st.ended = true
	st.stopClock()
	st.rx.state = callIdle
	unread, st.unread = bytes.Clone(st.unread), nil
	sends := slices.Clone(st.tx)
	if left := st.rx.left; left != nil {
		if canceler, ok := st.api.(ReceiveCanceler); ok {
			st.mu.Unlock()
			canceler.CancelPosted(left.port) // so that its buffer can be freed
			st.mu.Lock()
			st.finishLeft()
		} else {
			st.rx.left = nil
			close(left.done)
		}
	}
	st.mu.Unlock()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	for _, tx := range sends {
		select {
		case <-tx.done:
		case <-limit.C:
			return unread, &Error{Op: "end the call", Code: ErrPortOrDevice, Err: errors.New("a cancelled RasSendBuffer has not returned; its buffer is leaked")}
		}
	}
	return unread, nil
}

func (st *callState) value(key any) any {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.values[key]
}

func (st *callState) setValue(key, value any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.values == nil {
		st.values = make(map[any]any)
	}
	st.values[key] = value
}

// observe is Call.OnReceive.
func (st *callState) observe(f func(b []byte)) (stop func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.observers = append(st.observers[:len(st.observers):len(st.observers)], &f)
	return func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.observers = slices.DeleteFunc(slices.Clone(st.observers), func(o *func([]byte)) bool { return o == &f })
	}
}
