package port_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
)

// The environment names a port whose far end sends back all that it gets, and
// one whose far end does nothing at all.
const (
	echoEnv   = "RASLINE_TEST_ECHO"
	silentEnv = "RASLINE_TEST_SILENT"
)

func openCOM(t *testing.T, env string, cfg *port.Config) *port.Serial {
	t.Helper()
	name := os.Getenv(env)
	if name == "" {
		t.Skipf("%s names no port", env)
	}
	s, err := port.Open(t.Context(), name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestWindowsEcho(t *testing.T) {
	s := openCOM(t, echoEnv, &port.Config{Mode: port.Mode{Baud: 115200}})
	for _, size := range []int{1, 2, 100, 3000} {
		want := bytes.Repeat([]byte{0x00, 0x0a, 0x11, 0xff}, size)[:size]
		s.SetDeadline(time.Now().Add(20 * time.Second))
		if n, err := s.Write(want); n != size || err != nil {
			t.Fatalf("wrote %d of %d bytes: %v", n, size, err)
		}
		got := make([]byte, size)
		if n, err := io.ReadFull(s, got); err != nil {
			t.Fatalf("read %d of %d bytes: %v", n, size, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back changed", size)
		}
	}
}

func TestWindowsDeadline(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	for range 2 {
		start := time.Now()
		s.SetReadDeadline(start.Add(50 * time.Millisecond))
		n, err := s.Read(make([]byte, 10))
		if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Errorf("read from silence: %d, %v after %v", n, err, time.Since(start))
		}
	}
}

func TestWindowsMode(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	if err := s.SetMode(port.Mode{Baud: 19200, DataBits: 7, Parity: port.ParityEven}); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Mode(); err != nil || m.String() != "19200,7E1,none" {
		t.Errorf("mode %v, %v", m, err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestWindowsCloseFreesBlockedCalls(t *testing.T) {
	s := openCOM(t, silentEnv, nil)
	results := make(chan error, 2)
	go func() { _, err := s.Read(make([]byte, 10)); results <- err }()
	go func() { _, err := s.Write(make([]byte, 1<<20)); results <- err }()
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-results; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	openCOM(t, silentEnv, nil)
}

func TestWindowsOpenRefuses(t *testing.T) {
	for _, name := range []string{"COM77", `\\.\COM77`} {
		if _, err := port.Open(t.Context(), name, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
	}
	_, err := port.Open(context.Background(), "COM77", &port.Config{LockDir: `C:\`})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "LockDir") {
		t.Errorf("a UUCP lock file: %v", err)
	}
}
