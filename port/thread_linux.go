package port

import (
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

// controlConn runs f on the descriptor of conn, again as often as a signal
// interrupts it. Its error is passed through cause, unless cause is nil; a
// connection that is closed gives net.ErrClosed.
func controlConn(conn syscall.RawConn, f func(fd int) error, cause func(error) error) error {
	var err error
	if cerr := conn.Control(func(fd uintptr) {
		_, err = ignoringEINTR(func() (int, error) { return 0, f(int(fd)) })
	}); cerr != nil {
		return net.ErrClosed
	}
	if err != nil && cause != nil {
		return cause(err)
	}
	return err
}

// ignoringEINTR calls f again for as long as a signal interrupts it.
func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Some ioctls block and cannot be asked to stop. What ends them is a signal:
// SIGURG, which the Go runtime handles for itself and which has no other effect.

// signalAgain is the pause before a signal that was too early is sent again.
const signalAgain = 5 * time.Millisecond

// interruptible runs call, which blocks in one system call, on a thread of its
// own and disturbs it with signals once ctx is done, until it returns. The call
// must not be one that the kernel restarts after a signal.
func interruptible(ctx context.Context, call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	over := make(chan struct{})
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		for {
			unix.Tgkill(pid, tid, unix.SIGURG)
			select {
			case <-over:
				return
			case <-time.After(signalAgain):
			}
		}
	})
	err := call()
	close(over)
	if !stop() {
		<-ended
	}
	return err
}

// A sleeper is a thread that sits in a blocking call on a descriptor of its
// own, again and again.
type sleeper struct {
	fd       int // its descriptor, which nothing else uses
	null     int // takes the place of fd when it has to stop
	tid      int
	stopping atomic.Bool
	over     chan struct{} // closed when the thread is out of the call for good
}

// startSleeper starts a thread that calls call on fd and reports what it
// returns, until that is an error other than EINTR. It owns fd. It returns nil,
// and fd is closed, if there is no second descriptor to be had.
func startSleeper(fd int, call func(fd int) error, report func(error)) *sleeper {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(fd)
		return nil
	}
	s := &sleeper{fd: fd, null: null, over: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		defer close(s.over)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s.tid = unix.Gettid()
		close(started)
		for !s.stopping.Load() {
			err := call(s.fd)
			if err == unix.EINTR {
				continue
			}
			if s.stopping.Load() {
				return
			}
			report(err)
			if err != nil {
				return
			}
		}
	}()
	<-started
	return s
}

// stop ends the thread and returns when it has ended. First the null device takes
// the descriptor's number, then a signal gets the thread out of the call on the
// old file; the runtime's handler asks the kernel to restart the call
// (SA_RESTART), and the restarted one finds the null device, which does not
// know it. A thread on its way into the call finds the same. Call it once.
func (s *sleeper) stop() {
	s.stopping.Store(true)
	ignoringEINTR(func() (int, error) { return 0, unix.Dup3(s.null, s.fd, unix.O_CLOEXEC) })
	for pid, out := os.Getpid(), false; !out; {
		unix.Tgkill(pid, s.tid, unix.SIGURG)
		select {
		case <-s.over:
			out = true
		case <-time.After(signalAgain):
		}
	}
	unix.Close(s.fd)
	unix.Close(s.null)
}

// lineWatch is the thread that sits in TIOCMIWAIT while at least one goroutine
// waits for the lines of a port. Waiters without a thread that reports poll.
//
//	event                       no thread          reporting         dead
//	join                        a thread starts    -                 -
//	TIOCMIWAIT returns          -                  wake all          -
//	TIOCMIWAIT fails            -                  dead, wake all    -
//	the last leaves, or halt    -                  no thread         no thread
//
// Once TIOCMIWAIT has been refused, join starts no thread any more.
type lineWatch struct {
	mu      sync.Mutex // guards what follows
	waiters []chan struct{}
	thread  *sleeper
	wait    func(fd int) error // waitForModem, but for tests
	dead    bool               // the thread got an error: there is nothing to expect from it
	refused bool               // the driver does not know TIOCMIWAIT: never start one again
}

func waitForModem(fd int) error {
	return unix.IoctlSetInt(fd, unix.TIOCMIWAIT, unix.TIOCM_CTS|unix.TIOCM_DSR|unix.TIOCM_CD|unix.TIOCM_RI)
}

// join adds a waiter and starts the thread for the first one, on the descriptor
// that dup makes for it. If it cannot be started the waiters poll.
func (w *lineWatch) join(wake chan struct{}, dup func() (int, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters = append(w.waiters, wake)
	if w.thread != nil || w.refused {
		return
	}
	if fd, err := dup(); err == nil {
		w.dead = false
		w.thread = startSleeper(fd, w.wait, w.report)
	}
}

// report wakes all waiters; the thread calls it after each TIOCMIWAIT.
func (w *lineWatch) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = err != nil
	w.refused = w.refused || err != nil && termios.Refused(err)
	for _, c := range w.waiters {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (w *lineWatch) reporting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.thread != nil && !w.dead
}

// leave removes a waiter and stops the thread after the last one.
func (w *lineWatch) leave(wake chan struct{}) {
	w.mu.Lock()
	w.waiters = slices.DeleteFunc(w.waiters, func(c chan struct{}) bool { return c == wake })
	w.stopAndUnlock(len(w.waiters) == 0)
}

// halt stops the thread if there is one.
func (w *lineWatch) halt() {
	w.mu.Lock()
	w.stopAndUnlock(true)
}

// stopAndUnlock waits for the thread without the lock, which report takes.
func (w *lineWatch) stopAndUnlock(stop bool) {
	s := w.thread
	if stop {
		w.thread = nil
	}
	w.mu.Unlock()
	if stop && s != nil {
		s.stop()
	}
}
