package port_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
)

// newPair returns a pseudo-terminal whose peer is open as a Serial.
func newPair(t testing.TB, cfg *port.Config) (far port.Port, s *port.Serial) {
	t.Helper()
	p := newPTY(t)
	return p.Port, openSerial(t, p.Name, cfg)
}

func newPTY(t testing.TB) *pty.Pair {
	t.Helper()
	p, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func openSerial(t testing.TB, name string, cfg *port.Config) *port.Serial {
	t.Helper()
	s, err := port.Open(t.Context(), name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		cfg        *port.Config
		want       error
		says       string
	}{
		{"no such device", filepath.Join(dir, "ttyUSB0"), nil, fs.ErrNotExist, "check the name"},
		{"a URL", "tcp://h:1", nil, fs.ErrNotExist, "package portname"},
		{"a USB device", "usb:0403:6001", nil, fs.ErrNotExist, "package portname"},
		{"a regular file", file, nil, syscall.ENOTTY, "no serial port"},
		{"a folder", dir, nil, syscall.ENOTTY, "no serial port"},
		{"a device that is no terminal", os.DevNull, nil, syscall.ENOTTY, "no serial port"},
		{"a way through a file", filepath.Join(file, "x"), nil, syscall.ENOTDIR, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := port.Open(t.Context(), tt.path, tt.cfg)
			wantOp(t, err, "open", tt.want)
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
}

func TestOpenValidatesFirst(t *testing.T) {
	p := newPTY(t)
	_, err := port.Open(t.Context(), p.Name, &port.Config{Mode: port.Mode{DataBits: 9}})
	if err == nil || !strings.Contains(err.Error(), "9 data bits") {
		t.Errorf("got %v, want an error about 9 data bits", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = port.Open(ctx, p.Name, nil)
	wantOp(t, err, "open", context.Canceled)
}

func TestTransfer(t *testing.T) {
	far, s := newPair(t, nil)
	want := make([]byte, 300_000)
	rand.Read(want)
	for _, way := range []struct {
		name     string
		from, to port.Port
	}{{"out", s, far}, {"in", far, s}} {
		t.Run(way.name, func(t *testing.T) {
			sent := blocked(func() error { _, err := way.from.Write(want); return err })
			got := make([]byte, len(want))
			if _, err := io.ReadFull(way.to, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the bytes changed on their way")
			}
			if err := wantSoon(t, sent); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	far, s := newPair(t, nil)
	one := make([]byte, 1)
	s.SetReadDeadline(time.Now().Add(-time.Second))
	_, err := s.Read(one)
	wantOp(t, err, "read", os.ErrDeadlineExceeded)
	s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err = s.Read(one)
	wantOp(t, err, "read", os.ErrDeadlineExceeded)
	if op := err.(*port.OpError); !op.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	s.SetReadDeadline(time.Time{})
	done := blocked(func() error { _, err := s.Read(one); return err })
	s.SetReadDeadline(time.Now())
	wantOp(t, wantSoon(t, done), "read", os.ErrDeadlineExceeded)
	n := 0
	done = blocked(func() error { n, err = s.Write(make([]byte, 1<<20)); return err })
	if _, err := far.Read(one); err != nil { // the Write has begun
		t.Fatal(err)
	}
	s.SetWriteDeadline(time.Now())
	wantOp(t, wantSoon(t, done), "write", os.ErrDeadlineExceeded)
	if n == 0 || n == 1<<20 {
		t.Errorf("a write to a full line took %d bytes", n)
	}
}

func TestCloseFreesBlockedCalls(t *testing.T) {
	_, s := newPair(t, nil)
	read := blocked(func() error { _, err := s.Read(make([]byte, 1)); return err })
	write := blocked(func() error { _, err := s.Write(make([]byte, 1<<20)); return err })
	before := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantOp(t, wantSoon(t, read), "read", net.ErrClosed)
	wantOp(t, wantSoon(t, write), "write", net.ErrClosed)
	if took := time.Since(before); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestAfterClose(t *testing.T) {
	_, s := newPair(t, nil)
	s.Close()
	calls := []struct {
		op string
		f  func() error
	}{
		{"read", func() error { _, err := s.Read(make([]byte, 1)); return err }},
		{"write", func() error { _, err := s.Write([]byte("x")); return err }},
		{"close", s.Close},
		{"set deadline", func() error { return s.SetDeadline(time.Time{}) }},
		{"mode", func() error { _, err := s.Mode(); return err }},
		{"set mode", func() error { return s.SetMode(port.Mode{Baud: 300}) }},
		{"lines", func() error { _, err := s.Lines(); return err }},
		{"set lines", func() error { return s.SetLines(port.DTR, 0) }},
		{"wait lines", func() error { _, err := s.WaitLines(t.Context(), port.DCD); return err }},
		{"drain", func() error { return s.Drain(t.Context()) }},
		{"discard", func() error { return s.Discard(port.Input) }},
		{"stats", func() error { _, err := s.Stats(); return err }},
	}
	for _, c := range calls {
		t.Run(c.op, func(t *testing.T) { wantOp(t, c.f(), c.op, net.ErrClosed) })
	}
}

func TestPseudoTerminalHasNoLines(t *testing.T) {
	_, s := newPair(t, &port.Config{
		DTR: port.Assert, RTS: port.Clear, DTRAtClose: port.Clear, HangupOnClose: port.Assert,
		Carrier: port.CarrierRequire, LowLatency: true,
	})
	calls := []struct {
		op string
		f  func() error
	}{
		{"lines", func() error { _, err := s.Lines(); return err }},
		{"set lines", func() error { return s.SetLines(port.DTR, port.DTR) }},
		{"wait lines", func() error { _, err := s.WaitLines(t.Context(), port.DCD); return err }},
		{"send break", func() error { return s.SendBreak(t.Context(), 0) }},
		{"stats", func() error { _, err := s.Stats(); return err }},
	}
	for _, c := range calls {
		t.Run(c.op, func(t *testing.T) { wantOp(t, c.f(), c.op, errors.ErrUnsupported) })
	}
	wantOp(t, s.SetLines(port.CTS, port.CTS), "set lines", errors.ErrUnsupported) // an input
}

func TestModes(t *testing.T) {
	tests := []struct {
		mode    string
		refused string // the field that a pseudo-terminal does not take
	}{
		{"9600,8N1,none", ""},
		{"115200", ""},
		{"12345,8N2", ""},
		{"4000000,8N1,rtscts", ""},
		{"8N1,xonxoff", ""},
		{"both", ""},
		{"50", ""},
		{"7E1", "data bits"},
		{"8O1", "parity"},
		{"5N1.5", "data bits"},
		{"8M1", "parity"},
	}
	_, s := newPair(t, &port.Config{Mode: port.Mode{Baud: 300}})
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			m, err := port.ParseMode(tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			if m.Baud == 12345 || m.Baud > 460800 {
				peertest.Emulated(t, "it knows rates up to 460800, and those by name only")
			}
			before, err := s.Mode()
			if err != nil {
				t.Fatal(err)
			}
			want := m.Merge(before)
			err = s.SetMode(m)
			if tt.refused != "" {
				wantOp(t, err, "set mode", errors.ErrUnsupported)
				if !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("error %q does not name %q", err, tt.refused)
				}
				want = before
			} else if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Mode(); err != nil || got != want {
				t.Errorf("mode is %v, %v; want %v", got, err, want)
			}
		})
	}
}

func TestFarEndSeesTheMode(t *testing.T) {
	far, s := newPair(t, nil)
	if err := s.SetMode(port.Mode{Baud: 1200}); err != nil {
		t.Fatal(err)
	}
	if m, err := far.(port.ModeSetter).Mode(); err != nil || m.Baud != 1200 {
		t.Errorf("far end sees %v, %v; want 1200 baud", m, err)
	}
}

func TestRefusedModeFailsOpenAndLeavesTheLine(t *testing.T) {
	p := newPTY(t)
	_, err := port.Open(t.Context(), p.Name, &port.Config{Mode: port.Mode{Baud: 600, DataBits: 7}})
	wantOp(t, err, "open", errors.ErrUnsupported)
	if m, err := p.Port.(port.ModeSetter).Mode(); err != nil || m.Baud == 600 {
		t.Errorf("the refused mode left %v, %v", m, err)
	}
	openSerial(t, p.Name, nil) // nothing stayed locked
}

func TestFarEndGoneIsCarrierLost(t *testing.T) {
	far, s := newPair(t, nil)
	done := blocked(func() error { _, err := s.Read(make([]byte, 1)); return err })
	far.Close()
	wantOp(t, wantSoon(t, done), "read", port.ErrCarrierLost)
	_, err := s.Write([]byte("x"))
	wantOp(t, err, "write", port.ErrCarrierLost)
	_, err = s.Mode()
	wantOp(t, err, "mode", port.ErrCarrierLost)
	if err := s.Close(); err != nil {
		t.Errorf("closing a hung-up port: %v", err)
	}
}

func TestDiscard(t *testing.T) {
	far, s := newPair(t, nil)
	if _, err := far.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := s.Discard(port.Input); err != nil {
		t.Fatal(err)
	}
	far.Write([]byte("new"))
	got := make([]byte, 3)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "new" {
		t.Errorf("read %q, %v; want new", got, err)
	}
	if err := s.Discard(0); err != nil {
		t.Errorf("discarding nothing: %v", err)
	}
	if err := s.Discard(8); err == nil {
		t.Error("discarding in an unknown direction worked")
	}
}

func TestWriteThenCloseArrives(t *testing.T) {
	far, s := newPair(t, nil)
	if _, err := s.Write([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "bye" {
		t.Errorf("far end read %q, %v; want bye", got, err)
	}
}

func TestDescriptorsAbove1024(t *testing.T) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for range 1100 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Skipf("this machine does not let a process open 1,100 files: %v", err)
		}
		files = append(files, f)
	}
	far, s := newPair(t, nil)
	if _, err := far.Write([]byte("high")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "high" {
		t.Errorf("read %q, %v", got, err)
	}
	s.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := s.Read(got)
	wantOp(t, err, "read", os.ErrDeadlineExceeded)
}
