package telnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// tcpConn returns a Conn on a TCP connection, and its peer.
func tcpConn(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(near)
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far.(*net.TCPConn)
}

// TestWriteIsLinear writes much in one call, of kinds that took seconds to
// minutes while each piece was searched anew. The limit is for the slowest of
// machines.
func TestWriteIsLinear(t *testing.T) {
	lines := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog again and again, for ever..\r\n"), 8<<20/73)
	plain := bytes.Repeat([]byte("x"), 64<<20)
	first := bytes.Clone(plain)
	first[0] = IAC
	tests := []struct {
		name string
		data []byte
		nvt  bool
	}{
		{"no escape", plain, false},
		{"one escape at the front", first, false},
		{"lines in NVT mode", lines, true},
		{"nothing but escapes", bytes.Repeat([]byte{IAC}, 16<<20), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, far := tcpConn(t)
			c.SetNVT(tt.nvt, tt.nvt)
			got := make(chan int64, 1)
			go func() {
				n, _ := io.Copy(io.Discard, far)
				got <- n
			}()
			c.SetWriteDeadline(time.Now().Add(5 * time.Second))
			start := time.Now()
			n, err := c.Write(tt.data)
			if n != len(tt.data) || err != nil {
				t.Fatalf("Write of %d bytes = %d, %v after %v", len(tt.data), n, err, time.Since(start))
			}
			t.Logf("%d MB in %v", n>>20, time.Since(start))
			c.Close()
			want := int64(len(tt.data) + bytes.Count(tt.data, []byte{IAC}))
			if tt.nvt {
				want += int64(bytes.Count(tt.data, []byte{'\r'}))
			}
			if got := <-got; got != want {
				t.Errorf("%d bytes arrived, want %d", got, want)
			}
		})
	}
}

// TestCommandsInterruptWrites sends a command while a Write waits for a peer
// that accepts nothing: the command is ahead of all data that the system had not
// accepted before.
func TestCommandsInterruptWrites(t *testing.T) {
	const tries = 50 // on a busy machine a deadline may pass before the buffers are full
	for try := 1; ; try++ {
		full, at := commandIntoWrite(t)
		if at >= full && at < full+plainMax {
			return
		}
		if at < full || try == tries {
			t.Fatalf("the command arrived after %d bytes, want it before the end of the piece of %d that began at %d", at, plainMax, full)
		}
	}
}

// commandIntoWrite sends a command while a Write is blocked. It returns how many
// bytes the system had accepted before that Write, and after how many the command
// arrived.
func commandIntoWrite(t *testing.T) (full, at int) {
	t.Helper()
	c, far := tcpConn(t)
	c.conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	far.SetReadBuffer(64 << 10)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	full, err := c.Write(data)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the system accepted %d bytes, %v", full, err)
	}
	c.SetWriteDeadline(time.Time{})
	done := make(chan error, 1)
	go func() {
		n, err := c.Write(data[full:])
		if err == nil && n != len(data)-full {
			err = io.ErrShortWrite
		}
		done <- err
	}()
	blocked := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.writing
	}
	for !blocked() {
		runtime.Gosched()
	}
	if err := c.Send(IAC, NOP); err != nil {
		t.Fatal(err)
	}
	var d Decoder
	buf := make([]byte, 64<<10)
	var got []byte
	at = -1
	for len(got) < len(data) {
		n, err := far.Read(buf)
		for raw := buf[:n]; len(raw) > 0; {
			data, rest, ev := d.Next(raw)
			got = append(got, data...)
			if ev.Kind == Command {
				at = len(got)
			}
			raw = rest
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil || !bytes.Equal(got, data) {
		t.Errorf("Write: %v; the data arrived whole: %v", err, bytes.Equal(got, data))
	}
	c.Close()
	return full, at
}

// TestDiscardWrites ends a Write: what it has reported as sent arrives before
// the next command, the rest not at all, and a later Write works.
func TestDiscardWrites(t *testing.T) {
	src := []byte("a\xffb\r\xff\xffc\r\n")
	for _, detached := range []bool{false, true} {
		for _, nvt := range []bool{false, true} {
			wire := escapeAll(src, nvt, 100)
			for n := range wire {
				synctest.Test(t, func(t *testing.T) {
					c, far := pipe(t)
					c.detached = detached
					c.SetNVT(false, nvt)
					got := make(chan []byte, 1)
					go func() { got <- take(t, far, n) }()
					type result struct {
						n   int
						err error
					}
					done := make(chan result, 1)
					go func() {
						n, err := c.Write(src)
						done <- result{n, err}
					}()
					synctest.Wait()
					c.DiscardWrites(true)
					r := <-done
					if !detached && r.err != ErrDiscarded {
						t.Errorf("Write of which %d bytes were read = %d, %v; want ErrDiscarded", n, r.n, r.err)
					}
					if _, err := c.Write(src); err != ErrDiscarded {
						t.Errorf("Write while writes are discarded: %v; want ErrDiscarded", err)
					}
					c.Send(IAC, NOP)
					c.DiscardWrites(false)
					go c.Write([]byte("new"))
					rest := len(escapeAll(src[:r.n], nvt, 100)) - n + 2 + 3
					all := append(<-got, take(t, far, rest)...)
					data, events := decodeAll(&Decoder{NVT: nvt}, all)
					if want := string(src[:r.n]) + "new"; string(data) != want || len(events) != 1 {
						t.Errorf("discarded after %d bytes, detached %v: the peer got %q and %q, want %q and a NOP", n, detached, data, events, want)
					}
				})
			}
		}
	}
}

// TestHoldsAreIndependent holds data for two reasons.
func TestHoldsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		c.SetHold(HoldNegotiation, true)
		c.SetHold(HoldPeer, true)
		c.SetHold(HoldNegotiation, false)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write while one of two holds is left = %d, %v; want a deadline", n, err)
		}
		c.SetWriteDeadline(time.Time{})
		go c.Write([]byte("data"))
		c.SetHold(HoldPeer, false)
		take(t, far, 4)
	})
}

// TestRawConn passes everything as it is.
func TestRawConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, detached := range []bool{false, true} {
			c, far := pipe(t)
			c.detached = detached
			c.SetRaw()
			text := []byte("\xff\xfb\x2c\r\xff")
			go c.Write(text)
			if got := take(t, far, len(text)); !bytes.Equal(got, text) {
				t.Errorf("the peer got %q, want %q", got, text)
			}
			if data, rest, ev := c.Next(text); !bytes.Equal(data, text) || len(rest) > 0 || ev.Kind != None {
				t.Errorf("Next gave %q, %q, %+v", data, rest, ev)
			}
		}
	})
}

// TestSendText sends text without escapes, held data or not, and waits for it.
func TestSendText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		c.SetNVT(true, true)
		c.SetHold(HoldPeer, true)
		sent := make(chan error, 1)
		go func() { sent <- c.SendText("bye\r\n") }()
		if got := take(t, far, 5); string(got) != "bye\r\n" {
			t.Errorf("the peer got %q", got)
		}
		if err := <-sent; err != nil {
			t.Errorf("SendText: %v", err)
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if err := c.SendText("nobody reads"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("SendText to a peer that does not read: %v; want a deadline", err)
		}
	})
}

// TestDeadlineMeetsWrite moves the deadline while Write is about to block in the
// system. The deadline must end it, whichever of the two is first.
func TestDeadlineMeetsWrite(t *testing.T) {
	c, _ := tcpConn(t)
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	data := make([]byte, 64<<20)
	if _, err := c.Write(data); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err) // the system's buffers were to be full
	}
	for i := range 20_000 {
		c.SetWriteDeadline(time.Time{})
		done := make(chan error)
		go func() {
			_, err := c.Write(data)
			done <- err
		}()
		for range i % 16 {
			runtime.Gosched()
		}
		c.SetWriteDeadline(past)
		select {
		case err := <-done:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("Write %d blocks beyond its deadline", i)
		}
	}
}

// partial is a connection whose first Write takes two bytes and times out.
type partial struct {
	net.Conn
	meanwhile func()
	got       []byte
}

func (p *partial) Write(b []byte) (int, error) {
	n, err := len(b), error(nil)
	if p.meanwhile != nil {
		p.meanwhile()
		p.meanwhile = nil
		n, err = 2, os.ErrDeadlineExceeded
	}
	p.got = append(p.got, b[:n]...)
	return n, err
}

// TestRestBeforeNewerOutput holds that what a write has left is written before what
// was queued meanwhile, and that each write wakes those that wait for room.
func TestRestBeforeNewerOutput(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	p := &partial{Conn: near}
	c := NewConn(p)
	defer c.Close()
	queue := func(text string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.queue = append(c.queue, text...)
	}
	p.meanwhile = func() { queue("newer") }
	queue("older")
	c.wire <- struct{}{}
	for range 2 {
		c.mu.Lock()
		room := c.changed.Changed()
		c.mu.Unlock()
		c.flushOnce()
		select {
		case <-room:
		default:
			t.Error("a Write that waits for room in the queue does not look again")
		}
	}
	<-c.wire
	if string(p.got) != "oldernewer" {
		t.Errorf("written was %q", p.got)
	}
}
