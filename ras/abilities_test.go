package ras_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// forwarding is a decorator that has every ability, and returns
// errors.ErrUnsupported where the API below has it not, or, if it is moody, every
// second time.
type forwarding struct {
	ras.API
	moody bool
	calls int
}

// ability returns the API below as a T.
func ability[T any](f *forwarding) (T, error) {
	below, ok := f.API.(T)
	if f.calls++; !ok || f.moody && f.calls%2 == 1 {
		return below, errors.ErrUnsupported
	}
	return below, nil
}

func (f *forwarding) SendBufferContext(ctx context.Context, h ras.Handle, b ras.Buffer, n int) error {
	below, err := ability[ras.ContextSender](f)
	if err != nil {
		return err
	}
	return below.SendBufferContext(ctx, h, b, n)
}

func (f *forwarding) CancelPosted(h ras.Handle) error {
	below, err := ability[ras.ReceiveCanceler](f)
	if err != nil {
		return err
	}
	return below.CancelPosted(h)
}

func (f *forwarding) ReturnBytes(h ras.Handle, b []byte) error {
	below, err := ability[ras.Returner](f)
	if err != nil {
		return err
	}
	return below.ReturnBytes(h, b)
}

func (f *forwarding) ReceiveBytes(ctx context.Context, h ras.Handle, b []byte, t time.Duration) (int, error) {
	below, err := ability[ras.BytesReceiver](f)
	if err != nil {
		return 0, err
	}
	return below.ReceiveBytes(ctx, h, b, t)
}

func (f *forwarding) SendBytes(ctx context.Context, h ras.Handle, b []byte) error {
	below, err := ability[ras.BytesSender](f)
	if err != nil {
		return err
	}
	return below.SendBytes(ctx, h, b)
}

// onCall is a decorator whose abilities are the methods of the Call below it.
type onCall struct{ *ras.Call }

func (c onCall) CancelPosted(ras.Handle) error            { return c.CancelReceive() }
func (c onCall) ReturnBytes(_ ras.Handle, b []byte) error { return c.Unread(b) }

func (c onCall) ReceiveBytes(ctx context.Context, _ ras.Handle, b []byte, t time.Duration) (int, error) {
	return c.Receive(ctx, b, t)
}

func (c onCall) SendBytes(ctx context.Context, _ ras.Handle, b []byte) error { return c.Send(ctx, b) }

// prefetching is a decorator whose receive is a Receive of the Call below it, on a
// goroutine of its own.
type prefetching struct {
	*ras.Call
	data []byte
	got  chan int
}

func (p *prefetching) ReceiveBuffer(_ ras.Handle, _ ras.Buffer, t time.Duration, ev *ras.Event) error {
	p.got = make(chan int, 1)
	go func() {
		n, _ := p.Call.Receive(context.Background(), p.data, t)
		p.got <- n
		ev.Set()
	}()
	return nil
}

func (p *prefetching) RetrieveBuffer(_ ras.Handle, b ras.Buffer) (int, error) {
	select {
	case n := <-p.got:
		return copy(b.Bytes(), p.data[:n]), nil
	default:
		return 0, ras.ErrPending
	}
}

// TestReceiveInsideAReceive holds that a Receive of a decorator on the Call below
// it has an event of its own.
func TestReceiveInsideAReceive(t *testing.T) {
	onBench(t, func(b *bench) {
		below := &ras.Call{API: newPlain(b.s), Port: b.h}
		call := below.WithAPI(&prefetching{Call: below, data: make([]byte, 100)})
		for range 3 {
			time.AfterFunc(time.Second, func() { b.far.Write([]byte("data")) })
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			into := make([]byte, 10)
			n, err := call.Receive(ctx, into, 0)
			cancel()
			if err != nil || string(into[:n]) != "data" {
				b.Fatalf("got %q, %v", into[:n], err)
			}
		}
	})
}

// TestEndsOverTheCall ends a receive of a decorator whose abilities are the methods
// of the Call below it.
func TestEndsOverTheCall(t *testing.T) {
	for name, api := range map[string]func(b *bench) ras.API{
		"session":   func(b *bench) ras.API { return b.s },
		"decorator": func(b *bench) ras.API { return newPlain(b.s) },
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				below := &ras.Call{API: api(b), Port: b.h}
				call := below.WithAPI(onCall{below})
				done := make(chan struct{})
				time.AfterFunc(time.Second, func() {
					defer close(done)
					if err := call.CancelReceive(); err != nil && name == "session" {
						b.Error(err)
					}
					if err := call.Unread([]byte("back")); err != nil && name == "session" {
						b.Error(err)
					}
					b.farSends("data")
				})
				var got []byte
				for len(got) < len("data") {
					into := make([]byte, 10)
					n, err := call.Receive(b.Context(), into, time.Minute)
					if err != nil && !errors.Is(err, ras.ErrInvalidParameter) {
						b.Fatal(err)
					}
					got = append(got, into[:n]...)
				}
				<-done
			})
		})
	}
}

// slow is a port whose Read returns a second after its deadline has ended it.
func slow(near *virtual.Port) port.Port {
	return obedient{&fault{Port: near, read: func(b []byte) (int, error) {
		n, err := near.Read(b)
		if err != nil {
			<-time.After(time.Second)
		}
		return n, err
	}}}
}

// TestReceiveBytesIsTheOneReceive holds that nothing is posted while a ReceiveBytes
// that was cancelled is still in Read, and that it takes no bytes of another.
func TestReceiveBytesIsTheOneReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(slow(near), nil)
		defer s.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			n, err := s.ReceiveBytes(t.Context(), s.Handle(), make([]byte, 10), 0)
			if n > 0 {
				t.Errorf("a cancelled ReceiveBytes got %d bytes", n)
			}
			checkCode(t, err, ras.ErrInvalidParameter)
		}()
		synctest.Wait()
		go func() {
			if err := s.CancelPosted(s.Handle()); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		b, _ := s.GetBuffer(0)
		checkCode(t, s.ReceiveBuffer(s.Handle(), b, 0, ras.NewEvent()), ras.ErrAsyncRequestPending)
		<-done
		ev := ras.NewEvent()
		if err := s.ReceiveBuffer(s.Handle(), b, 0, ev); err != nil {
			t.Fatal(err)
		}
		far.Write([]byte("data"))
		if err := ev.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.RetrieveBuffer(s.Handle(), b); string(b.Bytes()[:n]) != "data" {
			t.Errorf("got %q, %v", b.Bytes()[:n], err)
		}
	})
}

// TestCancelPostedWhileOthersUseTheSession holds that CancelPosted returns when the
// Read has, whatever is posted or closed meanwhile, and that what is posted is read.
func TestCancelPostedWhileOthersUseTheSession(t *testing.T) {
	for name, closes := range map[string]bool{"ReceiveBuffer": false, "Close": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				s := ras.NewSession(slow(near), nil)
				defer s.Close()
				b, _ := s.GetBuffer(0)
				ev := ras.NewEvent()
				if err := s.ReceiveBuffer(s.Handle(), b, 0, ev); err != nil {
					t.Fatal(err)
				}
				ev.C()
				synctest.Wait()
				cancelled := make(chan struct{})
				go func() {
					defer close(cancelled)
					start := time.Now()
					if err := s.CancelPosted(s.Handle()); err != nil || time.Since(start) > time.Second {
						t.Errorf("CancelPosted took %v: %v", time.Since(start), err)
					}
				}()
				synctest.Wait()
				defer func() { <-cancelled }()
				if closes {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					return
				}
				ev = ras.NewEvent()
				if err := s.ReceiveBuffer(s.Handle(), b, 0, ev); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(time.Minute, func() { far.Write([]byte("data")) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := ev.Wait(ctx); err != nil {
					t.Fatal(err)
				}
				if n, err := s.RetrieveBuffer(s.Handle(), b); string(b.Bytes()[:n]) != "data" {
					t.Errorf("got %q, %v", b.Bytes()[:n], err)
				}
			})
		})
	}
}

// TestCancelReceiveFreesTheCall holds that a receive can be posted when CancelReceive
// has returned, although the Receive that it has ended has not yet.
func TestCancelReceiveFreesTheCall(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			s := ras.NewSession(near, nil)
			defer s.Close()
			call := &ras.Call{API: s, Port: s.Handle()}
			b, _ := call.GetBuffer(0)
			done := make(chan struct{})
			go func() {
				defer close(done)
				call.Receive(t.Context(), make([]byte, 10), 0)
			}()
			synctest.Wait()
			if err := call.CancelReceive(); err != nil {
				t.Fatal(err)
			}
			ev := ras.NewEvent()
			if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
				t.Fatal(err)
			}
			<-done
			call.Unread([]byte("back"))
			if err := ev.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := call.RetrieveBuffer(call.Port, b); string(b.Bytes()[:n]) != "back" {
				t.Errorf("got %q, %v", b.Bytes()[:n], err)
			}
		})
	}
}

// TestObserversOfBytesGivenBack holds that OnReceive sees no byte twice that is given
// back while another goroutine receives.
func TestObserversOfBytesGivenBack(t *testing.T) {
	for range 10 {
		onCalls(t, func(b *bench, call *ras.Call) {
			var seen bytes.Buffer
			call.OnReceive(func(p []byte) { seen.Write(p) })
			b.farSends("once")
			b.receives(call, 10, "once")
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.receives(call, 10, "once")
			}()
			synctest.Wait()
			if err := call.Unread([]byte("once")); err != nil {
				b.Error(err)
			}
			<-done
			if seen.String() != "once" {
				b.Errorf("OnReceive saw %q", seen.String())
			}
		})
	}
}

// TestReceiveAndOthers ends receives from other goroutines in real time: what is
// given back arrives, and no call blocks.
func TestReceiveAndOthers(t *testing.T) {
	for name, wrap := range map[string]func(s *ras.Session) ras.API{
		"session":   func(s *ras.Session) ras.API { return s },
		"decorator": func(s *ras.Session) ras.API { return newPlain(s) },
		"by the Call": func(s *ras.Session) ras.API {
			return onCall{&ras.Call{API: s, Port: s.Handle()}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			s := ras.NewSession(near, nil)
			call := &ras.Call{API: wrap(s), Port: s.Handle()}
			var wg, reader sync.WaitGroup
			var sent, got int
			stop := make(chan struct{})
			for _, f := range []func() error{
				func() error { return call.CancelReceive() },
				func() error { return call.Send(t.Context(), []byte("up")) },
				func() error {
					_, err := call.RetrieveBuffer(0, nil)
					checkCode(t, err, ras.ErrInvalidPortHandle)
					return nil
				},
			} {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if err := f(); err != nil {
							t.Error(err)
							return
						}
						runtime.Gosched()
					}
				})
			}
			reader.Go(func() { io.Copy(io.Discard, far) })
			wg.Go(func() {
				defer close(stop) // or the others could cancel every receive
				for range 300 {
					sent += 4
					if err := call.Unread([]byte("back")); err != nil {
						t.Error(err)
					}
					if n, _ := far.Write([]byte("data")); n == 4 {
						sent += 4
					}
					runtime.Gosched()
				}
			})
			for got < 300*8 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				n, err := call.Receive(ctx, make([]byte, 1+got%7), time.Millisecond<<(got%3))
				if got += n; ctx.Err() != nil {
					t.Fatalf("after %d bytes: %v", got, err)
				}
				cancel()
			}
			wg.Wait()
			far.Close()
			reader.Wait()
			if got != sent {
				t.Errorf("%d bytes were sent, %d received", sent, got)
			}
			if _, err := call.End(); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLimitOfUnread holds that bytes which were given back and not received again
// have one limit, whatever the API, and that what is received makes room.
func TestLimitOfUnread(t *testing.T) {
	const limit = 64 << 10
	for name, wrap := range map[string]func(s *ras.Session) ras.API{
		"session":   func(s *ras.Session) ras.API { return s },
		"decorator": func(s *ras.Session) ras.API { return struct{ ras.API }{s} },
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				call := &ras.Call{API: wrap(b.s), Port: b.h}
				b.farSends("x")
				b.receives(call, 10, "x")
				if err := errors.Join(call.Unread(make([]byte, limit-10)), call.Unread(make([]byte, 10))); err != nil {
					b.Error(err)
				}
				b.code(call.Unread([]byte{1}), ras.ErrBufferTooSmall)
				into := make([]byte, 100)
				n, err := call.Receive(b.Context(), into, time.Minute)
				if err != nil {
					b.Error(err)
				}
				if err := call.Unread(into[:n]); err != nil {
					b.Error(err)
				}
				b.code(call.Unread([]byte{1}), ras.ErrBufferTooSmall)
			})
		})
	}
}

// TestReturnsOfAnotherSession holds that a session accepts what another has left,
// however much, and that a script may receive and give back any of it.
func TestReturnsOfAnotherSession(t *testing.T) {
	onBench(t, func(b *bench) {
		if err := b.s.ReturnBytes(b.h, make([]byte, 100<<10)); err != nil {
			b.Fatal(err)
		}
		call := &ras.Call{API: b.s, Port: b.h}
		into := make([]byte, 4096)
		n, err := call.Receive(b.Context(), into, time.Minute)
		if err = errors.Join(err, call.Unread(into[:n])); err != nil {
			b.Error(err)
		}
		b.code(call.Unread([]byte{1}), ras.ErrBufferTooSmall)
		if got := len(b.s.Unread()); got != 100<<10 {
			b.Errorf("%d bytes are left", got)
		}
	})
}
