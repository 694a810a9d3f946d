package rfc2217_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// python returns a Python that has pyserial, or skips the test. A Python in
// front of the system's may lack what the system's package brought.
func python(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import serial.rfc2217").Run() == nil {
			return name
		}
	}
	return peertest.Program(t, "python3-with-pyserial")
}

// script is a running Python program that answers each line with a line.
type script struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startPython(t testing.TB, args ...string) *script {
	t.Helper()
	cmd := exec.Command(python(t), args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	giveUp := time.AfterFunc(3*limit, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		giveUp.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &script{in: in, out: bufio.NewReader(out)}
}

// line returns the next line of the program.
func (s *script) line(t testing.TB) string {
	t.Helper()
	text, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the Python program ended: %v", err)
	}
	return strings.TrimSpace(text)
}

// do has the program carry out a line, whose answer must be want.
func (s *script) do(t testing.TB, line, want string) {
	t.Helper()
	fmt.Fprintln(s.in, line)
	if got := s.line(t); got != want {
		t.Fatalf("pyserial: %s gave %s, want %s", line, got, want)
	}
}

// wait has the program carry out a line until its answer is want.
func (s *script) wait(t *testing.T, line, want string) {
	t.Helper()
	for end := time.Now().Add(limit); ; {
		fmt.Fprintln(s.in, line)
		got := s.line(t)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("pyserial: %s still gives %s, want %s", line, got, want)
		}
	}
}

func TestPyserialClient(t *testing.T) {
	t.Parallel()
	shared, far := virtual.Pair()
	addr := serve(t, &rfc2217.Server{Poll: 5 * time.Millisecond}, shared)
	py := startPython(t, "testdata/client.py", "rfc2217://"+addr)
	if got := py.line(t); got != "open" {
		t.Fatalf("pyserial says %q, want %q", got, "open")
	}

	py.do(t, `p.write(b"hello\xff\xff\r\x00\n")`, "10")
	expect(t, far, "hello\xff\xff\r\x00\n")
	if _, err := far.Write([]byte("\xff\r\x00world")); err != nil {
		t.Fatal(err)
	}
	py.do(t, `p.read(8)`, `b'\xff\r\x00world'`)

	for _, tt := range []struct{ set, want string }{
		{"p.baudrate = 19200", "19200,8N1,none"},
		{"p.bytesize = 7", "19200,7N1,none"},
		{"p.parity = serial.PARITY_EVEN", "19200,7E1,none"},
		{"p.stopbits = 2", "19200,7E2,none"},
		{"p.rtscts = True", "19200,7E2,rtscts"},
		{"p.rtscts = False", "19200,7E2,none"},
		{"p.xonxoff = True", "19200,7E2,xonxoff"},
	} {
		py.do(t, tt.set, "None")
		if m, err := shared.Mode(); err != nil || m.String() != tt.want {
			t.Errorf("after pyserial's %s the shared port has %v, %v; want %s", tt.set, m, err, tt.want)
		}
	}

	py.do(t, "p.dtr = False", "None")
	awaitLines(t, far, port.DSR|port.DCD|port.CTS, port.CTS)
	py.do(t, "p.rts = False", "None")
	awaitLines(t, far, port.DSR|port.DCD|port.CTS, 0)
	if err := far.SetLines(port.RTS, 0); err != nil {
		t.Fatal(err)
	}
	py.wait(t, "(p.cts, p.dsr, p.cd, p.ri)", "(False, True, True, False)")
	if err := far.SetLines(port.DTR, 0); err != nil {
		t.Fatal(err)
	}
	py.wait(t, "(p.cts, p.dsr, p.cd, p.ri)", "(False, False, False, False)")

	py.do(t, "p.break_condition = True", "None")
	if n, err := far.AwaitBreak(bounded(t), 0); n != 1 || err != nil {
		t.Errorf("far end has seen %d breaks, %v; want 1", n, err)
	}
	py.do(t, "p.break_condition = False", "None")
	py.do(t, "p.reset_input_buffer(), p.reset_output_buffer()", "(None, None)")
}

// TestPyserialServer has the example server of pyserial share a port that is
// wired to itself: RTS to CTS, DTR to DSR, and the data.
func TestPyserialServer(t *testing.T) {
	t.Parallel()
	py := startPython(t, "testdata/server.py", example(t), "loop://")
	addr := "127.0.0.1:" + strings.TrimPrefix(py.line(t), "listening ")
	p := dial(t, addr, &rfc2217.Config{Mode: port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven}})

	pass(t, p, p, "hello\xff\xff\r\x00\n")
	want := port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven, StopBits: port.StopOne, Flow: port.FlowNone}
	if m, err := p.Mode(); err != nil || m != want {
		t.Errorf("Mode = %v, %v; want %v", m, err, want)
	}
	if err := p.SetMode(port.Mode{Baud: 115200, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopTwo}); err != nil {
		t.Errorf("SetMode: %v", err)
	}
	awaitLines(t, p, port.CTS|port.DSR, port.CTS|port.DSR)
	if err := p.SetLines(port.RTS, 0); err != nil {
		t.Errorf("SetLines: %v", err)
	}
	awaitLines(t, p, port.CTS|port.DSR, port.DSR)
	if err := p.SetLines(port.DTR|port.RTS, port.RTS); err != nil {
		t.Errorf("SetLines: %v", err)
	}
	awaitLines(t, p, port.CTS|port.DSR, port.CTS)
	if err := p.SendBreak(bounded(t), time.Millisecond); err != nil {
		t.Errorf("SendBreak: %v", err)
	}
	if err := p.Discard(port.Input | port.Output); err != nil {
		t.Errorf("Discard: %v", err)
	}
	if err := p.Drain(bounded(t)); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// example returns the path of pyserial's example server, which some packages
// compress.
func example(t testing.TB) string {
	t.Helper()
	const dir = "/usr/share/doc/python3-serial/examples"
	path := filepath.Join(dir, "rfc2217_server.py")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return path
	}
	out, err := exec.Command("zcat", path+".gz").Output()
	if err != nil {
		return peertest.Program(t, "pyserial's rfc2217_server.py")
	}
	path = filepath.Join(t.TempDir(), "rfc2217_server.py")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
