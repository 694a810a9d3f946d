package port

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/internal/wait"
)

// lineFile is what a ttyPort reads and writes: an *os.File on the runtime's poller, or a
// sharedLine.
type lineFile interface {
	io.ReadWriteCloser
	syscall.Conn
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// openLine returns what reads and writes the line behind f.
//
// O_NONBLOCK, which the runtime's poller needs, belongs to the open file
// description, and f shares that with the program that started this one, with
// its children, and with other ports. If one of them clears the flag while a
// read is being made, that read blocks its thread and obeys neither deadline nor
// Close; shells do so when they take their terminal back. If this program is
// killed with the flag set, the shell has a terminal on which reads fail. So a
// terminal or pipe is opened anew, which gives a description of our own. What
// cannot be opened anew (sockets, masters of pseudo-terminals, terminals of
// another user, those that are in exclusive mode) is used as it is.
func openLine(f *os.File, exclusive bool) (l lineFile, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := conn.Control(func(fd uintptr) {
		if exclusive {
			l, err = newOwnLine(int(fd), f.Name())
			return
		}
		if l, err = reopen(int(fd), f.Name()); err == errNotReopened {
			l, err = newSharedLine(int(fd))
		}
	})
	return l, cmp.Or(cerr, err)
}

// ownLine is a line on an open file description that no other program has. It
// is non-blocking until Close.
type ownLine struct {
	*os.File
	block bool // the description was blocking
}

// minFD is the least number of a descriptor that is duplicated for longer: those
// of the standard files stay free for programs that close and open them.
const minFD = 3

func newOwnLine(from int, name string) (lineFile, error) {
	fd, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, minFD)
	if err != nil {
		return nil, err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &ownLine{os.NewFile(uintptr(fd), name), flags&unix.O_NONBLOCK == 0}, nil
}

func (l *ownLine) Close() error {
	if conn, err := l.SyscallConn(); err == nil && l.block {
		controlConn(conn, func(fd int) error { return unix.SetNonblock(fd, false) }, nil)
	}
	return l.File.Close()
}

// descriptors is where the system has the open files of a process; tests change
// it.
var descriptors = "/proc/self/fd"

// errNotReopened reports a file for which there is no description of our own.
var errNotReopened = errors.New("cannot be opened anew")

// reopen opens the terminal or pipe of fd once more, non-blocking.
func reopen(fd int, name string) (lineFile, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFSOCK, kind == unix.S_IFCHR && isMaster(uint64(st.Rdev)):
		return nil, errNotReopened
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}

	// A serial device raises DTR and RTS when it is opened, even if others have
	// it open.
	before, lerr := unix.IoctlGetUint32(fd, unix.TIOCMGET)
	own, err := ignoringEINTR(func() (int, error) {
		return unix.Open(fmt.Sprintf("%s/%d", descriptors, fd),
			flags&unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, errNotReopened
	}
	if low := (unix.TIOCM_DTR | unix.TIOCM_RTS) &^ int(before); lerr == nil && low != 0 {
		unix.IoctlSetPointerInt(own, unix.TIOCMBIC, low)
	}
	return os.NewFile(uintptr(own), name), nil
}

// isMaster reports whether rdev is a master of pseudo-terminals. Opening one
// anew makes another pair.
func isMaster(rdev uint64) bool {
	major, minor := unix.Major(rdev), unix.Minor(rdev)
	return major >= 128 && major <= 135 || major == 2 || major == 5 && minor == 2
}

// readsNothing reports whether a read of no bytes from fd is no end of file but
// what a terminal gives whose VMIN and VTIME are 0 when nothing has arrived.
func readsNothing(fd int) bool {
	tio, err := termios.Get(fd)
	return err == nil && tio.Lflag&unix.ICANON == 0 && tio.Cc[unix.VMIN] == 0
}

// sharedLine is a line on an open file description that other programs use too
// and whose O_NONBLOCK flag is therefore left alone, whatever it is.
//
// An epoll instance for each direction has the descriptor, and the runtime's
// poller has the epoll instances, which are ours alone. So waiting takes no
// thread and obeys deadlines. When the descriptor is ready, a socket is read or
// written with MSG_DONTWAIT. A terminal or pipe has no such call: there the read
// or write is made on a thread of its own with a descriptor of its own, because
// another program may have taken the bytes or the room in between; see call.
type sharedLine struct {
	fd     int
	socket bool
	in     lineSide
	out    lineSide

	// mu guards closed, and is held for reading by each use of fd, so that Close
	// does not free the number of a descriptor in use. call uses a duplicate and
	// holds mu only to make that: Close has to get past a call that blocks.
	mu     sync.RWMutex
	closed bool
	done   chan struct{} // closed by Close
}

// lineSide is where the calls of one kind wait.
type lineSide struct {
	ready *os.File      // an epoll instance that is readable when the line is ready
	by    wait.Deadline // the same as ready's
}

// writeShared is the most that is written in one call to a line without
// MSG_DONTWAIT: what a ready pipe or terminal usually has room for.
const writeShared = 256

func newSharedLine(fd int) (*sharedLine, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, minFD)
	if err != nil {
		return nil, err
	}
	s := &sharedLine{fd: dup, done: make(chan struct{})}
	_, err = unix.GetsockoptInt(dup, unix.SOL_SOCKET, unix.SO_TYPE)
	s.socket = err == nil
	err = errors.Join(s.in.open(dup, unix.EPOLLIN), s.out.open(dup, unix.EPOLLOUT))
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (d *lineSide) open(fd int, events uint32) error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events})
	if err == unix.EPERM {
		err = os.ErrNoDeadline // a regular file
	}
	if err == nil {
		err = unix.SetNonblock(ep, true)
	}
	if err != nil {
		unix.Close(ep)
		return err
	}
	d.ready = os.NewFile(uintptr(ep), "epoll")
	return nil
}

// do waits until try reports that it is done.
func (s *sharedLine) do(d *lineSide, try func() bool) error {
	conn, err := d.ready.SyscallConn()
	if err != nil {
		return os.ErrClosed
	}
	if err := conn.Read(func(uintptr) bool { return try() }); errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	} else if err != nil {
		return os.ErrClosed
	}
	return nil
}

func (s *sharedLine) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	werr := s.do(&s.in, func() bool {
		n, err = s.read(b)
		return err != unix.EAGAIN
	})
	if werr != nil {
		return 0, werr
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (s *sharedLine) read(b []byte) (n int, err error) {
	if !s.isReady(unix.POLLIN) {
		return 0, unix.EAGAIN
	}
	if s.socket {
		s.use(func(fd int) {
			n, err = ignoringEINTR(func() (int, error) {
				n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
				return n, err
			})
		})
		return n, err
	}
	n, err = s.call(&s.in, func(fd int) (int, error) { return unix.Read(fd, b) })
	if n == 0 && err == nil {
		s.use(func(fd int) {
			if readsNothing(fd) {
				err = unix.EAGAIN
			}
		})
	}
	return n, err
}

func (s *sharedLine) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		k := 0
		werr := s.do(&s.out, func() bool {
			k, err = s.write(b[n:])
			return err != unix.EAGAIN
		})
		n += max(k, 0)
		if werr != nil {
			return n, werr
		}
	}
	return n, err
}

func (s *sharedLine) write(b []byte) (n int, err error) {
	if !s.isReady(unix.POLLOUT) {
		return 0, unix.EAGAIN
	}
	if s.socket {
		s.use(func(fd int) {
			n, err = ignoringEINTR(func() (int, error) {
				return unix.SendmsgN(fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			})
		})
		return n, err
	}
	return s.call(&s.out, func(fd int) (int, error) { return unix.Write(fd, b[:min(len(b), writeShared)]) })
}

// isReady reports whether a read or write would not block, as far as that can be
// known beforehand.
func (s *sharedLine) isReady(event int16) (ready bool) {
	if !s.use(func(fd int) {
		p := []unix.PollFd{{Fd: int32(fd), Events: event}}
		n, err := ignoringEINTR(func() (int, error) { return unix.Poll(p, 0) })
		ready = err == nil && n > 0
	}) {
		return true // closed: the call fails
	}
	return ready
}

// use runs f unless the line is closed.
func (s *sharedLine) use(f func(fd int)) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false
	}
	f(s.fd)
	return true
}

// patienceOfCall is how long a call that should not block may take before it
// counts as blocked.
const patienceOfCall = 10 * time.Millisecond

// call makes a read or write that blocks only if another program has taken the
// bytes or the room since the line was ready. If it does block, the deadline or
// Close gets it out: a file that refuses it takes the place of its descriptor,
// and a signal makes the kernel return or restart the call (compare sleeper).
// The result is then unix.EAGAIN.
func (s *sharedLine) call(d *lineSide, f func(fd int) (int, error)) (n int, err error) {
	fd := -1
	err = os.ErrClosed
	s.use(func(from int) { fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, minFD) })
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-over:
			return
		case <-time.After(patienceOfCall):
		}
		for closed := false; !closed && !d.by.Passed(); {
			select {
			case <-over:
				return
			case <-s.done:
				closed = true
			case <-d.by.Done():
			}
		}
		if null, err := unix.Open(os.DevNull, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			ignoringEINTR(func() (int, error) { return 0, unix.Dup3(null, fd, unix.O_CLOEXEC) })
			unix.Close(null)
		}
		for {
			unix.Tgkill(pid, tid, unix.SIGURG)
			select {
			case <-over:
				return
			case <-time.After(signalAgain):
			}
		}
	}()
	n, err = ignoringEINTR(func() (int, error) { return f(fd) })
	close(over)
	<-watched
	if err == unix.EBADF {
		err = unix.EAGAIN
	}
	return n, err
}

func (s *sharedLine) SetReadDeadline(t time.Time) error { return s.in.setDeadline(t) }

func (s *sharedLine) SetWriteDeadline(t time.Time) error { return s.out.setDeadline(t) }

func (d *lineSide) setDeadline(t time.Time) error {
	d.by.Set(t)
	return d.ready.SetReadDeadline(t)
}

func (s *sharedLine) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return os.ErrClosed
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	for _, d := range []*lineSide{&s.in, &s.out} {
		if d.ready != nil {
			d.ready.Close()
		}
		d.by.Set(time.Time{})
	}
	return unix.Close(s.fd)
}

// SyscallConn returns the connection of the line. Its Read and Write wait as
// those of the line do.
func (s *sharedLine) SyscallConn() (syscall.RawConn, error) { return sharedConn{s}, nil }

type sharedConn struct{ s *sharedLine }

func (c sharedConn) Control(f func(fd uintptr)) error {
	if !c.s.use(func(fd int) { f(uintptr(fd)) }) {
		return os.ErrClosed
	}
	return nil
}

func (c sharedConn) Read(f func(fd uintptr) bool) error { return c.wait(&c.s.in, f) }

func (c sharedConn) Write(f func(fd uintptr) bool) error { return c.wait(&c.s.out, f) }

func (c sharedConn) wait(d *lineSide, f func(fd uintptr) bool) error {
	return c.s.do(d, func() (done bool) {
		return !c.s.use(func(fd int) { done = f(uintptr(fd)) }) || done
	})
}
