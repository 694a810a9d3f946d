package port

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

// rawDrain bounds the time that Close gives a terminal's output before it puts
// the settings back.
const rawDrain = 500 * time.Millisecond

// adopt makes a tty of in and out.
func adopt(in, out *os.File, cfg *StdioConfig) (device, error) {
	t := newTTY(nil, nil)
	var err error
	if t.in, err = t.adoptFile(in, cfg); err != nil {
		return nil, err
	}
	t.out = t.in
	if out != in {
		t.out, err = t.adoptFile(out, cfg)
	}
	if err != nil {
		t.out = t.in
		t.release()
		return nil, err
	}
	t.countFromHere()
	return t, nil
}

// adoptFile returns a line for the file f. What it changes is put back by
// t.undo.
func (t *tty) adoptFile(f *os.File, cfg *StdioConfig) (line, error) {
	l, err := openLine(f, cfg.Exclusive)
	if err != nil {
		return nil, err
	}
	if err := l.SetReadDeadline(time.Time{}); err != nil {
		l.Close()
		return nil, fmt.Errorf("%s is no line: use a terminal, a pipe or a socket: %w", f.Name(), err)
	}
	conn, err := l.SyscallConn()
	if err == nil {
		err = t.adoptTerminal(conn, cfg.Raw)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
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
func openLine(f *os.File, exclusive bool) (l line, err error) {
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

func newOwnLine(from int, name string) (line, error) {
	fd, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
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
		controlConn(conn, func(fd int) error { return unix.SetNonblock(fd, false) }, keep)
	}
	return l.File.Close()
}

// descriptors is where the system has the open files of a process; tests change
// it.
var descriptors = "/proc/self/fd"

// errNotReopened reports a file for which there is no description of our own.
var errNotReopened = errors.New("cannot be opened anew")

// reopen opens the terminal or pipe of fd once more, non-blocking.
func reopen(fd int, name string) (line, error) {
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

// adoptTerminal takes note of the first terminal among the files, and puts
// every one in raw mode if that is asked for.
func (t *tty) adoptTerminal(conn syscall.RawConn, raw bool) error {
	var old *unix.Termios
	var st unix.Stat_t
	pseudo := false
	err := controlConn(conn, func(fd int) (err error) {
		if old, err = termios.Get(fd); err == nil {
			err = unix.Fstat(fd, &st)
		}
		pseudo = isPseudo(fd, uint64(st.Rdev))
		return err
	}, keep)
	if err == unix.ENOTTY {
		return nil
	}
	if err == nil && t.ctl == nil {
		t.ctl, t.pseudo = conn, pseudo
	}
	if !raw {
		return nil
	}
	if err == nil {
		tio := *old
		termios.MakeRaw(&tio)
		err = controlConn(conn, func(fd int) error { return termios.Set(fd, &tio) }, keep)
	}
	if err != nil {
		return fmt.Errorf("the terminal cannot be put in raw mode: %w", err)
	}
	t.closeTimeout = rawDrain
	t.undo = append(t.undo, func() {
		controlConn(conn, func(fd int) error { return termios.Set(fd, old) }, keep)
	})
	return nil
}
