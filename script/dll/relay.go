package dll

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rasline/rasline/ras"
)

// relay forwards the event of the posted receive to the child. One receive is
// posted at a time. At most one goroutine waits; post starts it, and the receive's
// end, the end of the run or stop ends it.
//
//	event           idle            waiting                      retrieved (taken)
//	post            waiting         ErrAsyncRequestPending       waits for idle, then as idle
//	the receive     -               signalled, idle              signalled, idle
//	ctx ends        -               undone, signalled, idle      undone, signalled, idle
//	stop            over            over: undone, idle           over: idle
//
// Over: nothing is signalled any more.
type relay struct {
	ctx   context.Context // of the run
	undo  func()          // cancels the posted receive
	event *ras.Event
	over  atomic.Bool // the DLL has returned: nothing is signalled any more
	taken atomic.Bool // the receive posted last was retrieved

	mu   sync.Mutex    // one post at a time; guards idle
	idle chan struct{} // closed while no goroutine waits
}

// noWait is a context that has ended: Wait with it accepts an event that is set and
// does not block.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// post posts a receive with post. Its end is signalled once; if it has a result
// already, before post returns.
func (r *relay) post(to *pipeSignal, post func(*ras.Event) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A receive that was retrieved has its event set, and one of a run that is
	// over is cancelled, so that its waiter is about to end; it must not consume
	// the event of this one.
	if r.taken.Load() || r.ctx.Err() != nil {
		<-r.idle
	}
	select {
	case <-r.idle:
	default:
		return ras.ErrAsyncRequestPending
	}
	if r.ctx.Err() != nil {
		r.signal(to)
		return nil
	}
	r.event.Reset()
	if err := post(r.event); err != nil {
		return err
	}
	r.taken.Store(false)
	if r.event.Wait(noWait) == nil {
		r.signal(to)
		return nil
	}
	r.idle = make(chan struct{})
	go func(idle chan struct{}) {
		// This ends with the receive or with the run. A run that ends before the DLL
		// has returned, by a limit or a cancel, is signalled too.
		defer close(idle)
		if r.event.Wait(r.ctx) != nil {
			r.undo()
		}
		r.signal(to)
	}(r.idle)
	return nil
}

// awaitUndone waits until a run that is over has cancelled its receive, so that the
// receive's buffer can be freed.
func (r *relay) awaitUndone() {
	if r.ctx.Err() == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	<-r.idle
}

func (r *relay) signal(to *pipeSignal) {
	if !r.over.Load() {
		to.set()
	}
}

// stop ends the run's context with cancel and waits until a receive that is
// still posted was cancelled; it is not signalled.
func (r *relay) stop(cancel context.CancelCauseFunc) {
	r.over.Store(true)
	cancel(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	<-r.idle
}
