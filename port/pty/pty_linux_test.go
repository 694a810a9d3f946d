package pty_test

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
)

func open(t *testing.T) *pty.Pair {
	t.Helper()
	p, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// openFar opens the other end the way a foreign program would.
func openFar(t *testing.T, p *pty.Pair) *os.File {
	t.Helper()
	f, err := os.OpenFile(p.Name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func wantRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func TestEarlyWriteWaitsForTheFarEnd(t *testing.T) {
	p := open(t)
	const text = "early\r\n\x03\x13\xff\x00"
	if _, err := p.Port.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	wantRead(t, openFar(t, p), text)
}

func TestFarEndIsRaw(t *testing.T) {
	p := open(t)
	far := openFar(t, p)
	const text = "a\rb\nc\x04\x7f\x11"
	if _, err := far.WriteString(text); err != nil {
		t.Fatal(err)
	}
	wantRead(t, p.Port, text)
	if _, err := p.Port.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	wantRead(t, far, text)
	p.Port.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := p.Port.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an echo came: %d bytes, %v", n, err)
	}
}

func TestReadWaitsUntilTheFarEndWasOpen(t *testing.T) {
	p := open(t)
	p.Port.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := p.Port.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read before anybody opened the far end: %v, want a deadline", err)
	}
}

func TestFarEndClosesAndComesBack(t *testing.T) {
	p := open(t)
	for range 2 {
		far := openFar(t, p)
		if _, err := far.WriteString("bye"); err != nil {
			t.Fatal(err)
		}
		far.Close()
		wantRead(t, p.Port, "bye")
		if _, err := p.Port.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
			t.Fatalf("read after the far end closed: %v, want %v", err, port.ErrCarrierLost)
		}
	}
}

// TestNamesExist opens several pairs, since the name of /dev/pts/0 is right even
// if the kernel's number was read from the wrong half of an int.
func TestNamesExist(t *testing.T) {
	seen := make(map[string]bool)
	for range 4 {
		p := open(t)
		if _, err := os.Stat(p.Name); err != nil || seen[p.Name] {
			t.Errorf("the far end is named %s: %v", p.Name, err)
		}
		seen[p.Name] = true
	}
}
