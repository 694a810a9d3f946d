package rfc2217_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// TestModesRoundTrip sets every value that the protocol has.
func TestModesRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		p := dialPipe(t, l, rfc2217.Config{})
		modes := []string{"1", "50", "75", "110", "300", "255", "65535", "4294967", "16777215", "2147483647", "115200"}
		for _, bits := range "8765" {
			for _, parity := range "NOEMS" {
				for _, stop := range []string{"1", "2", "1.5"} {
					modes = append(modes, string(bits)+string(parity)+stop)
				}
			}
		}
		for _, text := range append(modes, "rtscts", "xonxoff", "none") {
			m, err := port.ParseMode(text)
			if err != nil {
				continue // 8N1.5 and the like
			}
			if err := p.SetMode(m); err != nil {
				t.Errorf("SetMode(%s): %v", text, err)
			}
			got, err := p.Mode()
			if err != nil || m.Merge(got) != got {
				t.Errorf("Mode after SetMode(%s) = %v, %v", text, got, err)
			}
		}
		if m, _ := far.Mode(); m.String() != "115200,8N1,none" {
			t.Errorf("the far end's own mode became %v", m)
		}
	})
}

// TestLinesAndBreakBothWays carries every modem line and a break in both
// directions between client and server.
func TestLinesAndBreakBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		p := dialPipe(t, l, rfc2217.Config{})
		synctest.Wait()

		steps := []struct {
			why   string
			do    func() error
			there port.Lines // what the far end sees
			here  port.Lines // what the client sees
		}{
			{"at first", func() error { return nil }, port.Outputs | port.CTS | port.DSR | port.DCD, port.Outputs | port.CTS | port.DSR | port.DCD},
			{"our DTR falls", func() error { return p.SetLines(port.DTR, 0) }, port.Outputs | port.CTS, port.RTS | port.CTS | port.DSR | port.DCD},
			{"our RTS falls", func() error { return p.SetLines(port.RTS, 0) }, port.Outputs, port.CTS | port.DSR | port.DCD},
			{"their DTR falls", func() error { return far.SetLines(port.DTR, 0) }, port.RTS, port.CTS},
			{"their RTS falls", func() error { return far.SetLines(port.RTS, 0) }, 0, 0},
			{"all rise", func() error {
				return errors.Join(p.SetLines(port.Outputs, port.Outputs), far.SetLines(port.Outputs, port.Outputs))
			}, port.Outputs | port.CTS | port.DSR | port.DCD, port.Outputs | port.CTS | port.DSR | port.DCD},
		}
		for _, s := range steps {
			if err := s.do(); err != nil {
				t.Fatalf("%s: %v", s.why, err)
			}
			synctest.Wait()
			if got, err := far.Lines(); err != nil || got != s.there {
				t.Errorf("%s: the far end has %v, %v; want %v", s.why, got, err, s.there)
			}
			if got, err := p.Lines(); err != nil || got != s.here {
				t.Errorf("%s: the client has %v, %v; want %v", s.why, got, err, s.here)
			}
		}

		time.AfterFunc(time.Second, func() { far.SetLines(port.DTR, 0) })
		if got, err := p.WaitLines(bounded(t), port.DCD); err != nil || got.Has(port.DCD) {
			t.Errorf("WaitLines(DCD) = %v, %v; want it to end when DCD falls", got, err)
		}

		start := time.Now()
		if err := p.SendBreak(t.Context(), 400*time.Millisecond); err != nil || elapsed(start) != 400*time.Millisecond {
			t.Errorf("SendBreak: %v after %v", err, elapsed(start))
		}
		if n, err := far.AwaitBreak(bounded(t), 0); n != 1 || err != nil {
			t.Errorf("the far end has %d breaks, %v; want 1", n, err)
		}
		if err := far.SendBreak(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second) // the server looks at its counters four times meanwhile
		synctest.Wait()
		if s, err := p.Stats(); err != nil || s.Breaks != 1 {
			t.Errorf("Stats = %+v, %v; want one break", s, err)
		}
	})
}

// TestRing has a modem at the peer ring.
func TestRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		p := dialPipe(t, l, rfc2217.Config{})
		time.AfterFunc(time.Minute, func() { far.Drive(port.RI, port.RI) })
		start := time.Now()
		got, err := p.WaitLines(t.Context(), port.RI)
		if err != nil || !got.Has(port.RI) || elapsed(start) != time.Minute {
			t.Errorf("WaitLines(RI) = %v, %v after %v; want RI after 1m", got, err, elapsed(start))
		}
	})
}

// TestLineErrors has noise on the line, which the server counts for the client.
func TestLineErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{}, virtual.Noise(0.3), virtual.Mode(port.Mode{Parity: port.ParityEven}))
		p := dialPipe(t, l, rfc2217.Config{})
		if _, err := far.Write(bytes.Repeat([]byte("noise"), 50)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if s, err := p.Stats(); err != nil || s.Parity == 0 || s.Framing == 0 {
			t.Errorf("Stats = %+v, %v; want parity and framing errors", s, err)
		}
	})
}

// slowCounter is a port that takes its time to drain, and longer to count errors.
type slowCounter struct{ *virtual.Port }

func (s slowCounter) Drain(ctx context.Context) error {
	<-time.After(5 * time.Millisecond)
	return s.Port.Drain(ctx)
}

func (s slowCounter) Stats() (port.Stats, error) {
	<-time.After(10 * time.Millisecond)
	return s.Port.Stats()
}

// TestErrorsAfterDial has noise on the line as soon as Dial has returned: the server
// answers the last question of Dial after it has begun to count.
func TestErrorsAfterDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, far := virtual.Pair(virtual.Noise(0.3), virtual.Mode(port.Mode{Parity: port.ParityEven}))
		p := dialPipe(t, serveBubble(t, &rfc2217.Server{Port: slowCounter{shared}}), rfc2217.Config{})
		if _, err := far.Write(bytes.Repeat([]byte("noise"), 50)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if s, err := p.Stats(); err != nil || s.Parity == 0 || s.Framing == 0 {
			t.Errorf("Stats = %+v, %v; want parity and framing errors", s, err)
		}
	})
}

// TestPurgeOvertakesHeldOutput shares a line that takes nothing for want of CTS:
// a purge reaches the server and frees it.
func TestPurgeOvertakesHeldOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{}, virtual.BufferSize(16), virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}))
		p := dialPipe(t, l, rfc2217.Config{})
		if err := far.SetLines(port.RTS, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(bytes.Repeat([]byte("old "), 1000)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain of a line that is held off: %v; want the context's error", err)
		}
		if err := p.Discard(port.Output); err != nil {
			t.Fatalf("Discard: %v", err)
		}
		if _, err := p.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if err := far.SetLines(port.RTS, port.RTS); err != nil {
			t.Fatal(err)
		}
		expect(t, far, "new")
	})
}

// TestTaciturnClient answers nothing but one option that does not matter.
func TestTaciturnClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{KeepState: true})
		c := l.connect()
		defer c.Close()
		go c.Write([]byte{telnet.IAC, telnet.DONT, telnet.Echo})
		far.Write([]byte("login: "))
		start := time.Now()
		got := make([]byte, 0, 100)
		for !bytes.Contains(got, []byte("login: ")) {
			n, err := c.Read(got[len(got):cap(got)])
			if got = got[:len(got)+n]; err != nil {
				t.Fatalf("read %q and then %v", got, err)
			}
		}
		if took := elapsed(start); took != 2*time.Second {
			t.Errorf("the data came after %v, want 2s", took)
		}
	})
}

func TestDrainWaitsForTheFarPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{}, virtual.LineSpeed(300), virtual.Mode(port.Mode{Baud: 300}))
		p := dialPipe(t, l, rfc2217.Config{})
		start := time.Now()
		if _, err := p.Write(make([]byte, 300)); err != nil {
			t.Fatal(err)
		}
		go io.CopyN(io.Discard, far, 300)
		if err := p.Drain(t.Context()); err != nil || elapsed(start) < 9*time.Second {
			t.Errorf("Drain of 300 characters at 300 bit/s: %v after %v, want about 10s", err, elapsed(start))
		}
	})
}

func TestServerLimits(t *testing.T) {
	tests := []struct {
		name   string
		server *rfc2217.Server
		client func(c net.Conn) // what the client does; the connection stays open
		within time.Duration
	}{
		{"a client that never speaks", &rfc2217.Server{}, func(net.Conn) {}, 10 * time.Second},
		{"the same with a limit of its own", &rfc2217.Server{HandshakeTimeout: time.Second}, func(net.Conn) {}, time.Second},
		{"one that speaks HTTP", &rfc2217.Server{}, func(c net.Conn) { c.Write([]byte("GET / HTTP/1.0\r\n\r\n")) }, 0},
		{"one that speaks no Telnet", &rfc2217.Server{}, func(c net.Conn) { c.Write([]byte("hello\r\n")) }, 10 * time.Second},
		{"one that idles", &rfc2217.Server{IdleTimeout: time.Minute}, func(c net.Conn) { c.Write([]byte{telnet.IAC, telnet.DONT, telnet.Binary}) }, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _ := bubble(t, tt.server)
				c := l.connect()
				defer c.Close()
				start := time.Now()
				go tt.client(c)
				io.Copy(io.Discard, c)
				if took := elapsed(start); took < tt.within || took > tt.within+time.Second {
					t.Errorf("the connection ended after %v, want %v", took, tt.within)
				}
			})
		})
	}
}

// TestGreedyClient reads nothing while the peer sends: the port is held off,
// and the server keeps no more than its buffers.
func TestGreedyClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rfc2217.Server{}
		l, far := bubble(t, s)
		p := dialPipe(t, l, rfc2217.Config{Buffer: 1})
		far.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := far.Write(make([]byte, 1<<20))
		if err == nil || n > 256<<10 {
			t.Errorf("%d bytes went to a client that does not read, %v; want few, and a deadline", n, err)
		}
		// Other clients are answered immediately, and the port is free as soon as it leaves.
		c := l.connect()
		said, _ := io.ReadAll(c)
		if !strings.Contains(string(said), "in use") {
			t.Errorf("the second client was told %q", said)
		}
		p.Close()
		synctest.Wait()
		dialPipe(t, l, rfc2217.Config{})
	})
}

// TestLastWords has a client write and leave immediately.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{}, virtual.LineSpeed(1200))
		p := dialPipe(t, l, rfc2217.Config{})
		if _, err := p.Write([]byte("+++ATH\r")); err != nil {
			t.Fatal(err)
		}
		p.Close()
		expect(t, far, "+++ATH\r")
		awaitLines(t, far, port.DSR|port.CTS, 0) // hung up behind the client
		again := dialPipe(t, l, rfc2217.Config{})
		awaitLines(t, far, port.DSR|port.CTS, port.DSR|port.CTS)
		pass(t, far, again, "OK\r\n")
	})
}

// TestPlainClient has a terminal program without COM-PORT.
func TestPlainClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, far := bubble(t, &rfc2217.Server{})
		p := dialPipe(t, l, rfc2217.Config{Plain: rfc2217.PlainOnly})
		pass(t, p, far, "to\r\n\xff\x00")
		pass(t, far, p, "from\r\x00\xff")
		p.Close()
		synctest.Wait()

		c := l.connect()
		defer c.Close()
		go func() {
			var d telnet.Decoder
			buf := make([]byte, 512)
			for {
				n, err := c.Read(buf)
				for raw := buf[:n]; len(raw) > 0; {
					_, rest, ev := d.Next(raw)
					if raw = rest; ev.Kind == telnet.Negotiate {
						c.Write([]byte{telnet.IAC, refuse(ev.Verb, ev.Option), ev.Option})
					}
				}
				if err != nil {
					return
				}
			}
		}()
		c.Write([]byte("a\r\x00b\r\n\xff\xf3"))
		expect(t, far, "a\rb\r\n")
		if n, err := far.AwaitBreak(bounded(t), 0); n != 1 || err != nil {
			t.Errorf("an IAC BRK gave %d breaks, %v; want 1", n, err)
		}
	})
}

// TestNegotiationIsBounded counts what two of our own exchange before they are
// silent.
func TestNegotiationIsBounded(t *testing.T) {
	for _, plain := range []rfc2217.Plain{rfc2217.RequireComPort, rfc2217.AllowPlain, rfc2217.PlainOnly} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := bubble(t, &rfc2217.Server{})
			counted := &countingConn{}
			p, err := rfc2217.Dial(t.Context(), "pipe", &rfc2217.Config{Plain: plain, Dial: func(context.Context, string, string) (net.Conn, error) {
				counted.Conn = l.connect()
				return counted, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			<-time.After(time.Hour)
			synctest.Wait()
			if n := counted.total(); n > 400 {
				t.Errorf("client and server exchanged %d bytes to agree, want at most 400", n)
			} else {
				t.Logf("plain %d: %d bytes to agree, both ways", plain, n)
			}
		})
	}
}

type countingConn struct {
	net.Conn
	mu sync.Mutex
	n  int
}

func (c *countingConn) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
}

func (c *countingConn) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.add(n)
	return n, err
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.add(n)
	return n, err
}
