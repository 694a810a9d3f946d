package port

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Some ioctls block and cannot be asked to stop. What ends them is a signal:
// SIGURG, which the Go runtime handles for itself and which harms nobody.

// signalAgain is the pause before a signal is sent again that came too early.
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
	fd       int // its descriptor, which nobody else uses
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
		s.sleep(call, report)
	}()
	<-started
	return s
}

func (s *sleeper) sleep(call func(fd int) error, report func(error)) {
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
}

// stop ends the thread and returns when it is gone. First the null device takes
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
