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
// it need not be held open, and our reads detect its last close.
func (p *Pair) open() error {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("no pseudo-terminal from /dev/ptmx: %w", err)
	}
	f := os.NewFile(uintptr(fd), "/dev/ptmx")
	defer f.Close()
	tio, err := termios.Get(fd)
	if err != nil {
		return err
	}
	termios.MakeRaw(tio)
	if err := termios.Set(fd, tio); err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil { // unlock the other end
		return err
	}
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	p.Name = "/dev/pts/" + strconv.FormatUint(uint64(number), 10)
	p.Port, err = port.Stdio(f, f, &port.StdioConfig{Name: p.Name, Exclusive: true})
	return err
}

const noControllingTerminal = unix.O_NOCTTY
