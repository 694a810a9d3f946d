package termios

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/peertest"
)

// newTerminal returns the master of a pseudo-terminal, whose settings are those
// of both sides.
func newTerminal(t *testing.T) int {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fd int
	conn.Control(func(n uintptr) { fd = int(n) })
	return fd
}

// eachVersion runs f with both versions of the calls.
func eachVersion(t *testing.T, f func(t *testing.T, fd int)) {
	t.Helper()
	for _, first = range []bool{false, true} {
		name := "second"
		if first {
			name = "first"
		}
		t.Run(name+" version of the calls", func(t *testing.T) { f(t, newTerminal(t)) })
	}
	first = false
}

func TestSpeeds(t *testing.T) {
	eachVersion(t, func(t *testing.T, fd int) {
		for _, rate := range []int{50, 300, 9600, 57600, 115200, 230400} {
			trySpeed(t, fd, rate, true)
		}
	})
}

func TestFastAndUnusualSpeeds(t *testing.T) {
	peertest.Emulated(t, "it knows rates up to 460800, and those by name only")
	eachVersion(t, func(t *testing.T, fd int) {
		for rate, named := range map[int]bool{921600: true, 4000000: true, 31250: false, 74880: false} {
			trySpeed(t, fd, rate, named)
		}
	})
}

// trySpeed sets a rate, which has a name or not, and reads it back.
func trySpeed(t *testing.T, fd, rate int, named bool) {
	t.Helper()
	tio, err := Get(fd)
	if err != nil {
		t.Fatal(err)
	}
	SetSpeed(tio, rate)
	if got := tio.Cflag&unix.CBAUD != unix.BOTHER; got != named {
		t.Errorf("%d has a name: %v, want %v", rate, got, named)
	}
	err = Set(fd, tio)
	if first && tcgets2 != unix.TCGETS && !named {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v, want one that matches errors.ErrUnsupported", rate, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%d: %v", rate, err)
	}
	if got, err := Get(fd); err != nil || int(got.Ospeed) != rate || int(got.Ispeed) != rate {
		t.Errorf("%d: the rates are %d and %d (%v)", rate, got.Ospeed, got.Ispeed, err)
	}
	// The name is what programs see that do not know BOTHER.
	if old, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil || named && old.Cflag&unix.CBAUD != tio.Cflag&unix.CBAUD {
		t.Errorf("%d: the first version of the call reports rate %#x, want %#x (%v)",
			rate, old.Cflag&unix.CBAUD, tio.Cflag&unix.CBAUD, err)
	}
}

func TestMakeRaw(t *testing.T) {
	eachVersion(t, func(t *testing.T, fd int) {
		tio, err := Get(fd)
		if err != nil {
			t.Fatal(err)
		}
		before := *tio
		MakeRaw(tio)
		if err := Set(fd, tio); err != nil {
			t.Fatal(err)
		}
		got, err := Get(fd)
		if err != nil {
			t.Fatal(err)
		}
		if got.Iflag != 0 || got.Oflag&unix.OPOST != 0 || got.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || got.Cc[unix.VMIN] != 1 {
			t.Errorf("the terminal is not raw: %+v", got)
		}
		if got.Ospeed != before.Ospeed || got.Cflag&unix.CSIZE != before.Cflag&unix.CSIZE {
			t.Errorf("raw mode changed the rate or the format: %+v", got)
		}
	})
}

func TestNoTerminal(t *testing.T) {
	r, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	conn, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) { _, err = Get(int(fd)) })
	if err != unix.ENOTTY {
		t.Errorf("Get of a pipe: %v, want %v", err, unix.ENOTTY)
	}
}
