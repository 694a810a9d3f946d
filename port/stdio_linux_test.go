package port_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
)

// openTerminal opens the peer of a pseudo-terminal the way a shell has its
// own: blocking.
func openTerminal(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { f.Close() })
	return f
}

// onFD runs f on the descriptor of file.
func onFD(t *testing.T, file *os.File, f func(fd int) error) {
	t.Helper()
	conn, err := file.SyscallConn()
	if err == nil {
		if cerr := conn.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func isNonblocking(t *testing.T, f *os.File) (on bool) {
	t.Helper()
	onFD(t, f, func(fd int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		on = flags&unix.O_NONBLOCK != 0
		return err
	})
	return on
}

func TestStdioPutsATerminalBack(t *testing.T) {
	p := newPTY(t)
	shell := openTerminal(t, p.Name)
	var before, during, after *unix.Termios
	get := func(tio **unix.Termios) {
		onFD(t, shell, func(fd int) (err error) { *tio, err = unix.IoctlGetTermios(fd, unix.TCGETS); return err })
	}
	get(&before)
	before.Lflag |= unix.ICANON | unix.ECHO
	before.Iflag |= unix.ICRNL
	onFD(t, shell, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) })
	get(&before)

	s := newStdio(t, shell, shell, &port.StdioConfig{Raw: true})
	get(&during)
	if during.Lflag&(unix.ICANON|unix.ECHO) != 0 || during.Iflag&unix.ICRNL != 0 {
		t.Errorf("the terminal is not raw: %+v", during)
	}
	if isNonblocking(t, shell) {
		t.Error("the shell's terminal is non-blocking")
	}
	p.Port.Write([]byte("a\rb"))
	got := make([]byte, 3)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "a\rb" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	get(&after)
	if *after != *before {
		t.Errorf("settings after Close %+v, want %+v", after, before)
	}
	if isNonblocking(t, shell) {
		t.Error("Close left the terminal non-blocking")
	}
}

func TestStdioWithTwoFilesOfOneTerminal(t *testing.T) {
	p := newPTY(t)
	in := openTerminal(t, p.Name)
	var out *os.File
	onFD(t, in, func(fd int) error {
		dup, err := unix.Dup(fd)
		out = os.NewFile(uintptr(dup), "stdout")
		return err
	})
	defer out.Close()
	s := newStdio(t, in, out, nil)
	if m, err := s.Mode(); err != nil || m.DataBits != 8 {
		t.Errorf("mode %v, %v", m, err)
	}
	if err := s.SetMode(port.Mode{Baud: 1200}); err != nil {
		t.Error(err)
	}
	if _, err := s.Lines(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("lines: %v", err)
	}
	s.Close()
	if isNonblocking(t, in) || isNonblocking(t, out) {
		t.Error("Close left a file non-blocking")
	}
}

func TestStdioReadsNotOneByteTooMany(t *testing.T) {
	in, far := newPipe(t)
	_, out := newPipe(t)
	s := newStdio(t, in, out, nil)
	far.WriteString("ours~theirs")
	got := make([]byte, 5)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "ours~" {
		t.Fatalf("read %q, %v", got, err)
	}
	s.Close()
	far.Close()
	if rest, err := io.ReadAll(in); err != nil || string(rest) != "theirs" {
		t.Errorf("the next reader of the file gets %q, %v; want theirs", rest, err)
	}
}

func TestStdioEnds(t *testing.T) {
	in, far := newPipe(t)
	other, out := newPipe(t)
	s := newStdio(t, in, out, nil)
	one := make([]byte, 1)
	s.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := s.Read(one)
	wantOp(t, err, "read", os.ErrDeadlineExceeded)
	s.SetReadDeadline(time.Time{})
	done := blocked(func() error { _, err := s.Read(one); return err })
	far.Close()
	wantOp(t, wantSoon(t, done), "read", port.ErrCarrierLost)
	other.Close()
	_, err = s.Write(one)
	wantOp(t, err, "write", port.ErrCarrierLost)
	for _, call := range []func() error{
		func() error { _, err := s.Mode(); return err },
		func() error { return s.SetMode(port.Mode{Baud: 300}) },
		func() error { return s.SendBreak(t.Context(), 0) },
		func() error { return s.Discard(port.Input) },
	} {
		if err := call(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("on a pipe: %v, want errors.ErrUnsupported", err)
		}
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain of a pipe: %v", err)
	}
	s.Close()
	_, err = s.Read(one)
	wantOp(t, err, "read", net.ErrClosed)
}

func TestStdioOverASocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "far")
	defer near.Close()
	defer far.Close()
	s := newStdio(t, near, near, &port.StdioConfig{Name: "inetd", Raw: true})
	if s.Name() != "inetd" {
		t.Errorf("name %q", s.Name())
	}
	if _, err := s.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "ping" {
		t.Errorf("far end read %q, %v", got, err)
	}
	s.Close()
	if isNonblocking(t, near) {
		t.Error("Close left the socket non-blocking")
	}
}

// stdioKinds are files of every kind that Stdio takes, and their far ends. Each
// is blocking, as a shell has it, and may be shared with other programs.
var stdioKinds = []struct {
	name string
	open func(t *testing.T) (f *os.File, far io.ReadWriteCloser)
}{
	{"terminal", func(t *testing.T) (*os.File, io.ReadWriteCloser) {
		p := newPTY(t)
		return openTerminal(t, p.Name), p.Port
	}},
	{"master of a pseudo-terminal", func(t *testing.T) (*os.File, io.ReadWriteCloser) {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "ptmx")
		t.Cleanup(func() { f.Close() })
		var number uint32
		onFD(t, f, func(fd int) (err error) {
			if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
				number, err = unix.IoctlGetUint32(fd, unix.TIOCGPTN)
			}
			return err
		})
		return f, openSerial(t, fmt.Sprintf("/dev/pts/%d", number), nil)
	}},
	{"socket", func(t *testing.T) (*os.File, io.ReadWriteCloser) {
		near, far := newSocketPair(t)
		return near, far
	}},
}

// eachStdio runs f on a file of every kind, opened anew and used as it is.
func eachStdio(t *testing.T, f func(t *testing.T, file *os.File, far io.ReadWriteCloser)) {
	t.Helper()
	each := func(t *testing.T) {
		for _, kind := range stdioKinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				file, far := kind.open(t)
				f(t, file, far)
			})
		}
	}
	t.Run("opened anew", each)
	port.WithoutReopening(func() { t.Run("not opened anew", each) })
}

// wantDeadline checks that a read from silence ends at its deadline.
func wantDeadline(t *testing.T, s *port.Serial) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	wantOp(t, wantSoon(t, blocked(func() error { _, err := s.Read(make([]byte, 9)); return err })), "read", os.ErrDeadlineExceeded)
	s.SetReadDeadline(time.Time{})
}

func wantPassed(t *testing.T, from io.Reader, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	n, err := 0, error(nil)
	wantSoon(t, blocked(func() error { n, err = io.ReadFull(from, got); return nil }))
	if err != nil || string(got) != text {
		t.Fatalf("read %q, %v; want %q", got[:n], err, text)
	}
}

// TestStdioIgnoresTheFlagOfOthers clears and sets O_NONBLOCK on the file as a
// shell does, before and during a read.
func TestStdioIgnoresTheFlagOfOthers(t *testing.T) {
	eachStdio(t, func(t *testing.T, f *os.File, far io.ReadWriteCloser) {
		s := newStdio(t, f, f, nil)
		if isNonblocking(t, f) {
			t.Error("Stdio made the file non-blocking")
		}
		for _, nonblock := range []bool{false, true, false} {
			onFD(t, f, func(fd int) error { return unix.SetNonblock(fd, nonblock) })
			wantDeadline(t, s)
			wantPassed(t, s, far, "in")
			wantPassed(t, far, s, "out")
			got := make([]byte, 9)
			read := blocked(func() error { _, err := s.Read(got); return err })
			onFD(t, f, func(fd int) error { return unix.SetNonblock(fd, !nonblock) })
			io.WriteString(far, "more")
			if err := wantSoon(t, read); err != nil {
				t.Fatal(err)
			}
			s.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // what is left of it
			io.ReadAll(s)
			wantDeadline(t, s)
			onFD(t, f, func(fd int) error { return unix.SetNonblock(fd, false) })
		}
		read := blocked(func() error { _, err := s.Read(make([]byte, 9)); return err })
		s.Close()
		wantOp(t, wantSoon(t, read), "read", net.ErrClosed)
		if isNonblocking(t, f) {
			t.Error("the file is non-blocking after Close")
		}
	})
}

// TestTwoStdioOfOneFile closes one of two ports on the same file.
func TestTwoStdioOfOneFile(t *testing.T) {
	eachStdio(t, func(t *testing.T, f *os.File, far io.ReadWriteCloser) {
		a, b := newStdio(t, f, f, nil), newStdio(t, f, f, nil)
		a.Close()
		wantDeadline(t, b)
		wantPassed(t, b, far, "still here")
		if err := wantSoon(t, blocked(b.Close)); err != nil {
			t.Error(err)
		}
		if isNonblocking(t, f) {
			t.Error("the file is non-blocking after both are closed")
		}
	})
}

// TestTwoReadersOfOneFile has two ports wait for the same bytes, which only one
// of them gets: the other one's deadline and Close still hold.
func TestTwoReadersOfOneFile(t *testing.T) {
	eachStdio(t, func(t *testing.T, f *os.File, far io.ReadWriteCloser) {
		a, b := newStdio(t, f, f, nil), newStdio(t, f, f, nil)
		for range 20 {
			results := make(chan error, 2)
			for _, s := range []*port.Serial{a, b} {
				s.SetReadDeadline(time.Time{})
				go func() { _, err := s.Read(make([]byte, 1)); results <- err }()
			}
			io.WriteString(far, "x")
			if err := wantSoon(t, results); err != nil {
				t.Fatalf("the first reader: %v", err)
			}
			a.SetReadDeadline(time.Now())
			b.SetReadDeadline(time.Now())
			if err := wantSoon(t, results); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the second reader: %v, want a timeout", err)
			}
		}
		results := make(chan error, 2)
		a.SetReadDeadline(time.Time{})
		b.SetReadDeadline(time.Time{})
		for _, s := range []*port.Serial{a, b} {
			go func() { _, err := s.Read(make([]byte, 1)); results <- err }()
		}
		io.WriteString(far, "x")
		if err := wantSoon(t, results); err != nil {
			t.Fatal(err)
		}
		a.Close()
		b.Close()
		wantOp(t, wantSoon(t, results), "read", net.ErrClosed)
	})
}

// TestStdioLeavesNothingBehind kills a program that uses our terminal as its
// standard input.
func TestStdioLeavesNothingBehind(t *testing.T) {
	if os.Getenv("RASLINE_TEST_STDIO") != "" {
		s, err := port.Stdio(os.Stdin, os.Stdout, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("open\n"))
		s.Read(make([]byte, 1))
		select {}
	}
	for _, sig := range []os.Signal{os.Kill, syscall.SIGQUIT, syscall.SIGABRT} {
		p := newPTY(t)
		shell := openTerminal(t, p.Name)
		cmd := peertest.Self(t.Context(), "-test.run=^TestStdioLeavesNothingBehind$")
		cmd.Env = append(os.Environ(), "RASLINE_TEST_STDIO=1")
		onFD(t, shell, func(fd int) error { return unix.SetNonblock(fd, false) })
		cmd.Stdin, cmd.Stdout = shell, shell
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		p.Port.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(p.Port, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		cmd.Process.Signal(sig)
		cmd.Wait()
		if isNonblocking(t, shell) {
			t.Errorf("after %v the shell's terminal is non-blocking", sig)
		}
	}
}

func TestStdioRefuses(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w := newPipe(t)
	closed, _ := newPipe(t)
	closed.Close()
	tests := []struct {
		name    string
		in, out *os.File
		says    string
	}{
		{"a regular file as input", file, w, "use a terminal"},
		{"a regular file as output", r, file, "use a terminal"},
		{"no file", nil, w, "missing"},
		{"a closed file", closed, w, "closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := port.Stdio(tt.in, tt.out, nil)
			wantOp(t, err, "open", err)
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
}

func TestRefusedStdioLeavesTheOtherFileAlone(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	defer r.Close()
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := port.Stdio(r, null, nil); !errors.Is(err, os.ErrNoDeadline) && !errors.Is(err, syscall.EPERM) {
		t.Errorf("the null device as output: %v", err)
	}
	if isNonblocking(t, r) {
		t.Error("the input stayed non-blocking")
	}
}
