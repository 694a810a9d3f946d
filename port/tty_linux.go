package port

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ttyPort is the port of Linux: non-blocking descriptors on the runtime poller.
//
// Reading and writing take no lock but those inside os.File. What ends a port,
// Close or the loss of its carrier, sets its flag first and the file's
// deadlines to the past after it, and every setter of a deadline checks the
// flags after it; so a deadline set at the same time cannot revive the port.
//
//	event            open                 lost (carrier policy)        closing (Close)
//	Read             device               leftovers, ErrCarrierLost    net.ErrClosed
//	Write            device               ErrCarrierLost               net.ErrClosed
//	set a deadline   stored               stored, then past again      net.ErrClosed
//	carrier falls    lost                 -                            -
//	Close            closing              closing                      -
//	device hangs up  ErrCarrierLost, or ErrRemoved if the node goes before settled is set
//
// held and mute are independent of these.
type ttyPort struct {
	in, out lineFile        // the same for a device
	ctl     syscall.RawConn // of the terminal among them; nil if neither is one
	path    string          // of the device; "" for files that were open already
	node    nodeID          // what path led to at open
	pseudo  bool            // a pseudo-terminal, either side

	closing atomic.Bool
	lost    atomic.Bool // the carrier policy saw the carrier fall
	settled atomic.Bool // the device node had the time to go and stayed
	writeBy atomic.Int64

	life context.Context // ends with Close
	end  context.CancelFunc

	modeMu   sync.Mutex // makes read, change, write of termios one step
	statsMu  sync.Mutex // guards counts and total
	counts   icounter
	total    Stats
	breaking atomic.Int32 // breaks under way
	held     atomic.Bool  // one of them is SetBreak's
	marks    *marks       // nil unless Config.Marks
	flowXON  byte         // the characters of XON/XOFF
	flowXOFF byte
	lsr      func(fd int) (uint32, error) // lineStatus, but for tests
	mute     atomic.Bool                  // lsr is refused or never reports an empty transmitter
	watch    lineWatch
	carrier  *carrierWatch // nil without a policy

	closeTimeout time.Duration
	undo         []func() // run backwards by Close, before the files close
	lock         *lockFile
}

func newTTY(in, out lineFile) *ttyPort {
	t := &ttyPort{in: in, out: out, watch: lineWatch{wait: waitForModem}, lsr: lineStatus, flowXON: xon, flowXOFF: xoff}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

func (t *ttyPort) Read(b []byte) (int, error) {
	if t.marks != nil {
		return t.marks.read(b, t.read)
	}
	return t.read(b)
}

func (t *ttyPort) read(b []byte) (int, error) {
	n, err := t.in.Read(b)
	if err == io.EOF {
		n, err = t.readAgain(b)
	}
	if err == nil {
		return n, nil
	}
	if err = t.failed(err); err == ErrCarrierLost && t.lost.Load() {
		// A carrier that fell does not take the bytes with it that arrived
		// before: read them without waiting, whatever the deadline is.
		if conn, cerr := t.in.SyscallConn(); cerr == nil {
			left := 0
			conn.Control(func(fd uintptr) {
				left, _ = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b) })
			})
			if left > 0 {
				return left, nil
			}
		}
	}
	return n, err
}

// readAgain reads after a read of no bytes, which is the end of the line unless
// it belongs to a terminal on which another process has set VMIN and VTIME to 0: there
// it means that nothing has arrived yet. Scripts leave terminals like that, and
// the settings are not ours alone, so they stay and the poller does the waiting.
func (t *ttyPort) readAgain(b []byte) (n int, err error) {
	conn, cerr := t.in.SyscallConn()
	if cerr != nil || len(b) == 0 {
		return 0, io.EOF
	}
	if _, shared := t.in.(*sharedLine); shared {
		return 0, io.EOF // it has checked that
	}
	cerr = conn.Read(func(fd uintptr) bool {
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b) })
		if err == unix.EAGAIN {
			return false
		}
		if err != nil || n > 0 {
			return true
		}
		err = io.EOF
		return !readsNothing(int(fd))
	})
	if cerr != nil {
		err = os.ErrClosed // the poller's own error has no name
		if errors.Is(cerr, os.ErrDeadlineExceeded) {
			err = cerr
		}
	}
	return max(n, 0), err
}

func (t *ttyPort) Write(b []byte) (int, error) {
	n, err := t.out.Write(b)
	if err != nil {
		return n, t.failed(err)
	}
	return n, nil
}

func (t *ttyPort) SetDeadline(d time.Time) error {
	return cmp.Or(t.SetReadDeadline(d), t.SetWriteDeadline(d))
}

func (t *ttyPort) SetReadDeadline(d time.Time) error {
	err := t.in.SetReadDeadline(d)
	t.keepEnded()
	return t.afterClose(err)
}

func (t *ttyPort) SetWriteDeadline(d time.Time) error {
	setDeadlineIn(&t.writeBy, d)
	err := t.out.SetWriteDeadline(d)
	t.keepEnded()
	return t.afterClose(err)
}

func (t *ttyPort) afterClose(err error) error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	return err
}

// keepEnded frees reads and writes if the port has ended.
func (t *ttyPort) keepEnded() {
	if t.closing.Load() || t.lost.Load() {
		past := time.Unix(1, 0)
		t.in.SetReadDeadline(past)
		t.out.SetWriteDeadline(past)
	}
}

// bound returns a context that ends with ctx and with the port.
func (t *ttyPort) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// ended returns why a context made by bound is done.
func (t *ttyPort) ended(ctx context.Context) error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	return ctx.Err()
}

// control runs f on the descriptor of the terminal and returns the cause of its
// error.
func (t *ttyPort) control(f func(fd int) error) error {
	if t.ctl == nil {
		return errNoTerminal
	}
	return controlConn(t.ctl, f, t.failed)
}

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
