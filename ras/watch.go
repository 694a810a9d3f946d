package ras

import "context"

// watch turns the end of a context into a call, once for each context and not
// once for each wait: a series of waits under one context registers one
// function and allocates nothing more. It belongs to the session's mutex.
type watch struct {
	ended  func(done <-chan struct{}) // what to call; set once
	done   <-chan struct{}            // of the context registered last
	stop   func() bool
	active bool // a wait under that context is running
}

// begin starts a wait under ctx. The caller holds the mutex and looks at
// ctx.Err after begin, for a context that ended before.
func (w *watch) begin(ctx context.Context) {
	w.active = true
	done := ctx.Done()
	if done == w.done {
		return
	}
	w.release()
	w.active, w.done = true, done
	if done != nil {
		w.stop = context.AfterFunc(ctx, func() { w.ended(done) })
	}
}

// on reports whether a wait runs under the context with the given channel.
func (w *watch) on(done <-chan struct{}) bool { return w.active && w.done == done }

// end ends a wait and keeps the registration for the next one.
func (w *watch) end() { w.active = false }

// release gives up the registration.
func (w *watch) release() {
	if w.stop != nil {
		w.stop()
	}
	w.done, w.stop, w.active = nil, nil, false
}
