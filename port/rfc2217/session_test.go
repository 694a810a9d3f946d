package rfc2217_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// TestSessionsAreSeparate has one client leave settings, a break and an answer
// of the device behind: the next one finds none of them, unless the server is to
// keep them.
func TestSessionsAreSeparate(t *testing.T) {
	tests := []struct {
		name   string
		server *rfc2217.Server
		mode   string // the second client's
		kept   bool
	}{
		{"as it was found", &rfc2217.Server{}, "2400,8N2,none", false},
		{"configured", &rfc2217.Server{Mode: port.Mode{Baud: 19200}}, "19200,8N2,none", false},
		{"kept", &rfc2217.Server{KeepState: true}, "300,7E2,none", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, far := bubble(t, tt.server, virtual.Mode(port.Mode{Baud: 2400, StopBits: port.StopTwo}))
				far.SetMode(port.Mode{Baud: 2400})
				a := dialPipe(t, l, rfc2217.Config{Mode: port.Mode{Baud: 300, DataBits: 7, Parity: port.ParityEven}})
				pass(t, a, far, "question")
				a.Close()
				awaitLines(t, far, port.DSR|port.CTS, 0)
				if _, err := far.Write([]byte("SECRET ANSWER FOR A")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if m, _ := tt.server.Port.(port.ModeSetter).Mode(); m.String() != tt.mode {
					t.Errorf("after the first client the port has the mode %v, want %s", m, tt.mode)
				}
				b := dialPipe(t, l, rfc2217.Config{})
				if m, err := b.Mode(); err != nil || m.String() != tt.mode {
					t.Errorf("the second client finds the mode %v, %v; want %s", m, err, tt.mode)
				}
				b.SetReadDeadline(time.Now().Add(time.Minute))
				if got, _ := io.ReadAll(b); len(got) > 0 != tt.kept {
					t.Errorf("the second client reads %q", got)
				}
			})
		})
	}
}

// TestOutputIsNotLeftBehind ends a session that its client did not end, with
// output held off: the next client's output is not behind it.
func TestOutputIsNotLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{IdleTimeout: time.Minute}, virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}))
		far.SetLines(port.RTS, 0)
		a := dialPipe(t, l, rfc2217.Config{})
		a.Write(bytes.Repeat([]byte("old "), 10_000))
		<-time.After(2 * time.Minute)
		far.SetLines(port.RTS, port.RTS)
		b := dialPipe(t, l, rfc2217.Config{})
		pass(t, b, far, "new")
	})
}

// TestCloseDrainsWhileBytesMove has a client write much to a slow line and
// leave: all of it arrives, however long that takes, and others are refused.
func TestCloseDrainsWhileBytesMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l, far := bubble(t, &rfc2217.Server{Log: slog.New(slog.NewTextHandler(&out, nil))}, virtual.LineSpeed(0), virtual.Mode(port.Mode{Baud: 9600}))
		p := dialPipe(t, l, rfc2217.Config{})
		const size = 60_000
		if _, err := p.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		got := make(chan int, 1)
		start := time.Now()
		go func() {
			n, _ := io.CopyN(io.Discard, far, size)
			got <- int(n)
		}()
		<-time.After(30 * time.Second)
		other := newRawClient(t, l.connect())
		if told := other.end(t); !strings.Contains(told, "still sends what its last client has left") {
			t.Errorf("another client was told %q", told)
		}
		if n := <-got; n != size || elapsed(start) < time.Minute {
			t.Errorf("%d of %d bytes arrived after %v", n, size, elapsed(start))
		}
		awaitLines(t, far, port.DSR|port.CTS, 0)
		synctest.Wait()
		if strings.Contains(out.String(), "dropped") {
			t.Errorf("the log has dropped bytes:\n%s", out.String())
		}
	})
}

// TestCloseReportsWhatItDropped has the line accept nothing of what a client has
// left.
func TestCloseReportsWhatItDropped(t *testing.T) {
	tests := []struct {
		name    string
		timeout time.Duration
		within  time.Duration
	}{
		{"default", 0, 10 * time.Second},
		{"longer", time.Minute, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				s := &rfc2217.Server{DrainTimeout: tt.timeout, Log: slog.New(slog.NewTextHandler(&out, nil))}
				l, far := bubble(t, s, virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}), virtual.BufferSize(1000))
				far.SetLines(port.RTS, 0)
				p := dialPipe(t, l, rfc2217.Config{})
				if _, err := p.Write(make([]byte, 5000)); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				p.Close()
				start := time.Now()
				for lines := port.DSR; lines.Has(port.DSR); {
					far.WaitLines(t.Context(), port.DSR)
					lines, _ = far.Lines()
				}
				if took := elapsed(start); took < tt.within || took > tt.within+2*time.Second {
					t.Errorf("the server gave up after %v, want %v", took, tt.within)
				}
				synctest.Wait()
				if !strings.Contains(out.String(), "dropped=4000") || !strings.Contains(out.String(), "accepts no data") {
					t.Errorf("the log does not have what was dropped:\n%s", out.String())
				}
			})
		})
	}
}

// TestHalfClose has a client without COM-PORT close its side after a question:
// it gets the answer.
func TestHalfClose(t *testing.T) {
	t.Parallel()
	shared, far := virtual.Pair()
	c := dialRaw(t, serve(t, &rfc2217.Server{}, shared))
	c.greeted(t)
	c.send(t, telnet.IAC, telnet.DONT, telnet.Echo, 'A', 'T', 'I', '\r')
	c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	expect(t, far, "ATI\r")
	if _, err := far.Write([]byte("a modem\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := c.end(t); !strings.Contains(got, "a modem") {
		t.Errorf("the client received %q, want the answer", got)
	}
	// A client that connects while the server waits for more answers gets the
	// port.
	c = dialRaw(t, serve(t, &rfc2217.Server{}, shared))
	c.greeted(t)
}

// TestReconnect connects again and again without a pause.
func TestReconnect(t *testing.T) {
	shared, far := virtual.Pair()
	addr := serve(t, &rfc2217.Server{}, shared)
	for i := range 50 {
		cfg := &rfc2217.Config{Plain: []rfc2217.Plain{rfc2217.RequireComPort, rfc2217.PlainOnly}[i%2]}
		p, err := rfc2217.Dial(bounded(t), addr, cfg)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		pass(t, p, far, "text")
		p.Close()
	}
}

// TestPortFails has the shared port fail: Serve ends with the cause, and a plain
// client is notified.
func TestPortFails(t *testing.T) {
	tests := []struct {
		name string
		fail func(shared, far *virtual.Port)
		want error
	}{
		{"removed", func(shared, far *virtual.Port) { shared.Unplug() }, port.ErrRemoved},
		{"hung up", func(shared, far *virtual.Port) { far.Close() }, port.ErrCarrierLost},
		{"closed", func(shared, far *virtual.Port) { shared.Close() }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared, far := virtual.Pair()
				s := &rfc2217.Server{Port: shared}
				ls := []*pipeListener{newPipeListener(), newPipeListener()}
				served := make(chan error, 2)
				for _, l := range ls {
					go func() { served <- s.Serve(l) }()
				}
				c := newRawClient(t, ls[0].connect())
				c.send(t, telnet.IAC, telnet.DONT, telnet.Echo)
				synctest.Wait()
				tt.fail(shared, far)
				for range ls {
					if err := <-served; tt.want != nil && !errors.Is(err, tt.want) || err == nil {
						t.Errorf("Serve: %v; want %v", err, tt.want)
					}
				}
				if told := c.end(t); !strings.Contains(told, "The port has failed") {
					t.Errorf("the client was told %q", told)
				}
				s.Close()
			})
		})
	}
}

// TestPortHasFailed has the shared port fail while no client is connected: the
// next one is notified, and Serve ends.
func TestPortHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, _ := virtual.Pair()
		s := &rfc2217.Server{Port: shared}
		l := newPipeListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		shared.Unplug()
		start := time.Now()
		c := newRawClient(t, l.connect())
		c.send(t, 'A', 'T')
		c.send(t, agreement...)
		if err := <-served; !errors.Is(err, port.ErrRemoved) || elapsed(start) > 0 {
			t.Errorf("Serve: %v after %v; want port.ErrRemoved", err, elapsed(start))
		}
		if told := c.end(t); !strings.Contains(told, "The port has failed") {
			t.Errorf("the client was told %q", told)
		}
		s.Close()
	})
}

// TestReopen opens a port again that has failed, after some tries.
func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, far := virtual.Pair()
		next, nextFar := virtual.Pair()
		tries := 0
		s := &rfc2217.Server{Port: shared, Reopen: func(_ context.Context, old port.Port) (port.Port, error) {
			if old != port.Port(shared) {
				t.Errorf("Reopen was called with %v", old)
			}
			old.Close()
			if tries++; tries < 3 {
				return nil, errors.New("still unplugged")
			}
			return next, nil
		}}
		l := newPipeListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		p := dialPipe(t, l, rfc2217.Config{})
		pass(t, p, far, "before")
		shared.Unplug()
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("the client's Read: %v; want port.ErrCarrierLost", err)
		}
		<-time.After(2 * time.Second)
		other := newRawClient(t, l.connect())
		if told := other.end(t); !strings.Contains(told, "not available: still unplugged") {
			t.Errorf("a client was told %q, want the reason", told)
		}
		<-time.After(5 * time.Second)
		p = dialPipe(t, l, rfc2217.Config{})
		pass(t, p, nextFar, "after")
		s.Close()
		if err := <-served; tries != 3 {
			t.Errorf("Serve: %v after %d tries", err, tries)
		}
	})
}
