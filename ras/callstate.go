package ras

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/handles"
	"github.com/rasline/rasline/internal/mask"
)

// callState is what all Calls of one run share.
//
// Locks: mu guards all fields but masker, which has its own lock. It is not
// held during calls of an API, since a decorator may call back. unusual is
// changed under mu and read without.
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
	unusual  atomic.Bool // the run has ended, or a receive or sends are left; see noteLeft

	values    map[any]any
	observers []*func(b []byte) // replaced, never changed
	returned  int               // bytes given back, which observers have seen
	returning *Call             // whose API is being given bytes back; nil: none
}

// settings are what a script sets for the connection.
type settings struct {
	params  *DialParams // nil: the Params of the Call
	addr    netip.Addr
	addrSet bool
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

// noteLeft notes a change of what is left with APIs or of ended, so that sends
// and frees take no lock to see that there is nothing. st.mu is held.
func (st *callState) noteLeft() {
	st.unusual.Store(st.ended || st.rx.left != nil || len(st.tx) > 0)
}

// End ends the run of the call: Unread and SendContext fail from now on. It
// waits at most five seconds for a send that a cancelled SendContext left with
// the callback. It returns the bytes that were given back and not received
// again, which the next user of the line must get first, and an error if the
// send did not end. The host that made the first Call of a run calls it after
// the script has returned, before it ends the API; scripts do not.
func (c *Call) End() (unread []byte, err error) {
	st := c.shared()
	st.mu.Lock()
	st.ended = true
	st.noteLeft()
	st.stopClock()
	st.setIdle()
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
