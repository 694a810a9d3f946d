package port

import (
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

// adopt makes a tty of duplicates of in and out.
func adopt(in, out *os.File, raw bool) (device, error) {
	t := newTTY(nil, nil)
	if err := t.adoptBoth(in, out, raw); err != nil {
		t.abandon()
		return nil, err
	}
	t.countFromHere()
	return t, nil
}

func (t *tty) adoptBoth(in, out *os.File, raw bool) (err error) {
	if t.in, err = t.adoptFile(in, raw); err != nil {
		return err
	}
	t.out = t.in
	if out != in {
		t.out, err = t.adoptFile(out, raw)
	}
	return err
}

// abandon is release for a tty that may lack its files.
func (t *tty) abandon() {
	if t.in == nil {
		return
	}
	if t.out == nil {
		t.out = t.in
	}
	t.release()
}

// adoptFile returns a duplicate of f on the poller. What it changes is put back
// by t.undo, on the duplicate, which shares it with f.
func (t *tty) adoptFile(f *os.File, raw bool) (*os.File, error) {
	dup, wasBlocking, err := duplicate(f)
	if err != nil {
		return nil, err
	}
	conn, err := dup.SyscallConn()
	if err != nil {
		return nil, err
	}
	block := func() {
		controlConn(conn, func(fd int) error { return unix.SetNonblock(fd, !wasBlocking) }, keep)
	}
	if err := dup.SetDeadline(time.Time{}); err != nil {
		block()
		dup.Close()
		return nil, fmt.Errorf("%s is no line: use a terminal, a pipe or a socket: %w", f.Name(), err)
	}
	t.undo = append(t.undo, block)
	if err := t.adoptTerminal(conn, raw); err != nil {
		dup.Close()
		return nil, err
	}
	return dup, nil
}

// duplicate makes a non-blocking descriptor for the same open file.
func duplicate(f *os.File) (dup *os.File, wasBlocking bool, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, false, err
	}
	cerr := conn.Control(func(from uintptr) {
		var fd, flags int
		if fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3); err != nil {
			return
		}
		if flags, err = unix.FcntlInt(from, unix.F_GETFL, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			unix.Close(fd)
			return
		}
		dup, wasBlocking = os.NewFile(uintptr(fd), f.Name()), flags&unix.O_NONBLOCK == 0
	})
	return dup, wasBlocking, errors.Join(cerr, err)
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
