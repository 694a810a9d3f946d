package scripttest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
)

// said returns what a peer sends within a minute when it hears s in pieces
// of the given size, all at the same time.
func said(t *testing.T, s string, size int, start func(p port.Port) (*Transcript, func() error)) (sent string) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(1 << 16))
		defer near.Close()
		log, end := start(far)
		defer end()
		near.SetWriteDeadline(time.Now().Add(time.Minute))
		for s != "" {
			n := min(size, len(s))
			if _, err := near.Write([]byte(s[:n])); err != nil {
				break // it has hung up
			}
			s = s[n:]
		}
		<-time.After(time.Minute)
		sent = string(log.Sent())
	})
	return sent
}

// Whatever a modem hears, it neither breaks nor depends on how it was cut.
func FuzzModem(f *testing.F) {
	for _, s := range []string{"ATZ\r", "ATE0V0\rATI3\rA/", "ATD1\rATDT2\r\n", "at s0=1 S0?\r", "AT&F&C1&D2X4\r+++ATH\r", "AT+GMI;+GMM;D1;\rA/a/"} {
		f.Add(s)
	}
	start := func(p port.Port) (*Transcript, func() error) {
		m := NewModem(p, &ModemConfig{Numbers: map[string]Answer{"1": {Result: "BUSY"}}})
		return m.Transcript(), m.Close
	}
	f.Fuzz(func(t *testing.T, s string) {
		whole := said(t, s, 1<<16, start)
		for _, size := range []int{1, 3} {
			if got := said(t, s, size, start); got != whole {
				t.Errorf("%q in pieces of %d: said %q, want %q", s, size, got, whole)
			}
		}
	})
}

// The same for a host.
func FuzzLogin(f *testing.F) {
	for _, s := range []string{"guest\rsecret\r1\r", "guest\r\nsecret\r\nppp\r\n", "x\b\b\x7Fguest\n\nsecret\n9\n", "\r\r\r\r\r\r"} {
		f.Add(s)
	}
	start := func(p port.Port) (*Transcript, func() error) {
		l := NewLogin(p, &LoginConfig{Menu: []string{"PPP", "Quit"}, Noise: 3})
		return l.Transcript(), l.Close
	}
	f.Fuzz(func(t *testing.T, s string) {
		whole := said(t, s, 1<<16, start)
		for _, size := range []int{1, 3} {
			if got := said(t, s, size, start); got != whole {
				t.Errorf("%q in pieces of %d: said %q, want %q", s, size, got, whole)
			}
		}
	})
}

// onKernelTerminal returns both ends of a pseudo-terminal.
func onKernelTerminal(t *testing.T) (near *terminal, far port.Port) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has no pseudo-terminals that we can open: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	p, err := port.Open(t.Context(), pair.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &terminal{t: t, port: p}, pair.Port
}

func TestLoginOnAKernelTerminal(t *testing.T) {
	near, far := onKernelTerminal(t)
	l := NewLogin(far, nil)
	defer l.Close()
	near.await(10*time.Second, "login: ")
	near.send("guest\r")
	near.await(10*time.Second, "Password: ")
	near.send("secret\r")
	near.await(10*time.Second, string(PPPFrame()))
	if !l.LoggedIn() {
		t.Error("not logged in")
	}
}

func TestModemOnAKernelTerminal(t *testing.T) {
	near, far := onKernelTerminal(t)
	inside, outside := virtual.Pair()
	m := NewModem(far, &ModemConfig{Profile: "S12=1", Numbers: map[string]Answer{"1": {Far: inside}}})
	defer m.Close()
	near.send("ATD1\r")
	near.await(10*time.Second, "CONNECT 115200\r\n")
	host := &terminal{t: t, port: outside}
	near.send("hello")
	host.await(10*time.Second, "hello")
	host.send("world")
	near.await(10*time.Second, "world")
	host.port.Close()
	near.await(10*time.Second, "\r\nNO CARRIER\r\n")
	near.send("ATI3\r")
	near.await(10*time.Second, "rasline test modem\r\n\r\nOK\r\n")
}
