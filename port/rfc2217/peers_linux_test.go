package rfc2217_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// serveTouched shares a port that notes what is done to it.
func serveTouched(t *testing.T, s *rfc2217.Server, cfg *tls.Config) (addr string, shared *touched, far *virtual.Port) {
	t.Helper()
	near, far := virtual.Pair()
	shared = &touched{Port: near}
	l := listen(t)
	addr = l.Addr().String()
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	served := make(chan error, 1)
	go func() { served <- s.ServePort(l, shared) }()
	t.Cleanup(func() { s.Close(); <-served })
	return addr, shared, far
}

// run runs a program to its end and returns all it printed.
func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), peertest.Program(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	t.Logf("%s %q: %v\n%.2000q", name, args, err, out)
	return string(out)
}

// started is a program at work whose output is read bit by bit.
type started struct {
	in  io.WriteCloser
	out *bufio.Reader
	all bytes.Buffer
	t   *testing.T
}

// start starts a program that ends with the test.
func start(t *testing.T, name string, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	cmd := exec.CommandContext(ctx, peertest.Program(t, name), args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	return &started{in: in, out: bufio.NewReader(out), t: t}
}

// expect reads the output up to text.
func (s *started) expect(text string) {
	s.t.Helper()
	for !strings.HasSuffix(s.all.String(), text) {
		c, err := s.out.ReadByte()
		if err != nil {
			s.t.Fatalf("the program ended before %q: %q", text, s.all.String())
		}
		s.all.WriteByte(c)
	}
}

// TestCurlPost has curl send what a web page can make a browser send.
func TestCurlPost(t *testing.T) {
	addr, shared, far := serveTouched(t, &rfc2217.Server{}, nil)
	out := run(t, "", "curl", "-s", "-m", "10", "--http0.9", "-H", "Content-Type: text/plain", "--data-binary", "\r\nATDT09001234567\r\n", "--output", "-", "http://"+addr+"/")
	if !strings.Contains(out, "no web server") {
		t.Errorf("curl was told %q", out)
	}
	if calls := shared.noted(); len(calls) > 0 {
		t.Errorf("the port saw %q", calls)
	}
	pass(t, dial(t, addr, nil), far, "the owner's")
}

// TestSocat has socat connect without Telnet: to a server that demands it, which
// does nothing, and to one that is raw, with a question and a closed side.
func TestSocat(t *testing.T) {
	addr, shared, far := serveTouched(t, &rfc2217.Server{HandshakeTimeout: time.Second}, nil)
	out := run(t, "ATDT09001234567\r", "socat", "-t", "5", "-", "TCP:"+addr)
	if !strings.Contains(out, "No answer in Telnet") {
		t.Errorf("socat was told %q", out)
	}
	if calls := shared.noted(); len(calls) > 0 {
		t.Errorf("the port saw %q", calls)
	}
	pass(t, dial(t, addr, nil), far, "the owner's")

	addr, _, far = serveTouched(t, &rfc2217.Server{Raw: true}, nil)
	go func() {
		if _, err := io.ReadFull(far, make([]byte, 4)); err == nil {
			far.Write([]byte("a modem \xff\r\n"))
		}
	}()
	if out := run(t, "ATI\r", "socat", "-t", "5", "-", "TCP:"+addr); out != "a modem \xff\r\n" {
		t.Errorf("socat got %q, want the answer", out)
	}
}

// TestOpenSSL has openssl connect with no certificate, with a wrong one and with
// the right one.
func TestOpenSSL(t *testing.T) {
	ours := tlstest.Local(t)
	addr, shared, far := serveTouched(t, &rfc2217.Server{Raw: true}, ours.Server())
	right, wrong := ours.File(t), tlstest.Local(t).File(t)
	for _, args := range [][]string{nil, {"-cert", wrong}} {
		out := run(t, "ATDT09001234567\r", "openssl", append([]string{"s_client", "-quiet", "-CAfile", right, "-connect", addr}, args...)...)
		if !strings.Contains(out, "alert") {
			t.Errorf("openssl with %q printed %q, want an alert", args, out)
		}
		if calls := shared.noted(); len(calls) > 0 {
			t.Errorf("with %q the port saw %q", args, calls)
		}
	}
	p := start(t, "openssl", "s_client", "-quiet", "-CAfile", right, "-cert", right, "-connect", addr)
	io.WriteString(p.in, "ATI\n")
	expect(t, far, "ATI\n")
	far.Write([]byte("a modem\r\n"))
	p.expect("a modem\r\n")
}

// TestInetutilsTelnet has a user at telnet send a Synch in the middle of a line.
func TestInetutilsTelnet(t *testing.T) {
	program := peertest.Program(t, "inetutils-telnet")
	addr, _, far := serveTouched(t, &rfc2217.Server{}, nil)
	terminal, err := pty.Open(bounded(t))
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	tty, err := os.OpenFile(terminal.Name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	host, number, _ := net.SplitHostPort(addr)
	cmd := exec.CommandContext(bounded(t), program, host, number)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.Env = append(os.Environ(), "TERM=dumb")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	var screen []byte
	shown := func(text string) {
		t.Helper()
		terminal.Port.SetReadDeadline(time.Now().Add(limit))
		for !bytes.Contains(screen, []byte(text)) {
			buf := make([]byte, 256)
			n, err := terminal.Port.Read(buf)
			screen = append(screen, buf[:n]...)
			if err != nil {
				t.Fatalf("telnet showed %q and no %q: %v", screen, text, err)
			}
		}
		screen = nil
	}
	typed := func(text string) { io.WriteString(terminal.Port, text) }
	shown("Escape character")
	awaitLines(t, far, port.DSR, port.DSR)
	typed("typed ")
	expect(t, far, "typed ")
	typed("\x1d")
	shown("telnet>")
	typed("send synch\n")
	// telnet drops what was typed while it changes the terminal's mode.
	var got []byte
	for end := time.Now().Add(limit); len(got) == 0 && time.Now().Before(end); {
		typed("x")
		far.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		buf := make([]byte, 100)
		n, _ := far.Read(buf)
		got = buf[:n]
	}
	if strings.Trim(string(got), "x") != "" || len(got) == 0 {
		t.Errorf("after the Synch the device got %q, want what was typed", got)
	}
	far.Write([]byte("login: "))
	shown("login: ")
}

// TestGensio has gensiot be an RFC 2217 client.
func TestGensio(t *testing.T) {
	addr, _, far := serveTouched(t, &rfc2217.Server{}, nil)
	host, number, _ := net.SplitHostPort(addr)
	p := start(t, "gensiot", "-i", "stdio(self)", "telnet(rfc2217),tcp,"+host+","+number)
	awaitLines(t, far, port.DSR, port.DSR)
	io.WriteString(p.in, "ATI\n")
	expect(t, far, "ATI\n")
	far.Write([]byte("a modem\r\n"))
	p.expect("a modem\r\n")
}

// TestKermit has C-Kermit, which watches the carrier, at a port without modem
// lines.
func TestKermit(t *testing.T) {
	one, two := tcpPair(t)
	addr := serve(t, &rfc2217.Server{}, one)
	script := filepath.Join(t.TempDir(), "script.ksc")
	commands := "set carrier-watch auto\nset host " + addr + " /telnet\nif fail exit 1\nset speed 19200\nif fail exit 2\n" +
		"set flow rts/cts\noutput hello\\13\nif fail exit 3\ninput 10 WORLD\nif fail exit 4\necho GOTIT\nhangup\nexit 0\n"
	commands = strings.Replace(commands, addr, strings.Replace(addr, ":", " ", 1), 1)
	if err := os.WriteFile(script, []byte(commands), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := io.ReadFull(two, make([]byte, 6)); err == nil {
			two.Write([]byte("hello WORLD\r\n"))
		}
	}()
	if out := run(t, "", "kermit", script); !strings.Contains(out, "GOTIT") {
		t.Errorf("kermit printed %q", out)
	}
}

// TestSredird is a client of sredird, which inetd starts for each connection:
// nothing that Dial sends reaches the device.
func TestSredird(t *testing.T) {
	program := peertest.Program(t, "sredird")
	device, err := pty.Open(bounded(t))
	if err != nil {
		t.Skip(err)
	}
	defer device.Close()
	l := listen(t)
	defer l.Close()
	lock := filepath.Join(t.TempDir(), "lock")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		f, err := c.(*net.TCPConn).File()
		c.Close()
		if err != nil {
			return
		}
		defer f.Close()
		cmd := exec.Command(program, "0", device.Name, lock)
		cmd.Stdin, cmd.Stdout = f, f
		if err := cmd.Start(); err != nil {
			return
		}
		giveUp := time.AfterFunc(2*limit, func() { cmd.Process.Kill() })
		cmd.Wait()
		giveUp.Stop()
	}()
	p := dial(t, l.Addr().String(), &rfc2217.Config{AckTimeout: 2 * time.Second})
	if err := p.SetMode(port.Mode{Baud: 19200}); err != nil {
		t.Errorf("SetMode: %v", err)
	}
	pass(t, p, device.Port, "ATI\r")
	pass(t, device.Port, p, "a modem \xfe\r\n")
	p.Close()
	<-ended
}
