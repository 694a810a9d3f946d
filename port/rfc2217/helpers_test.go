package rfc2217_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// limit bounds everything in these tests that is meant to happen.
const limit = 20 * time.Second

// raceEnabled reports that the race detector is on, which takes memory and time.
var raceEnabled bool

func TestMain(m *testing.M) {
	peertest.Parallel(16)
	os.Exit(m.Run())
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve shares p on a new listener until the test ends and returns the address.
func serve(t testing.TB, s *rfc2217.Server, p port.Port) string {
	t.Helper()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.ServePort(l, p) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) && !errors.Is(err, port.ErrRemoved) && err == nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return l.Addr().String()
}

// bounded returns a context for what a test expects to happen.
func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, addr string, cfg *rfc2217.Config) *rfc2217.Port {
	t.Helper()
	p, err := rfc2217.Dial(bounded(t), addr, cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// remote returns a client of a server of our own, and the peer of the
// null-modem cable that the server shares the near end of.
func remote(t testing.TB, cfg *rfc2217.Config, opts ...virtual.Option) (near *rfc2217.Port, far *virtual.Port) {
	t.Helper()
	shared, far := virtual.Pair(opts...)
	addr := serve(t, &rfc2217.Server{Poll: 5 * time.Millisecond}, shared)
	return dial(t, addr, cfg), far
}

// expect reads want from p.
func expect(t testing.TB, p port.Port, want string) {
	t.Helper()
	p.SetReadDeadline(time.Now().Add(limit))
	defer p.SetReadDeadline(time.Time{})
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		k, err := p.Read(got[n:])
		n += k
		if err != nil {
			t.Fatalf("read %d of %d bytes and then %v; want %.40q", n, len(want), err, want)
		}
	}
	if string(got) != want {
		t.Fatalf("read %.200q, want %.200q", got, want)
	}
}

// pass sends text from one port and expects it at the other.
func pass(t testing.TB, from, to port.Port, text string) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write([]byte(text))
		sent <- err
	}()
	expect(t, to, text)
	if err := <-sent; err != nil {
		t.Fatalf("Write(%.40q): %v", text, err)
	}
}

// awaitLines waits until the lines of mask are want.
func awaitLines(t testing.TB, p port.LineController, mask, want port.Lines) {
	t.Helper()
	ctx := bounded(t)
	got, err := p.Lines()
	for err == nil && got&mask != want {
		step, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err = p.WaitLines(step, mask)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = nil // the change may have come before the wait
		}
		if err == nil {
			got, err = p.Lines()
		}
	}
	if err != nil {
		t.Fatalf("lines are %v, want %v of %v: %v", got, want, mask, err)
	}
}
