//go:build linux || darwin || freebsd || openbsd

package console

import (
	"os"

	"golang.org/x/sys/unix"
)

// oneKeyAtATime lets a program read each key of a terminal when it is typed,
// without echo; Ctrl-C and Ctrl-\ still stop the program. Without keys it turns
// off the echo alone, for a line such as a password. The returned function restores
// the settings and discards what was typed and not read. The error is
// ENOTTY for a file that is no terminal.
func oneKeyAtATime(f *os.File, keys bool) (restore func(), err error) {
	var old *unix.Termios
	set := func(request uint, t *unix.Termios) error {
		return onDescriptor(f, func(fd int) error { return unix.IoctlSetTermios(fd, request, t) })
	}
	err = onDescriptor(f, func(fd int) (err error) {
		old, err = unix.IoctlGetTermios(fd, getSettings)
		return err
	})
	if err != nil {
		return nil, err
	}
	changed := *old
	changed.Lflag &^= unix.ECHO
	changed.Lflag |= unix.ECHONL
	if keys {
		changed.Lflag &^= unix.ICANON | unix.ECHONL | unix.IEXTEN
		changed.Iflag &^= unix.ICRNL | unix.INLCR | unix.IGNCR | unix.IXON | unix.ISTRIP
		changed.Cc[unix.VMIN], changed.Cc[unix.VTIME] = 1, 0
		changed.Cc[unix.VSUSP] = noKey // a stopped program would leave the terminal as it is
	}
	if err := set(setSettings, &changed); err != nil {
		return nil, err
	}
	return func() { set(setAndFlush, old) }, nil
}

func onDescriptor(f *os.File, do func(fd int) error) (err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := conn.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// columns returns the width of a terminal, or 0.
func columns(f *os.File) (n int) {
	onDescriptor(f, func(fd int) error {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			n = int(size.Col)
		}
		return err
	})
	return n
}
