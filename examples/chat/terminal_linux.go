package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminal is a terminal whose settings were changed.
type terminal struct {
	file *os.File
	old  *unix.Termios
}

// getTerminal notes the settings of a terminal.
func getTerminal(f *os.File) (*terminal, error) {
	t := &terminal{file: f}
	err := t.control(func(fd int) (err error) {
		t.old, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return t, err
}

// makeRaw lets every byte pass: nothing is echoed, edited, translated or
// stripped, breaks and bytes with parity errors are ignored. The rate, the
// format and the carrier's part stay as they are.
func (t *terminal) makeRaw() error {
	raw := *t.old
	raw.Iflag = unix.IGNBRK | unix.IGNPAR
	raw.Oflag = 0
	raw.Lflag = 0
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	return t.set(&raw)
}

// restore puts the settings back.
func (t *terminal) restore() error { return t.set(t.old) }

func (t *terminal) set(tio *unix.Termios) error {
	return t.control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, tio) })
}

func (t *terminal) control(f func(fd int) error) error {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = f(int(fd)) })
	if cerr != nil {
		return cerr
	}
	return err
}
