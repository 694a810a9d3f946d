package telnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe returns a Conn and the other end of its net.Pipe.
func pipe(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c := NewConn(near)
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far
}

// take reads n bytes from c.
func take(t *testing.T, c net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("read: %v", err)
	}
	return b
}

// TestWriteCutOff lets the deadline pass after every number of wire bytes and
// writes the rest afterwards: the peer gets every byte once, and commands that
// were sent meanwhile between them and not inside an escape.
func TestWriteCutOff(t *testing.T) {
	src := []byte("a\xffb\r\xff\xffc\r\n")
	for _, detached := range []bool{false, true} {
		for _, nvt := range []bool{false, true} {
			wire := escapeAll(src, nvt, 100)
			for n := range wire {
				synctest.Test(t, func(t *testing.T) {
					c, far := pipe(t)
					c.detached = detached
					c.SetNVT(false, nvt)
					c.SetWriteDeadline(time.Now().Add(time.Second))
					got := make(chan []byte, 1)
					go func() { got <- take(t, far, n) }()
					sent, err := c.Write(src)
					if !detached && !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("Write of which %d bytes were taken = %d, %v; want a deadline", n, sent, err)
					}
					c.SetWriteDeadline(time.Time{})
					c.Send(IAC, NOP)
					go c.Write(src[sent:])
					all := append(<-got, take(t, far, len(wire)+2-n)...)
					d := &Decoder{NVT: nvt}
					data, events := decodeAll(d, all)
					if !bytes.Equal(data, src) || len(events) != 1 {
						t.Errorf("cut after %d bytes, detached %v: the peer got %q and %q, want %q and a NOP", n, detached, data, events, src)
					}
				})
			}
		}
	}
}

// TestWriteCutOffCounts lets the deadline pass after every number of wire bytes:
// what Write reports as taken arrives without another call.
func TestWriteCutOffCounts(t *testing.T) {
	src := []byte("a\xffb\xff\xffc")
	wire := escapeAll(src, false, 100)
	for n := range wire {
		synctest.Test(t, func(t *testing.T) {
			c, far := pipe(t)
			c.detached = false
			c.SetWriteDeadline(time.Now().Add(time.Second))
			got := make(chan []byte, 1)
			go func() { got <- take(t, far, n) }()
			sent, err := c.Write(src)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write of which %d bytes were taken = %d, %v; want a deadline", n, sent, err)
			}
			rest := len(escapeAll(src[:sent], false, 100)) - n
			data, _ := decodeAll(new(Decoder), <-got, take(t, far, rest))
			if !bytes.Equal(data, src[:sent]) {
				t.Errorf("cut after %d bytes: Write says %d were taken, %q arrived", n, sent, data)
			}
		})
	}
}

func TestSendNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		go c.Write([]byte("data that nobody reads"))
		synctest.Wait()
		for range 100 {
			if err := c.Send(IAC, NOP); err != nil {
				t.Fatal(err)
			}
		}
		got := take(t, far, len("data that nobody reads")+200)
		_, events := decodeAll(new(Decoder), got)
		if len(events) != 100 {
			t.Errorf("%d commands arrived, want 100", len(events))
		}
	})
}

// TestFlood has a peer that asks and asks and takes no answers.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		asked := make(chan int, 1)
		go func() {
			questions := bytes.Repeat([]byte{IAC, DO, 99}, 1000)
			total := 0
			for {
				n, err := far.Write(questions)
				if total += n; err != nil {
					asked <- total
					return
				}
			}
		}()
		var err error
		for buf := make([]byte, 4096); err == nil; {
			var n int
			n, err = c.Read(buf)
			for raw := buf[:n]; len(raw) > 0; {
				_, raw, _ = c.Next(raw)
			}
		}
		if c.Err() != ErrFlood {
			t.Errorf("the connection ended with %v and %v, want ErrFlood", err, c.Err())
		}
		if n := cap(c.queue) + cap(c.spare); n > 4*queueMax {
			t.Errorf("unsent answers take %d bytes, want at most %d", n, 4*queueMax)
		}
		c.Close()
		if n := <-asked; n > 2*queueMax {
			t.Errorf("%d bytes of questions were read, want at most %d", n, 2*queueMax)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, ErrFlood) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after that: %v", err)
		}
	})
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		c.SetHold(HoldPeer, true)
		c.SetHold(HoldPeer, true)
		written := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("data"))
			written <- err
		}()
		c.Send(IAC, NOP)
		if got := take(t, far, 2); !bytes.Equal(got, []byte{IAC, NOP}) {
			t.Errorf("while suspended the peer got %q, want the command alone", got)
		}
		synctest.Wait()
		select {
		case err := <-written:
			t.Errorf("Write while suspended returned %v", err)
		default:
		}
		c.SetHold(HoldPeer, false)
		if got := take(t, far, 4); string(got) != "data" {
			t.Errorf("after that the peer got %q", got)
		}
	})
}

func TestCloseFrees(t *testing.T) {
	for _, detached := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := pipe(t)
			c.detached = detached
			errs := make(chan error, 3)
			for range 3 {
				go func() {
					_, err := c.Write(make([]byte, 3*queueMax))
					errs <- err
				}()
			}
			synctest.Wait()
			c.Close()
			for range 3 {
				if err := <-errs; !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write when the connection was closed: %v; want net.ErrClosed", err)
				}
			}
			if err := c.Send(IAC, NOP); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send after Close: %v; want net.ErrClosed", err)
			}
			if err := c.SetWriteDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("SetWriteDeadline after Close: %v; want net.ErrClosed", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// TestTimingMarkIsNoOption leaves timing marks to the layer above.
func TestTimingMarkIsNoOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe(t)
		_, _, ev := c.Next([]byte{IAC, DO, TimingMark})
		if ev.Kind != Negotiate || ev.Option != TimingMark {
			t.Errorf("Next gave %+v", ev)
		}
		c.Next([]byte{IAC, DO, 99})
		if got := take(t, far, 3); !bytes.Equal(got, []byte{IAC, WONT, 99}) {
			t.Errorf("the first answer was %v, want a refusal of option 99", got)
		}
	})
}
