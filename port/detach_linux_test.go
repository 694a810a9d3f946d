package port_test

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// TestDetach gives the line to another program while calls are blocked on the
// port.
func TestDetach(t *testing.T) {
	dir := t.TempDir()
	p := newPTY(t)
	s := openSerial(t, p.Name, &port.Config{LockDir: dir, Mode: port.Mode{Baud: 19200}})
	read := blocked(func() error { _, err := s.Read(make([]byte, 9)); return err })
	f, err := s.Detach()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantOp(t, wantSoon(t, read), "read", net.ErrClosed)
	for name, call := range map[string]func() error{
		"write":  func() error { _, err := s.Write([]byte("x")); return err },
		"close":  s.Close,
		"detach": func() error { _, err := s.Detach(); return err },
		"mode":   func() error { _, err := s.Mode(); return err },
	} {
		if err := call(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s of a detached port: %v, want %v", name, err, net.ErrClosed)
		}
	}
	if locks, _ := filepath.Glob(filepath.Join(dir, "*")); len(locks) != 0 {
		t.Errorf("the lock files %v are left", locks)
	}
	if _, err := port.Open(t.Context(), p.Name, nil); !errors.Is(err, port.ErrBusy) {
		t.Errorf("the detached line can be opened again: %v", err)
	}
	if tio := settings(t, p.Name); tio.Lflag&unix.ICANON != 0 || tio.Ospeed != 19200 {
		t.Errorf("the settings have changed: %+v", tio)
	}

	cmd := exec.Command("sh", "-c", "echo from the program; head -c 4")
	var out strings.Builder
	cmd.Stdin, cmd.Stdout = f, io.Writer(&out)
	p.Port.Write([]byte("ppp~"))
	if err := cmd.Run(); err != nil || out.String() != "from the program\nppp~" {
		t.Errorf("the program wrote %q, %v", out.String(), err)
	}
	f.Close()
	openSerial(t, p.Name, nil)
}

// TestDetachLosesNothing detaches while bytes arrive: what no read has delivered
// is read from the descriptor.
func TestDetachLosesNothing(t *testing.T) {
	for range 50 {
		far, s := newPair(t, nil)
		const text = "0123456789abcdef"
		got := make(chan string)
		go func() {
			var b strings.Builder
			one := make([]byte, 3)
			for {
				n, err := s.Read(one)
				b.Write(one[:n])
				if err != nil {
					got <- b.String()
					return
				}
			}
		}()
		sent := blocked(func() error {
			for i := range text {
				if _, err := far.Write([]byte(text[i : i+1])); err != nil {
					return err
				}
			}
			return nil
		})
		f, err := s.Detach()
		if err != nil {
			t.Fatal(err)
		}
		if err := wantSoon(t, sent); err != nil {
			t.Fatal(err)
		}
		first := <-got
		rest := make([]byte, len(text)-len(first))
		f.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(f, rest); err != nil || first+string(rest) != text {
			t.Fatalf("read %q, then %q (%v)", first, rest, err)
		}
		f.Close()
	}
}

func TestDetachOfTwoFiles(t *testing.T) {
	a, _ := stdioPair(t)
	s := a.(*port.Serial)
	if _, err := s.Detach(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("detach: %v, want errors.ErrUnsupported", err)
	}
	s.SetReadDeadline(time.Now())
	_, err := s.Read(make([]byte, 1))
	wantOp(t, err, "read", os.ErrDeadlineExceeded) // it lives on
}

func TestDetachOfStdio(t *testing.T) {
	eachStdio(t, func(t *testing.T, file *os.File, far io.ReadWriteCloser) {
		s := newStdio(t, file, file, nil)
		f, err := s.Detach()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		wantPassed(t, f, far, "in")
		wantPassed(t, far, f, "out")
	})
}

func TestQueued(t *testing.T) {
	far, s := newPair(t, nil)
	want := func(what string, p any, wantIn int) {
		t.Helper()
		limit := time.Now().Add(5 * time.Second)
		for {
			in, out, err := p.(port.QueueCounter).Queued()
			if err == nil && in == wantIn && out == 0 {
				return
			}
			if err != nil || time.Now().After(limit) {
				t.Fatalf("%s: %d in, %d out, %v; want %d in", what, in, out, err, wantIn)
			}
		}
	}
	want("nothing", s, 0)
	far.Write([]byte("hello"))
	want("five bytes", s, 5)
	s.Read(make([]byte, 2))
	want("three bytes", s, 3)
	s.Write([]byte("x"))
	want("the far end", far, 1)

	a, b := stdioPair(t)
	b.Write([]byte("pipe"))
	want("a pipe", a, 4)
	s.Close()
	_, _, err := s.Queued()
	wantOp(t, err, "queued", net.ErrClosed)
}

func TestSyscallConn(t *testing.T) {
	_, s := newPair(t, nil)
	conn, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number uint32
	cerr := conn.Control(func(fd uintptr) { number, err = unix.IoctlGetUint32(int(fd), unix.TIOCOUTQ) })
	if err != nil || cerr != nil {
		t.Errorf("TIOCOUTQ: %d, %v, %v", number, err, cerr)
	}
	s.Close()
	_, err = s.SyscallConn()
	wantOp(t, err, "syscall", net.ErrClosed)
}

func TestBreakOfAPseudoTerminal(t *testing.T) {
	_, s := newPair(t, nil)
	wantOp(t, s.SetBreak(true), "set break", errors.ErrUnsupported)
}

func TestFlowCharacters(t *testing.T) {
	far, s := newPair(t, &port.Config{XON: 'q', XOFF: 's', Mode: port.Mode{Flow: port.FlowXONXOFF}})
	far.Write([]byte("s"))
	far.Write([]byte("\x11\x13")) // data now
	got := make([]byte, 2)
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "\x11\x13" {
		t.Errorf("read %q, %v", got, err)
	}
	// The output is stopped until the other character arrives.
	s.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := s.Write([]byte("x"))
	wantOp(t, err, "write", os.ErrDeadlineExceeded)
	far.Write([]byte("q"))
	s.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, err := s.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

func TestMarksKeepEveryByte(t *testing.T) {
	far, s := newPair(t, &port.Config{Marks: true})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	far.Write(all)
	got := make([]byte, len(all))
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.ReadFull(s, got); err != nil || string(got) != string(all) {
		t.Errorf("read %d bytes %q, %v", n, got[:n], err)
	}
}

func TestRS485IsRefusedWhereThereIsNone(t *testing.T) {
	p := newPTY(t)
	_, err := port.Open(t.Context(), p.Name, &port.Config{RS485: &port.RS485{}})
	wantOp(t, err, "open", errors.ErrUnsupported)
	if !strings.Contains(err.Error(), "RS-485") {
		t.Errorf("error %q does not say what", err)
	}
}
