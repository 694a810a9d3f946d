package ras_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// tlsPair returns the two ends of a TLS connection over a pipe.
func tlsPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	near = tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	far = tls.Server(b, &tls.Config{Certificates: []tls.Certificate{tlstest.Local(t).Pair}})
	done := make(chan error, 1)
	go func() { done <- far.(*tls.Conn).Handshake() }()
	if err := errors.Join(near.(*tls.Conn).Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// TestTLSKeepsWorking holds that no limit of one send harms a later one, and no
// cancelled send either, on a connection that a write that times out ruins.
func TestTLSKeepsWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := tlsPair(t)
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, &ras.Config{SendTimeout: 2 * time.Second})
		defer s.Close()
		send := func(ctx context.Context, text string) error {
			b, err := s.GetBuffer(0)
			if err != nil {
				return err
			}
			defer s.FreeBuffer(b)
			return s.SendBufferContext(ctx, s.Handle(), b, copy(b.Bytes(), text))
		}
		got := make(chan string, 10)
		read := func() {
			b := make([]byte, 100)
			n, _ := far.Read(b)
			got <- string(b[:n])
		}
		go read()
		if err := send(t.Context(), "first"); err != nil || <-got != "first" {
			t.Fatalf("the first send: %v", err)
		}
		<-time.After(1300 * time.Millisecond)
		time.AfterFunc(1400*time.Millisecond, read)
		start := time.Now()
		if err := send(t.Context(), "second"); err != nil || <-got != "second" || time.Since(start) != 1400*time.Millisecond {
			t.Errorf("a send past the limit of an earlier one: %v after %v, want success after 1.4s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := send(ctx, "cancelled"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a send whose context ends: %v after %v", err, time.Since(start))
		}
		go func() { read(); read() }()
		if err := send(t.Context(), "ATH\r"); err != nil {
			t.Errorf("the send after a cancelled one: %v", err)
		}
		if a, b := <-got, <-got; a != "cancelled" || b != "ATH\r" {
			t.Errorf("after the cancelled send the peer reads %q and %q", a, b)
		}
	})
}

// counting is a port that counts its calls.
type counting struct {
	fault
	calls atomic.Int64
}

func (c *counting) Read(b []byte) (int, error)  { c.calls.Add(1); return c.fault.Read(b) }
func (c *counting) Write(b []byte) (int, error) { c.calls.Add(1); return c.fault.Write(b) }

// TestTimeoutsOfThePort holds that a port which times out by itself ends the
// session instead of being asked again for ever, and that ETIMEDOUT is a lost
// link.
func TestTimeoutsOfThePort(t *testing.T) {
	lost := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	for _, v := range []struct {
		name     string
		err      error
		want     ras.Code
		maxCalls int64
	}{
		{"deadline", os.ErrDeadlineExceeded, ras.ErrPortOrDevice, 200},
		{"EAGAIN", syscall.EAGAIN, ras.ErrPortOrDevice, 200},
		{"ETIMEDOUT", lost, ras.ErrLinkFailure, 1},
	} {
		for _, obeys := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, obeys %v", v.name, obeys), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := virtual.Pair()
					defer far.Close()
					defer near.Close()
					p := &counting{fault: fault{Port: near}}
					p.read = func([]byte) (int, error) { return 0, v.err }
					p.write = func([]byte) (int, error) { return 0, v.err }
					var line port.Port = p
					if obeys {
						line = obedient{p}
					}
					for _, use := range []func(s *ras.Session, b ras.Buffer) error{
						func(s *ras.Session, b ras.Buffer) error {
							ev := ras.NewEvent()
							if err := s.ReceiveBuffer(s.Handle(), b, time.Hour, ev); err != nil {
								return err
							}
							if err := ev.Wait(t.Context()); err != nil {
								return err
							}
							_, err := s.RetrieveBuffer(s.Handle(), b)
							return err
						},
						func(s *ras.Session, b ras.Buffer) error { return s.SendBuffer(s.Handle(), b, 1) },
					} {
						p.calls.Store(0)
						s := ras.NewSession(line, nil)
						b, _ := s.GetBuffer(0)
						start := time.Now()
						checkCode(t, use(s, b), v.want)
						if n := p.calls.Load(); time.Since(start) > time.Second || n > v.maxCalls {
							t.Errorf("ended after %v and %d calls, want at most %d at once", time.Since(start), n, v.maxCalls)
						}
						s.Close()
					}
				})
			})
		}
	}
}

// obedient is a port that declares that it obeys deadlines.
type obedient struct{ port.Port }

func (obedient) Interruptible() bool { return true }

// deaf is a port that accepts deadlines and ignores them.
type deaf struct{ port.Port }

func (deaf) SetDeadline(time.Time) error      { return nil }
func (deaf) SetReadDeadline(time.Time) error  { return nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }

func TestPortThatIgnoresDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		s := ras.NewSession(deaf{near}, &ras.Config{SendTimeout: time.Second})
		b, _ := s.GetBuffer(0)
		other, _ := s.GetBuffer(0)
		receive := func(limit time.Duration) error {
			ev := ras.NewEvent()
			if err := s.ReceiveBuffer(s.Handle(), b, limit, ev); err != nil {
				return err
			}
			if err := ev.Wait(t.Context()); err != nil {
				return err
			}
			_, err := s.RetrieveBuffer(s.Handle(), b)
			return err
		}
		for range 3 {
			start := time.Now()
			checkCode(t, receive(100*time.Millisecond), ras.ErrRequestTimeout)
			if got := time.Since(start); got != 100*time.Millisecond {
				t.Errorf("a limit of 100ms passed after %v", got)
			}
		}
		time.AfterFunc(time.Second, func() { far.Write([]byte("x")) })
		checkCode(t, receive(time.Minute), ras.Success)
		start := time.Now()
		checkCode(t, s.SendBuffer(s.Handle(), other, 10), ras.ErrRequestTimeout)
		if got := time.Since(start); got != time.Second {
			t.Errorf("a send that is held off ended after %v, want 1s", got)
		}
		if err := s.FreeBuffer(other); err != nil {
			t.Errorf("the buffer of a send that was left behind: %v", err)
		}
		checkCode(t, receive(time.Second), ras.ErrRequestTimeout)
		start = time.Now()
		err := s.Close()
		checkCode(t, err, ras.ErrPortOrDevice)
		if got := time.Since(start); got > 6*time.Second || !strings.Contains(err.Error(), "ignores its deadline") {
			t.Errorf("Close returned after %v with %v", got, err)
		}
		near.Close()
		far.Close()
	})
}

// TestLimitWithoutAWaiterOnADeafPort holds that the limit of a receive passes on
// a port that ignores deadlines although nothing has read for it before.
func TestLimitWithoutAWaiterOnADeafPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		s := ras.NewSession(deaf{near}, nil)
		b, _ := s.GetBuffer(0)
		ev := ras.NewEvent()
		for range 2 {
			s.ReceiveBuffer(s.Handle(), b, 50*time.Millisecond, ev)
			<-time.After(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := ev.Wait(ctx); err != nil {
				t.Error(err)
			}
			cancel()
			_, err := s.RetrieveBuffer(s.Handle(), b)
			checkCode(t, err, ras.ErrRequestTimeout)
		}
		near.Close()
		far.Close()
		s.Close()
	})
}

// TestFreedDuringASendIsNoLeak holds that a buffer is no leak which the script
// has freed while a send that it has cancelled still reads it.
func TestFreedDuringASendIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(struct{ port.Port }{near}, nil)
		b, _ := s.GetBuffer(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		checkCode(t, s.SendBufferContext(ctx, s.Handle(), b, 10), ras.ErrRequestTimeout)
		checkCode(t, s.FreeBuffer(b), ras.Success)
		checkCode(t, s.Close(), ras.Success)
		if n := s.Stats().Leaked; n != 0 {
			t.Errorf("%d leaks", n)
		}
	})
}

// TestHandlesAreNotGuessed holds that a Call on an API of the user's own does not
// share the state of a session because its handle is a small number.
func TestHandlesAreNotGuessed(t *testing.T) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	for range 100 {
		s := ras.NewSession(near, nil)
		defer s.Close()
		(&ras.Call{API: s, Port: s.Handle()}).SetValue("key", "theirs")
	}
	for h := range ras.Handle(1000) {
		ours := &ras.Call{API: struct{ ras.API }{}, Port: h}
		if v := ours.Value("key"); v != nil {
			t.Errorf("a Call with the handle %d has the value of another run: %v", h, v)
		}
	}
}

// refusing is a port that has no deadlines.
type refusing struct{ port.Port }

func (refusing) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (refusing) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (refusing) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

func TestPortThatRefusesDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(refusing{near}, nil)
		b, _ := s.GetBuffer(0)
		ev := ras.NewEvent()
		err := s.ReceiveBuffer(s.Handle(), b, time.Second, ev)
		if err == nil {
			ev.Wait(t.Context())
			_, err = s.RetrieveBuffer(s.Handle(), b)
		}
		checkCode(t, err, ras.ErrNotSupported)
		if !strings.Contains(err.Error(), "port.FromStream") {
			t.Errorf("the error gives no advice: %v", err)
		}
		s.Close()

		s = ras.NewSession(refusing{near}, nil) // with which nothing is received
		err = s.Close()
		checkCode(t, err, ras.ErrNotSupported)
		if !strings.Contains(err.Error(), "port.FromStream") {
			t.Errorf("the error of Close gives no advice: %v", err)
		}
	})
}

// TestBuffersOfASend holds that a buffer which a send reads is refused to
// receives.
func TestBuffersOfASend(t *testing.T) {
	onBench(t, func(b *bench) {
		b.near.SetLines(0, 0)
		near, far := virtual.Pair(virtual.BufferSize(2))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		defer s.Close()
		buf, _ := s.GetBuffer(0)
		other, _ := s.GetBuffer(0)
		sent := make(chan error)
		go func() { sent <- s.SendBuffer(s.Handle(), buf, copy(buf.Bytes(), "password")) }()
		synctest.Wait()
		far.Write([]byte("RECEIVED"[:2]))
		ev := ras.NewEvent()
		b.code(s.ReceiveBuffer(s.Handle(), buf, 0, ev), ras.ErrAsyncRequestPending)
		b.code(s.ReceiveBuffer(s.Handle(), other, 0, ev), ras.Success)
		b.wait(ev)
		_, err := s.RetrieveBuffer(s.Handle(), buf)
		b.code(err, ras.ErrAsyncRequestPending)
		got := make([]byte, 8)
		io.ReadFull(far, got)
		if b.code(<-sent, ras.Success); string(got) != "password" {
			b.Errorf("the peer received %q", got)
		}
	})
}

// TestFreedHandleStaysInvalid holds that a handle that was freed never names the
// buffer of another owner.
func TestFreedHandleStaysInvalid(t *testing.T) {
	onBench(t, func(b *bench) {
		stale := b.buffer(10)
		b.code(b.s.FreeBuffer(stale), ras.Success)
		for range 100 {
			own := b.buffer(10)
			b.code(b.s.FreeBuffer(stale), ras.ErrBufferInvalid)
			b.code(b.s.SendBuffer(b.h, stale, 0), ras.ErrBufferInvalid)
			if stale.Bytes() != nil {
				b.Fatal("a freed handle gives memory")
			}
			b.code(b.s.FreeBuffer(own), ras.Success)
		}
	})
}

// TestLimitPassesWithoutAWaiter holds that the event of a receive is set at its
// limit, and what arrives later is left to the next receive.
func TestLimitPassesWithoutAWaiter(t *testing.T) {
	for name, look := range map[string]func(b *bench, ev *ras.Event){
		"wait":     func(b *bench, ev *ras.Event) { ev.Wait(b.Context()) },
		"channel":  func(b *bench, ev *ras.Event) { <-ev.C() },
		"retrieve": func(*bench, *ras.Event) {},
	} {
		onBench(t, func(b *bench) {
			buf := b.buffer(0)
			ev := b.post(buf, 100*time.Millisecond)
			<-time.After(500 * time.Millisecond)
			b.farSends("late")
			<-time.After(500 * time.Millisecond)
			look(b, ev)
			if err := b.retrieveFails(buf, ras.ErrRequestTimeout); err == nil {
				b.Errorf("%s: no time-out", name)
			}
			b.receive(buf, "late")
			ev = b.post(buf, 100*time.Millisecond)
			b.farSends("in time")
			<-time.After(time.Second)
			look(b, ev)
			b.retrieve(buf, "in time")
		})
	}
}

// TestSendTimeoutCoversTheQueue holds that sends which wait for each other end
// within one limit.
func TestSendTimeoutCoversTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(1))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, &ras.Config{SendTimeout: time.Second})
		defer s.Close()
		ended := make(chan time.Duration, 5)
		start := time.Now()
		for range 5 {
			b, _ := s.GetBuffer(0)
			go func() {
				s.SendBuffer(s.Handle(), b, 100)
				ended <- time.Since(start)
			}()
		}
		for range 5 {
			if got := <-ended; got > 1100*time.Millisecond {
				t.Errorf("a send ended after %v, want 1s", got)
			}
		}

		// One that gets its turn late.
		b, _ := s.GetBuffer(0)
		go s.SendBuffer(s.Handle(), b, 100)
		<-time.After(500 * time.Millisecond)
		start = time.Now()
		late, _ := s.GetBuffer(0)
		checkCode(t, s.SendBuffer(s.Handle(), late, 100), ras.ErrRequestTimeout)
		if got := time.Since(start); got != time.Second {
			t.Errorf("a send that had to wait for its turn ended after %v, want 1s", got)
		}
	})
}

func TestOddPorts(t *testing.T) {
	onBench(t, func(b *bench) {
		near := &fault{Port: b.near, write: func([]byte) (int, error) { return -1, nil }}
		s := ras.NewSession(near, nil)
		buf, _ := s.GetBuffer(0)
		if err := s.SendBuffer(s.Handle(), buf, 5); err == nil || s.Stats().Sent != 0 {
			b.Errorf("a port that has written -1 bytes: %v, %d bytes sent", err, s.Stats().Sent)
		}
		b.code(s.SendBuffer(s.Handle(), buf, 0), ras.Success) // decision 28: also on a port that has failed
		s.Close()
	})
}

// TestWaitEndsWithItsSession holds that a goroutine of a script that waits does
// not outlive the session.
func TestWaitEndsWithItsSession(t *testing.T) {
	onBench(t, func(b *bench) {
		ev := b.post(b.buffer(0), 0)
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- ev.Wait(context.Background()) }()
		}
		synctest.Wait()
		b.s.Close()
		for range 2 {
			b.code(<-done, ras.ErrInvalidPortHandle)
		}
	})
}

// TestCausesOfAContext holds that a cancel is 631 and a deadline 638 whatever
// cause was attached, and that the cause is found.
func TestCausesOfAContext(t *testing.T) {
	for _, cause := range []error{nil, errors.New("the operator pressed Cancel"), io.EOF, os.ErrDeadlineExceeded, ras.ErrAuthenticationFailure} {
		synctest.Test(t, func(t *testing.T) {
			cancelled, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			late, stop := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer stop()
			<-late.Done()
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			s := ras.NewSession(near, nil)
			defer s.Close()
			buf, _ := s.GetBuffer(0)
			for _, v := range []struct {
				ctx  context.Context
				want ras.Code
				std  error
			}{{cancelled, ras.ErrUserDisconnection, context.Canceled}, {late, ras.ErrRequestTimeout, context.DeadlineExceeded}} {
				for _, err := range []error{
					ras.ContextError(v.ctx),
					ras.NewEvent().Wait(v.ctx),
					s.SendBufferContext(v.ctx, s.Handle(), buf, 1),
				} {
					if ras.CodeOf(err) != v.want || !errors.Is(err, v.std) || cause != nil && !errors.Is(err, cause) {
						t.Errorf("cause %v: %v (code %d), want %d with the cause", cause, err, ras.CodeOf(err), v.want)
					}
				}
			}
		})
	}
	if err := ras.ContextError(t.Context()); err != nil {
		t.Errorf("a context that has not ended: %v", err)
	}
}

func TestGobRefusesASecret(t *testing.T) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(ras.DialParams{UserName: "joe", Password: "hunter2"})
	if err == nil || strings.Contains(b.String(), "hunter2") {
		t.Errorf("gob wrote %q, %v", b.String(), err)
	}
}
