package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/rfc2217"
)

const limit = 20 * time.Second

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// program is portserver at work on one end of a pseudo-terminal pair.
type program struct {
	addr   string
	far    *pty.Pair
	stderr *buffer
}

// start runs portserver until the test ends, when it must return 0.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	far, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	p := &program{far: far, stderr: new(buffer)}
	stdout, out := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, append([]string{"-port", far.Name, "-listen", "127.0.0.1:0"}, args...), out, p.stderr)
		out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case got := <-status:
			if got != exitOK {
				t.Errorf("exit status %d, want %d; stderr:\n%s", got, exitOK, p.stderr)
			}
		case <-time.After(limit):
			t.Errorf("portserver does not end")
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("no address on stdout: %v; stderr:\n%s", err, p.stderr)
	}
	_, p.addr, _ = strings.Cut(strings.TrimSpace(line), " is at ")
	return p
}

func dial(t *testing.T, addr string, cfg *rfc2217.Config) (*rfc2217.Port, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return rfc2217.Dial(ctx, addr, cfg)
}

// talk passes text both ways.
func talk(t *testing.T, a, b port.Port) {
	t.Helper()
	for _, way := range [][2]port.Port{{a, b}, {b, a}} {
		if _, err := way[0].Write([]byte("text\xff\x00")); err != nil {
			t.Fatalf("Write: %v", err)
		}
		got := make([]byte, 6)
		way[1].SetReadDeadline(time.Now().Add(limit))
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "text\xff\x00" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
}

func TestShare(t *testing.T) {
	p := start(t, "-mode", "9600")
	c, err := dial(t, p.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talk(t, c, p.far.Port)
	if m, err := c.Mode(); err != nil || m.Baud != 9600 {
		t.Errorf("Mode = %v, %v; want 9600", m, err)
	}
	if err := c.SetMode(port.Mode{Baud: 19200, StopBits: port.StopTwo}); err != nil {
		t.Errorf("SetMode: %v", err)
	}
	if strings.Contains(p.stderr.String(), "warning") {
		t.Errorf("a warning for the loopback:\n%s", p.stderr)
	}
}

func TestAllow(t *testing.T) {
	p := start(t, "-allow", "192.0.2.0/24,2001:db8::1")
	if c, err := dial(t, p.addr, nil); !errors.Is(err, port.ErrCarrierLost) {
		if err == nil {
			c.Close()
		}
		t.Errorf("Dial from an address that is not allowed: %v; want port.ErrCarrierLost", err)
	}
	p = start(t, "-allow", "192.0.2.0/24", "-allow", "127.0.0.1")
	c, err := dial(t, p.addr, nil)
	if err != nil {
		t.Fatalf("Dial from an allowed address: %v", err)
	}
	c.Close()
}

// TestAllowIsExplained quotes the reason to a client that is not allowed.
func TestAllowIsExplained(t *testing.T) {
	p := start(t, "-allow", "192.0.2.0/24")
	if _, err := dial(t, p.addr, nil); err == nil || !strings.Contains(err.Error(), "not allowed to use the port") {
		t.Errorf("Dial from an address that is not allowed: %v; want the reason", err)
	}
}

// TestUnixSocket shares a port by a socket file, which only its user can open.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "modem.sock")
	if l, err := net.Listen("unix", path); err != nil {
		t.Fatal(err)
	} else {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close() // left behind by a process that has ended
	}
	t.Run("serves", func(t *testing.T) {
		p := start(t, "-listen", "unix:"+path)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket file has %v, %v; want the mode 0600", info.Mode(), err)
		}
		c, err := dial(t, "unix:"+p.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		talk(t, c, p.far.Port)
		if log := p.stderr.String(); !strings.Contains(log, "listener="+path) {
			t.Errorf("the log does not name the socket file %s:\n%s", path, log)
		}
		var stdout, stderr buffer
		if status := run(t.Context(), []string{"-port", p.far.Name, "-listen", "unix:" + path}, &stdout, &stderr); status == exitOK || !strings.Contains(stderr.String(), "another process listens") && !strings.Contains(stderr.String(), "in use") {
			t.Errorf("a second portserver: status %d, %s", status, stderr.String())
		}
	})
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end the socket file: %v; want it to be removed", err)
	}
}

// TestRawFlag serves a client without Telnet.
func TestRawFlag(t *testing.T) {
	p := start(t, "-raw", "-plain")
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talk(t, c, p.far.Port)
}

// TestHungUpLine closes the other side of the shared line, and makes a new one of
// the same name: clients are notified, and then have the new line.
func TestHungUpLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "line")
	first, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(first.Name, link); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-port", link)
	c, err := dial(t, p.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
		t.Errorf("the client's Read: %v; want port.ErrCarrierLost", err)
	}
	c.Close()
	second, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); ; {
		c, err = dial(t, p.addr, nil)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "not available") && !strings.Contains(err.Error(), "in use") {
			t.Fatalf("Dial of a line that was hung up: %v; want the reason", err)
		}
		os.Symlink(second.Name, link)
		if time.Now().After(end) {
			t.Fatalf("the line is not opened again: %v", err)
		}
	}
	defer c.Close()
	talk(t, c, second.Port)
}

func TestTLS(t *testing.T) {
	own := tlstest.Local(t)
	cert, key := own.Files(t)
	client := own.Client()
	p := start(t, "-cert", cert, "-key", key, "-client-ca", cert)
	c, err := dial(t, p.addr, &rfc2217.Config{Dial: (&tls.Dialer{Config: client}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talk(t, c, p.far.Port)
}

func TestTLSWithoutClientCertificate(t *testing.T) {
	own := tlstest.Local(t)
	cert, key := own.Files(t)
	client := own.Client()
	p := start(t, "-cert", cert, "-key", key, "-client-ca", cert)
	client.Certificates = nil
	c, err := dial(t, p.addr, &rfc2217.Config{Dial: (&tls.Dialer{Config: client}).DialContext})
	if err == nil {
		c.Close()
		t.Error("a client without a certificate was served")
	}
}

// TestPublicAddress opens nothing: what is said does not depend on it.
func TestPublicAddress(t *testing.T) {
	tests := []struct {
		args string
		want []string
	}{
		{"-plain", []string{"warning", "192.0.2.1", "other hosts", "everybody there, unencrypted"}},
		{"-plain -allow 192.0.2.0/24", []string{"unencrypted", "in 192.0.2.0/24"}},
		{"-cert c.pem -key k.pem", []string{"warning", "everybody there has the port"}},
		{"-cert c.pem -key k.pem -client-ca ca.pem", []string{"with a certificate of ca.pem"}},
	}
	for _, tt := range tests {
		var stdout, stderr buffer
		opts, err := parseOptions(append([]string{"-port", "x", "-listen", "192.0.2.1:7"}, strings.Fields(tt.args)...), &stderr)
		if err != nil {
			t.Fatal(err)
		}
		announce(&stdout, &stderr, opts, opts.addr)
		for _, want := range tt.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: stderr has no %q:\n%s", tt.args, want, stderr.String())
			}
		}
	}
}
