package port_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/port"
)

// onTerminal runs f on a descriptor of its own of the terminal, as another
// program would.
func onTerminal(t *testing.T, name string, f func(fd int) error) {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := f(fd); err != nil {
		t.Fatal(err)
	}
}

// keepOpen keeps the terminal open, so that its settings outlive each user.
func keepOpen(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
}

func settings(t *testing.T, name string) (tio *unix.Termios) {
	t.Helper()
	onTerminal(t, name, func(fd int) (err error) { tio, err = termios.Get(fd); return err })
	return tio
}

func change(t *testing.T, name string, f func(*unix.Termios)) {
	t.Helper()
	onTerminal(t, name, func(fd int) error {
		tio, err := termios.Get(fd)
		if err != nil {
			return err
		}
		f(tio)
		return termios.Set(fd, tio)
	})
}

// cook makes a terminal one that a user types at.
func cook(tio *unix.Termios) {
	tio.Iflag |= unix.ICRNL | unix.IXON
	tio.Oflag |= unix.OPOST | unix.ONLCR
	tio.Lflag |= unix.ECHO | unix.ICANON | unix.ISIG | unix.IEXTEN
	tio.Cflag &^= unix.CLOCAL
}

func TestCloseRestoresTheSettings(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPTY(t)
		keepOpen(t, p.Name)
		change(t, p.Name, cook)
		before := settings(t, p.Name)
		s := openSerial(t, p.Name, &port.Config{Mode: port.Mode{Baud: 9600, Flow: port.FlowRTSCTS}, KeepSettings: keep})
		if now := settings(t, p.Name); now.Lflag&unix.ICANON != 0 || now.Ospeed != 9600 {
			t.Fatalf("the terminal is not raw at 9600 while it is open: %+v", now)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		after := settings(t, p.Name)
		if keep == (*after == *before) {
			t.Errorf("KeepSettings %v: settings before %+v, after %+v", keep, before, after)
		}
	}
}

func TestFailedOpenRestoresTheSettings(t *testing.T) {
	p := newPTY(t)
	keepOpen(t, p.Name)
	change(t, p.Name, cook)
	before := settings(t, p.Name)
	_, err := port.Open(t.Context(), p.Name, &port.Config{Mode: port.Mode{Baud: 9600, Parity: port.ParityEven}})
	wantOp(t, err, "open", errors.ErrUnsupported) // a pseudo-terminal has no parity
	if after := settings(t, p.Name); *after != *before {
		t.Errorf("settings before %+v, after %+v", before, after)
	}
}

// TestStandardRatesHaveTheirNames: stty and every program that does not know
// BOTHER read the rate from the name.
func TestStandardRatesHaveTheirNames(t *testing.T) {
	_, s := newPair(t, &port.Config{Mode: port.Mode{Baud: 9600}})
	for baud, name := range map[int]uint32{9600: unix.B9600, 115200: unix.B115200, 300: unix.B300} {
		if err := s.SetMode(port.Mode{Baud: baud}); err != nil {
			t.Fatal(err)
		}
		onTerminal(t, s.Name(), func(fd int) error {
			tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			if err == nil && tio.Cflag&unix.CBAUD != name {
				t.Errorf("%d is set as %#x, want %#x", baud, tio.Cflag&unix.CBAUD, name)
			}
			return err
		})
	}
	peertest.Emulated(t, "it knows named rates only")
	if err := s.SetMode(port.Mode{Baud: 31250}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Mode(); err != nil || m.Baud != 31250 {
		t.Errorf("mode %v, %v; want 31250", m, err)
	}
}

// TestHungUpLineGetsARate opens a terminal that was left at rate B0.
func TestHungUpLineGetsARate(t *testing.T) {
	p := newPTY(t)
	keepOpen(t, p.Name)
	change(t, p.Name, func(tio *unix.Termios) { termios.SetSpeed(tio, 0) })
	s := openSerial(t, p.Name, nil)
	if m, err := s.Mode(); err != nil || m.Baud != 9600 {
		t.Errorf("mode %v, %v; want 9600", m, err)
	}
}

// TestSuspendedOutputIsResumed: another program has stopped the output with
// tcflow(3), and keeps the device open.
func TestSuspendedOutputIsResumed(t *testing.T) {
	p := newPTY(t)
	keepOpen(t, p.Name)
	onTerminal(t, p.Name, func(fd int) error { return unix.IoctlSetInt(fd, unix.TCXONC, unix.TCOOFF) })
	s := openSerial(t, p.Name, nil)
	s.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9)
	p.Port.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := p.Port.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("the far end read %q, %v", buf[:n], err)
	}
}

// TestReadOfATerminalWithoutVMIN: "min 0 time 0" makes a read of nothing return
// no bytes, which is not the end of the line.
func TestReadOfATerminalWithoutVMIN(t *testing.T) {
	ports := map[string]func(t *testing.T, name string) *port.Serial{
		"Open": func(t *testing.T, name string) *port.Serial { return openSerial(t, name, nil) },
		"Stdio": func(t *testing.T, name string) *port.Serial {
			f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return newStdio(t, f, f, nil)
		},
	}
	for kind, open := range ports {
		t.Run(kind, func(t *testing.T) {
			p := newPTY(t)
			s := open(t, p.Name)
			change(t, p.Name, func(tio *unix.Termios) { tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 0, 0 })
			s.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			_, err := s.Read(make([]byte, 9))
			wantOp(t, err, "read", os.ErrDeadlineExceeded)
			s.SetReadDeadline(time.Time{})
			buf := make([]byte, 9)
			n := 0
			read := blocked(func() (err error) { n, err = s.Read(buf); return err })
			p.Port.Write([]byte("login: "))
			if err := wantSoon(t, read); err != nil || string(buf[:n]) != "login: " {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			read = blocked(func() error { _, err := s.Read(buf); return err })
			p.Close()
			wantOp(t, wantSoon(t, read), "read", port.ErrCarrierLost)
		})
	}
}

func TestReadWithoutVMINEndsWithClose(t *testing.T) {
	_, s := newPair(t, nil)
	change(t, s.Name(), func(tio *unix.Termios) { tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 0, 0 })
	read := blocked(func() error { _, err := s.Read(make([]byte, 9)); return err })
	s.Close()
	wantOp(t, wantSoon(t, read), "read", net.ErrClosed)
}

// TestDrainWithoutATransmitterState has a driver that answers TIOCSERGETLSR and
// never reports an empty transmitter.
func TestDrainWithoutATransmitterState(t *testing.T) {
	_, s := newPair(t, &port.Config{Mode: port.Mode{Baud: 115200}})
	asked := port.NeverEmpty(s)
	s.Write([]byte("x"))
	for i := range 2 {
		before := asked()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := s.Drain(ctx)
		cancel()
		if err != nil {
			t.Fatalf("drain %d: %v", i, err)
		}
		if again := asked() > before; again != (i == 0) {
			t.Errorf("drain %d asked the driver again: %v", i, again)
		}
	}
	if err := s.SetMode(port.Mode{Baud: 9600}); err != nil {
		t.Error(err)
	}
}

// TestSetModeObeysItsDeadlineInTheTransmitter has the last characters stay in
// the transmitter: at 50 bit/s they have a minute to leave.
func TestSetModeObeysItsDeadlineInTheTransmitter(t *testing.T) {
	_, s := newPair(t, &port.Config{Mode: port.Mode{Baud: 50}})
	port.NeverEmpty(s)
	set := func() <-chan error { return blocked(func() error { return s.SetMode(port.Mode{Baud: 300}) }) }
	s.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	wantOp(t, wantSoon(t, set()), "set mode", os.ErrDeadlineExceeded)

	s.SetWriteDeadline(time.Time{})
	result := set()
	s.SetWriteDeadline(time.Now().Add(-time.Second)) // while it waits
	wantOp(t, wantSoon(t, result), "set mode", os.ErrDeadlineExceeded)
	if m, err := s.Mode(); err != nil || m.Baud != 50 {
		t.Errorf("the mode is %v, %v; want it unchanged", m, err)
	}

	s.SetWriteDeadline(time.Time{})
	result = set()
	s.Close()
	wantOp(t, wantSoon(t, result), "set mode", net.ErrClosed)
}

func TestClosedPortRefusesToDoNothing(t *testing.T) {
	_, s := newPair(t, nil)
	s.Close()
	wantOp(t, s.SetMode(port.Mode{}), "set mode", net.ErrClosed)
	wantOp(t, s.Discard(0), "discard", net.ErrClosed)
}

// TestOpenOfOtherDevices opens character devices that answer a question about
// their settings in ways of their own.
func TestOpenOfOtherDevices(t *testing.T) {
	for _, name := range []string{"/dev/random", "/dev/kvm", "/dev/net/tun", "/dev/loop-control", "/dev/zero"} {
		if f, err := os.OpenFile(name, os.O_RDWR, 0); err != nil {
			t.Logf("%s cannot be tried: %v", name, err)
			continue
		} else {
			f.Close()
		}
		_, err := port.Open(t.Context(), name, nil)
		if !errors.Is(err, syscall.ENOTTY) || !strings.Contains(err.Error(), "no serial port") {
			t.Errorf("%s: %v, want no serial port", name, err)
		}
	}
}

func TestLockFileThatIsNoFile(t *testing.T) {
	p := newPTY(t)
	name := "LCK.." + strings.ReplaceAll(strings.TrimPrefix(p.Name, "/dev/"), "/", "_")
	for kind, make := range map[string]func(path string) error{
		"FIFO":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":      func(path string) error { return os.Symlink("elsewhere", path) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		_, err := port.Open(t.Context(), p.Name, &port.Config{LockDir: dir})
		if !errors.Is(err, port.ErrBusy) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("a %s in the way: %v", kind, err)
		}
	}
}

// TestRawModeThatCannotBeHad: the peer of the terminal is closed, so it
// refuses everything.
func TestRawModeThatCannotBeHad(t *testing.T) {
	p := newPTY(t)
	f, err := os.OpenFile(p.Name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p.Close()
	s, err := port.Stdio(f, f, &port.StdioConfig{Raw: true})
	if err == nil {
		s.Close()
		t.Fatal("no error")
	}
	if !strings.Contains(err.Error(), "raw") {
		t.Errorf("error %q does not say what failed", err)
	}
}

// TestControllingTerminal opens /dev/tty in a process whose terminal it is, and
// kills it: nothing may be left on the terminal.
func TestControllingTerminal(t *testing.T) {
	if os.Getenv("RASLINE_TEST_CTTY") != "" {
		s, err := port.Open(t.Context(), "/dev/tty", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendBreak(t.Context(), time.Millisecond); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a break on /dev/tty: %v", err)
		}
		os.Stdout.WriteString("open\n")
		select {}
	}
	p := newPTY(t)
	slave, err := os.OpenFile(p.Name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := peertest.Self(t.Context(), "-test.run=^TestControllingTerminal$")
	cmd.Env = append(os.Environ(), "RASLINE_TEST_CTTY=1")
	cmd.Stdin, cmd.Stdout = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	text := make([]byte, 5)
	p.Port.SetReadDeadline(time.Now().Add(20 * time.Second))
	for n := 0; n < len(text); {
		k, err := p.Port.Read(text[n:])
		if err != nil {
			t.Fatalf("read %q, %v", text[:n], err)
		}
		n += k
	}
	if string(text) != "open\n" {
		t.Fatalf("the process wrote %q", text)
	}
	cmd.Process.Kill()
	cmd.Wait()
	var exclusive uint32
	onTerminal(t, p.Name, func(fd int) (err error) {
		exclusive, err = unix.IoctlGetUint32(fd, unix.TIOCGEXCL)
		if errors.Is(err, unix.ENOSYS) {
			t.Skip("TIOCGEXCL is not known here")
		}
		return err
	})
	if exclusive != 0 {
		t.Error("the terminal is still exclusive after its program was killed")
	}
}
