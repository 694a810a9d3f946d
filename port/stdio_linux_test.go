package port_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// openTerminal opens the far end of a pseudo-terminal the way a shell has its
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
	if !isNonblocking(t, shell) {
		t.Error("the terminal is not on the poller")
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
