package port_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
)

// linked returns a Serial opened by a link of its own, which the test can
// remove as the kernel removes the node of a pulled adapter.
func linked(t *testing.T) (far port.Port, s *port.Serial, link string) {
	t.Helper()
	p := newPTY(t)
	link = filepath.Join(t.TempDir(), "ttyUSB0")
	if err := os.Symlink(p.Name, link); err != nil {
		t.Fatal(err)
	}
	s = openSerial(t, link, nil)
	port.ForgetPseudo(s)
	return p.Port, s, link
}

func TestRemovedDevice(t *testing.T) {
	far, s, link := linked(t)
	done := blocked(func() error { _, err := s.Read(make([]byte, 1)); return err })
	os.Remove(link)
	far.Close()
	wantOp(t, wantSoon(t, done), "read", port.ErrRemoved)
	_, err := s.Write([]byte("x"))
	wantOp(t, err, "write", port.ErrRemoved)
	_, err = s.Mode()
	wantOp(t, err, "mode", port.ErrRemoved)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNodeOfAnotherDeviceIsRemovedToo(t *testing.T) {
	far, s, link := linked(t)
	far.Close()
	os.Remove(link)
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	_, err := s.Read(make([]byte, 1))
	wantOp(t, err, "read", port.ErrRemoved)
}

func TestFallenCarrier(t *testing.T) {
	far, s := newPair(t, nil)
	blockedRead := blocked(func() error { _, err := s.Read(make([]byte, 1)); return err })
	far.Write([]byte("1"))
	if err := wantSoon(t, blockedRead); err != nil {
		t.Fatal(err)
	}
	// The first byte came through, so the rest is in the kernel by the time of
	// the next Read or soon after; the port must not lose it.
	far.Write([]byte("NO CARRIER"))
	got := make([]byte, 10)
	if _, err := io.ReadFull(s, got[:1]); err != nil {
		t.Fatal(err)
	}
	port.CarrierFell(s)
	if _, err := io.ReadFull(s, got[1:]); err != nil || string(got) != "NO CARRIER" {
		t.Errorf("read %q, %v after the carrier fell", got, err)
	}
	_, err := s.Read(got)
	wantOp(t, err, "read", port.ErrCarrierLost)
	s.SetDeadline(time.Now().Add(time.Hour))
	_, err = s.Read(got)
	wantOp(t, err, "read", port.ErrCarrierLost)
	s.SetDeadline(time.Time{})
	_, err = s.Write(got)
	wantOp(t, err, "write", port.ErrCarrierLost)
	if _, err := s.Mode(); err != nil {
		t.Errorf("the device itself is still there, but: %v", err)
	}
	s.Close()
	_, err = s.Read(got)
	wantOp(t, err, "read", net.ErrClosed)
}

func TestFallenCarrierFreesBlockedCalls(t *testing.T) {
	_, s := newPair(t, nil)
	read := blocked(func() error { _, err := s.Read(make([]byte, 1)); return err })
	write := blocked(func() error { _, err := s.Write(make([]byte, 1<<20)); return err })
	port.CarrierFell(s)
	wantOp(t, wantSoon(t, read), "read", port.ErrCarrierLost)
	wantOp(t, wantSoon(t, write), "write", port.ErrCarrierLost)
}

// TestSocat runs over a pair that socat made, which is not ours.
func TestSocat(t *testing.T) {
	a, b, kill := socat(t)
	x, y := openSerial(t, a, &port.Config{Mode: port.Mode{Baud: 115200}}), openSerial(t, b, nil)
	for _, way := range [][2]*port.Serial{{x, y}, {y, x}} {
		if _, err := way[0].Write([]byte("hello\r\n\x00\xff")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 9)
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "hello\r\n\x00\xff" {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	done := blocked(func() error { _, err := x.Read(make([]byte, 1)); return err })
	kill()
	wantOp(t, wantSoon(t, done), "read", port.ErrCarrierLost)
}

// socat returns the two ends of a pair of pseudo-terminals.
func socat(t *testing.T) (a, b string, kill func()) {
	t.Helper()
	dir := t.TempDir()
	a, b = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	cmd := exec.Command(peertest.Program(t, "socat"), "PTY,raw,echo=0,link="+a, "PTY,raw,echo=0,link="+b)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(kill)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, name := range []string{a, b} {
		for tick := time.NewTicker(time.Millisecond); ; {
			if _, err := os.Stat(name); err == nil {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatal("socat made no pair within 5 seconds")
			}
		}
	}
	return a, b, kill
}

// blocked calls f on a goroutine of its own and returns its result's channel
// once f has begun.
func blocked(f func() error) <-chan error {
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		close(begun)
		done <- f()
	}()
	<-begun
	return done
}

func wantSoon(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("still blocked after 5 seconds")
		return nil
	}
}
