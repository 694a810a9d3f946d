package pty

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/port"
)

// open makes the pair of pty(7). The other end's settings can be changed from
// our side before a program opens it, and bytes can be written; both stay. So
// it need not be held open, and our reads see its last close.
func (p *Pair) open() error {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/ptmx gives no pseudo-terminal: %w", err)
	}
	f := os.NewFile(uintptr(fd), "/dev/ptmx")
	defer f.Close()
	number, err := unlock(fd)
	if err != nil {
		return err
	}
	p.Name = "/dev/pts/" + strconv.Itoa(number)
	p.Port, err = port.Stdio(f, f, &port.StdioConfig{Name: p.Name, Exclusive: true})
	return err
}

// unlock lets others open the other end, raw, and returns its number.
func unlock(fd int) (int, error) {
	tio, err := termios.Get(fd)
	if err != nil {
		return 0, err
	}
	termios.MakeRaw(tio)
	if err := termios.Set(fd, tio); err != nil {
		return 0, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return 0, err
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	return int(number), err
}

const noControllingTerminal = unix.O_NOCTTY
