package termios

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Get returns the settings of the terminal fd. Ispeed and Ospeed hold the bit
// rates in bits a second, or 0 if the kernel does not report a rate that has no
// name (see SetSpeed).
//
// Kernels before 2.6.20 and some emulators (qemu-user up to 7.2) know only the
// first version of the call, which has names for rates and no numbers.
func Get(fd int) (*unix.Termios, error) {
	req := uint(tcgets2)
	if first {
		req = unix.TCGETS
	}
	t, err := unix.IoctlGetTermios(fd, req)
	if err != nil && Refused(err) {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
	}
	if err != nil {
		return nil, err
	}
	if t.Ospeed == 0 { // the first version, but for PowerPC, has no such field
		t.Ospeed = rateOf(t.Cflag & unix.CBAUD)
		t.Ispeed = t.Ospeed
	}
	return t, nil
}

// Set changes the settings of the terminal fd to t without waiting for output.
// A bit rate that has no name is errors.ErrUnsupported where the kernel does not
// know the call for it.
func Set(fd int, t *unix.Termios) error {
	if !first {
		err := unix.IoctlSetTermios(fd, tcsets2, t)
		if err == nil || !Refused(err) {
			return err
		}
	}
	if t.Cflag&unix.CBAUD == unix.BOTHER && t.Ospeed != 0 {
		return fmt.Errorf("this kernel has no bit rate %d, only the standard ones: %w", t.Ospeed, errors.ErrUnsupported)
	}
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// first makes Get and Set use the first version of the calls; tests set it.
var first bool

// Refused reports whether a driver or the kernel answered that it does not know
// an ioctl.
func Refused(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) ||
		errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// MakeRaw turns off all that reads or changes the bytes, XON/XOFF included, and
// makes the driver ignore the carrier. The bit rate and the character format
// stay.
func MakeRaw(t *unix.Termios) {
	t.Iflag = 0
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag |= unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}

// SetSpeed sets both bit rates. A rate that termios(3) has a name for is set by
// it, since programs that do not know BOTHER read any other as 0.
func SetSpeed(t *unix.Termios, rate int) {
	t.Cflag &^= unix.CBAUD | unix.CBAUD<<unix.IBSHIFT
	t.Ospeed, t.Ispeed = uint32(rate), uint32(rate)
	for _, r := range rates {
		if int(r.rate) == rate {
			t.Cflag |= r.name
			return
		}
	}
	t.Cflag |= unix.BOTHER
}

// rateOf returns the rate with the given name, 0 for B0 and for BOTHER.
func rateOf(name uint32) uint32 {
	for _, r := range rates {
		if r.name == name {
			return r.rate
		}
	}
	return 0
}

// rates are the names of termios(3) that Linux has on every processor.
var rates = [...]struct{ name, rate uint32 }{
	{unix.B0, 0}, {unix.B50, 50}, {unix.B75, 75}, {unix.B110, 110}, {unix.B134, 134}, {unix.B150, 150}, {unix.B200, 200},
	{unix.B300, 300}, {unix.B600, 600}, {unix.B1200, 1200}, {unix.B1800, 1800}, {unix.B2400, 2400},
	{unix.B4800, 4800}, {unix.B9600, 9600}, {unix.B19200, 19200}, {unix.B38400, 38400}, {unix.B57600, 57600},
	{unix.B115200, 115200}, {unix.B230400, 230400}, {unix.B460800, 460800}, {unix.B500000, 500000},
	{unix.B576000, 576000}, {unix.B921600, 921600}, {unix.B1000000, 1000000}, {unix.B1152000, 1152000},
	{unix.B1500000, 1500000}, {unix.B2000000, 2000000}, {unix.B2500000, 2500000}, {unix.B3000000, 3000000},
	{unix.B3500000, 3500000}, {unix.B4000000, 4000000},
}
