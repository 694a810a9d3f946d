package port

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/wait"
)

// overlapped is a handle for overlapped I/O and the deadlines of its transfers.
// All handles share one completion port and one goroutine that waits for it, so
// that a transfer under way takes no thread.
//
// What the port's owner does in each state, and what the calls do then:
//
//	event      open       lost (carrier policy)        closing (Close)   gone (handle closed)
//	transfer   waits      cancelled: ErrCarrierLost    net.ErrClosed     net.ErrClosed
//	use        runs       runs                         runs              does nothing
//	lose       lost       -                            -                 -
//	Close      closing    closing                      net.ErrClosed     net.ErrClosed
//	release    -          -                            gone              -
type overlapped struct {
	readBy  wait.Deadline
	writeBy wait.Deadline
	closing atomic.Bool
	lost    atomic.Bool     // the carrier fell
	life    context.Context // ends with Close
	end     context.CancelFunc
	fallen  chan struct{} // closed when the carrier falls

	transfers atomic.Int64 // under way

	mu     sync.RWMutex // guards what follows; held for reading by each use of the handle
	handle windows.Handle
	gone   bool
}

// transfer is one read or write. The system has pointers into it and into its
// buffer until it is completed; both are on the heap, where nothing moves.
type transfer struct {
	o    windows.Overlapped // first, so that its address is the transfer's
	done chan completion    // has room for one
}

type completion struct {
	n   int
	err error
}

// completions is the completion port of all handles.
var completions = sync.OnceValues(func() (windows.Handle, error) {
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 1)
	if err == nil {
		go complete(port)
	}
	return port, err
})

// pending keeps the transfers under way alive, for which only the system may have
// a pointer.
var pending sync.Map

// complete hands each completion to the call that waits for it, for as long as
// the program runs.
func complete(port windows.Handle) {
	for {
		var n uint32
		var key uintptr
		var o *windows.Overlapped
		err := windows.GetQueuedCompletionStatus(port, &n, &key, &o, windows.INFINITE)
		if o == nil {
			return // the port itself has failed
		}
		t := (*transfer)(unsafe.Pointer(o))
		pending.Delete(t)
		t.done <- completion{int(n), err}
	}
}

func (v *overlapped) init(h windows.Handle) error {
	port, err := completions()
	if err != nil {
		return err
	}
	if _, err := windows.CreateIoCompletionPort(h, port, 0, 0); err != nil {
		return err
	}
	v.handle, v.fallen = h, make(chan struct{})
	v.life, v.end = context.WithCancel(context.Background())
	return nil
}

// use runs f unless the handle is closed.
func (v *overlapped) use(f func(windows.Handle)) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.gone {
		return false
	}
	f(v.handle)
	return true
}

// lose frees all reads and writes for good.
func (v *overlapped) lose() {
	if v.lost.CompareAndSwap(false, true) {
		close(v.fallen)
	}
}

// take waits until no other call has the turn.
func (v *overlapped) take(turn chan struct{}, by *wait.Deadline) error {
	for {
		switch {
		case v.closing.Load():
			return net.ErrClosed
		case by.Passed() && !v.lost.Load():
			return os.ErrDeadlineExceeded
		}
		select {
		case turn <- struct{}{}:
			return nil
		case <-by.Done():
		case <-v.life.Done():
		}
	}
}

// transfer begins a read or write and waits for its end. When the deadline
// passes, with Close and when the carrier falls it is cancelled; n counts what
// was moved until then, and err is the cause if that is not all.
func (v *overlapped) transfer(by *wait.Deadline, begin func(windows.Handle, *windows.Overlapped) error) (n int, err error) {
	if v.closing.Load() {
		return 0, net.ErrClosed
	}
	if by.Passed() {
		return 0, os.ErrDeadlineExceeded
	}
	t := &transfer{done: make(chan completion, 1)}
	v.transfers.Add(1)
	defer v.transfers.Add(-1)
	pending.Store(t, true)
	err = net.ErrClosed
	v.use(func(h windows.Handle) { err = begin(h, &t.o) })
	if err != nil && err != windows.ERROR_IO_PENDING {
		pending.Delete(t)
		return 0, err
	}
	cause := error(nil)
	for cause == nil {
		select {
		case c := <-t.done:
			return c.n, c.err
		case <-by.Done():
			if by.Passed() {
				cause = os.ErrDeadlineExceeded
			}
		case <-v.life.Done():
			cause = net.ErrClosed
		case <-v.fallen:
			cause = ErrCarrierLost
		}
	}
	v.use(func(h windows.Handle) { windows.CancelIoEx(h, &t.o) })
	c := <-t.done
	if c.err == nil {
		return c.n, nil // it was quicker
	}
	if c.err != windows.ERROR_OPERATION_ABORTED {
		cause = c.err
	}
	return c.n, cause
}

// release closes the handle.
func (v *overlapped) release() error {
	v.end()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gone = true
	return windows.CloseHandle(v.handle)
}
