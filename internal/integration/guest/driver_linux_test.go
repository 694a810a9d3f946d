package guest

import (
	"errors"
	"io"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/port"
)

// TestDrainUSB drains adapters whose drivers know little about the transmitter:
// ftdi_sio answers TIOCSERGETLSR from its last status packet and may never
// report an empty one, cdc-acm does not know the call.
func TestDrainUSB(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	open(t, gadget, nil) // takes what is written to the cable's other end
	for _, name := range []string{adapterPort(t), acm} {
		s := open(t, name, mode(t, "9600,8N1,none"))
		for range 2 {
			must(t, s.SetWriteDeadline(time.Now().Add(patience)))
			_, err := s.Write([]byte("hello"))
			must(t, err)
			begin := time.Now()
			must(t, s.Drain(within(t, patience)))
			must(t, s.SetMode(port.Mode{Baud: 19200}))
			t.Logf("%s: drained, and the mode set, after %v", name, time.Since(begin))
		}
		if m, err := s.Mode(); err != nil || m.Baud != 19200 {
			t.Errorf("%s: mode %v, %v", name, m, err)
		}
		must(t, s.Close())
	}
}

// serialFlags returns the flags of struct serial_struct.
func serialFlags(t *testing.T, name string) uint32 {
	t.Helper()
	var info [128]uint32 // the fifth word is the flags
	d := rawOpen(t, name)
	defer d.close()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), unix.TIOCGSERIAL, uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		t.Fatalf("TIOCGSERIAL of %s: %v", name, errno)
	}
	return info[4]
}

// TestLowLatencyIsTakenBack checks the driver's flag while the port is open and
// after it.
func TestLowLatencyIsTakenBack(t *testing.T) {
	inGuest(t)
	const lowLatency = 1 << 13
	for _, name := range []string{uart, adapterPort(t)} {
		if serialFlags(t, name)&lowLatency != 0 {
			t.Fatalf("%s has a low latency already", name)
		}
		for _, keep := range []bool{false, true} {
			s := open(t, name, &port.Config{LowLatency: true, KeepSettings: keep})
			if serialFlags(t, name)&lowLatency == 0 {
				t.Errorf("%s: LowLatency did not set the flag", name)
			}
			must(t, s.Close())
			if got := serialFlags(t, name)&lowLatency != 0; got != keep {
				t.Errorf("%s: the flag is set after Close: %v; KeepSettings is %v", name, got, keep)
			}
		}
		d := rawOpen(t, name) // by hand, since a port leaves what it finds
		var info [128]uint32
		p := uintptr(unsafe.Pointer(&info))
		unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), unix.TIOCGSERIAL, p)
		info[4] &^= lowLatency
		unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), unix.TIOCSSERIAL, p)
		d.close()
	}
}

// TestRatesHaveTheirNames reads the rate as programs do that know no other than
// the standard ones. cdc-acm leaves the settings as they were asked for.
func TestRatesHaveTheirNames(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	for _, name := range []string{uart, adapterPort(t), acm} {
		s := open(t, name, nil)
		for baud, want := range map[int]uint32{9600: unix.B9600, 115200: unix.B115200} {
			must(t, s.SetMode(port.Mode{Baud: baud}))
			d := rawOpen(t, name)
			tio, err := unix.IoctlGetTermios(d.fd, unix.TCGETS)
			must(t, err)
			d.close()
			if got := tio.Cflag & unix.CBAUD; got != want {
				t.Errorf("%s at %d: the rate's name is %#x, want %#x", name, baud, got, want)
			}
		}
		must(t, s.Close())
	}
}

// TestSettingsArePutBack leaves a terminal as a getty would have it.
func TestSettingsArePutBack(t *testing.T) {
	inGuest(t)
	for _, name := range []string{uart, adapterPort(t)} {
		d := rawOpen(t, name) // keeps the device, and so its settings
		tio, err := termios.Get(d.fd)
		must(t, err)
		tio.Lflag |= unix.ICANON | unix.ECHO
		termios.SetSpeed(tio, 2400)
		must(t, termios.Set(d.fd, tio))
		before, err := termios.Get(d.fd)
		must(t, err)
		must(t, open(t, name, mode(t, "115200,7E2,rtscts")).Close())
		after, err := termios.Get(d.fd)
		must(t, err)
		if *after != *before {
			t.Errorf("%s: settings %+v, want %+v as before", name, after, before)
		}
		tio.Lflag &^= unix.ICANON | unix.ECHO
		must(t, termios.Set(d.fd, tio))
		d.close()
	}
}

// TestMarks reports a break in its place in the stream.
func TestMarks(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	near, far := open(t, acm, &port.Config{Marks: true}), open(t, gadget, nil)
	sweep(t, near, far)
	sweep(t, far, near)
	say(t, far, "a\xff\x00")
	must(t, near.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 3)
	if _, err := io.ReadFull(near, got); err != nil || string(got) != "a\xff\x00" {
		t.Fatalf("read %q, %v", got, err)
	}
	must(t, far.SendBreak(t.Context(), 20*time.Millisecond))
	if n, err := near.Read(got); n != 0 || !errors.Is(err, port.ErrBreak) {
		t.Fatalf("read during a break: %d, %v; want %v", n, err, port.ErrBreak)
	}
	say(t, far, "b")
	if n, err := near.Read(got); err != nil || string(got[:n]) != "b" {
		t.Errorf("read after a break: %q, %v; want b", got[:n], err)
	}
}

// TestSetBreak sees the break in the UART's register.
func TestSetBreak(t *testing.T) {
	inGuest(t)
	breaking := func() bool { return register(t, uart, lineControl)&lcrBreak != 0 }
	s := open(t, uart, nil)
	for _, on := range []bool{true, true, false, false, true} {
		must(t, s.SetBreak(on))
		if breaking() != on {
			t.Errorf("after SetBreak(%v) the line is in a break: %v", on, !on)
		}
	}
	must(t, s.Close())
	if breaking() {
		t.Error("the line is in a break after Close")
	}
}

// TestDetachUART gives a line away: it stays up, and others can open it by name.
func TestDetachUART(t *testing.T) {
	inGuest(t)
	near, far := openPair(t, "115200,8N1,none")
	say(t, far, "early")
	eventually(t, "five bytes", func() bool { in, _, err := near.Queued(); return err == nil && in == 5 })
	f, err := near.Detach()
	must(t, err)
	defer f.Close()
	if got := register(t, uart, modemControl) & (mcrDTR | mcrRTS); got != mcrDTR|mcrRTS {
		t.Errorf("DTR and RTS are %#x after Detach, want both", got)
	}
	d := rawOpen(t, uart)
	exclusive, err := unix.IoctlGetUint32(d.fd, unix.TIOCGEXCL)
	if err != nil || exclusive != 0 {
		t.Errorf("the line is exclusive after Detach: %d, %v", exclusive, err)
	}
	d.close()
	must(t, f.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 5)
	if _, err := io.ReadFull(f, got); err != nil || string(got) != "early" {
		t.Errorf("read %q, %v", got, err)
	}
}
