package dll

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/rasline/rasline/ras"
)

// signal is where the end of one receive is told: an event of the DLL, or the
// pipe to the process that has it. Exactly one of its methods is called, once.
type signal interface {
	set()  // the receive has a result
	drop() // the run is over, or the receive was not posted
}

// relay passes the event of the receive that is posted on to its signal. One
// receive is posted at a time. At most one goroutine waits, and stop ends it.
type relay struct {
	ctx   context.Context // of the run
	undo  func()          // takes back the receive that is posted
	event *ras.Event
	over  atomic.Bool // the DLL has returned: signals are dropped
	taken atomic.Bool // the receive posted last was retrieved

	mu   sync.Mutex    // one post at a time; guards idle
	idle chan struct{} // closed when nobody waits
}

// noWait is a context that has ended: Wait with it takes a token that is there
// and does not block.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// newRelay makes a relay for a run. When the run's context ends, undo takes back
// the receive that is posted then.
func newRelay(ctx context.Context, undo func()) *relay {
	r := &relay{ctx: ctx, undo: undo, event: ras.NewEvent(), idle: make(chan struct{})}
	close(r.idle)
	return r
}

// post makes a signal with prepare and posts a receive with post. If the
// receive has a result already, the signal is set before post returns.
func (r *relay) post(prepare func() (signal, error), post func(*ras.Event) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.free() {
		return failure(cbReceive, ras.ErrAsyncRequestPending)
	}
	to, err := prepare()
	if err != nil {
		return err
	}
	if r.ctx.Err() != nil {
		r.tell(to)
		return nil
	}
	r.event.Reset()
	if err := post(r.event); err != nil {
		to.drop()
		return err
	}
	r.taken.Store(false)
	if r.event.Wait(noWait) == nil {
		r.tell(to)
		return nil
	}
	r.idle = make(chan struct{})
	go r.wait(to, r.idle)
	return nil
}

// free reports whether a receive can be posted. One that was retrieved has its
// event set, and one of a run that is over is taken back, so that its waiter is
// about to leave; it must not find the event of the next one.
func (r *relay) free() bool {
	if r.taken.Load() || r.ctx.Err() != nil {
		<-r.idle
	}
	select {
	case <-r.idle:
		return true
	default:
		return false
	}
}

// settle waits until a run that is over has taken back its receive, so that the
// receive's buffer can be freed.
func (r *relay) settle() {
	if r.ctx.Err() == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	<-r.idle
}

// wait ends with the receive or with the run. A run that ends while the DLL
// still works, by a limit or a cancel, sets the signal: the DLL is to learn of
// it.
func (r *relay) wait(to signal, idle chan struct{}) {
	defer close(idle)
	if r.event.Wait(r.ctx) != nil {
		r.undo()
	}
	r.tell(to)
}

func (r *relay) tell(to signal) {
	if r.over.Load() {
		to.drop()
		return
	}
	to.set()
}

// retrieved notes the result of a RetrieveBuffer that reached the API.
func (r *relay) retrieved(err error) {
	if ras.CodeOf(err) != ras.ErrPending {
		r.taken.Store(true)
	}
}

// stop drops the signal of a receive that is still posted, once cancel has
// ended the run's context.
func (r *relay) stop(cancel context.CancelCauseFunc) {
	r.over.Store(true)
	cancel(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	<-r.idle
}
