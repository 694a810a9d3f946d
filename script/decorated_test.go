package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// TestDecorated holds that a Dialog over any decorator keeps its limits after a
// cancelled wait, loses nothing, and leaves the rest to the call outside.
func TestDecorated(t *testing.T) {
	for name, decorate := range decorations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
					inner := decorate(call)
					d := script.NewDialog(inner, nil)
					for _, first := range []time.Duration{0, 50 * time.Millisecond, 10 * time.Minute} {
						cancelled, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
						_, err := d.WaitFor(cancelled, first, script.Text("x"))
						cancel()
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("a cancelled wait: %v", err)
						}
						for _, limit := range []time.Duration{100 * time.Millisecond, time.Second} {
							start := time.Now()
							_, err := d.WaitFor(ctx, limit, script.Text("y"))
							var te *script.TimeoutError
							if took := time.Since(start); !errors.As(err, &te) || took != limit {
								t.Errorf("after a wait of %v that was cancelled a limit of %v passed after %v: %v", first, limit, took, err)
							}
						}
					}
					far.Write([]byte("login: joe PPP~frame"))
					if m, err := d.WaitFor(ctx, time.Second, script.Text("login: ")); err != nil || string(m.Text) != "login: " {
						return err
					}
					if m, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("joe ")); err != nil || len(m.Before) > 0 {
						return fmt.Errorf("the call outside: %q, %w", m.Before, err)
					}
					if m, err := script.NewDialog(decorate(inner), nil).WaitFor(ctx, time.Second, script.Text("PPP")); err != nil || len(m.Before) > 0 {
						return fmt.Errorf("a decorator in a decorator: %q, %w", m.Before, err)
					}
					inner.SetParams(&ras.DialParams{UserName: "other"})
					inner.SetIPAddr(netip.MustParseAddr("192.0.2.1"))
					return nil
				}), &script.Config{Params: &ras.DialParams{UserName: "joe"}})
				if err != nil || string(res.Unread) != "~frame" || res.Leaks != 0 {
					t.Errorf("%v; unread %q, %d leaks", err, res.Unread, res.Leaks)
				}
				if res.Params.UserName != "other" || res.IPAddr != netip.MustParseAddr("192.0.2.1") {
					t.Errorf("the parameters are %v, the address %v", res.Params, res.IPAddr)
				}
			})
		})
	}
}

// TestDialogInAWatch holds that a Dialog which a watch uses, over any decorator,
// is cancelled in the middle, answers, and leaves what it has not consumed to the
// wait outside, while OnReceive sees each byte once.
func TestDialogInAWatch(t *testing.T) {
	for name, decorate := range decorations {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				var seen bytes.Buffer
				b.call.OnReceive(func(p []byte) { seen.Write(p) })
				d := script.NewDialog(b.call, nil)
				inner := script.NewDialog(decorate(b.call), nil)
				d.Watch(script.Text("more? "), func(script.Match) error {
					ctx, cancel := context.WithTimeout(b.Context(), time.Second)
					defer cancel()
					if _, err := inner.WaitFor(ctx, 0, script.Text("!")); !errors.Is(err, context.DeadlineExceeded) {
						b.Errorf("the cancelled wait: %v", err)
					}
					if err := inner.Send(b.Context(), []byte("y")); err != nil {
						b.Error(err)
					}
					b.farSends(" page 2 $ PPP~frame")
					b.finds(inner, 0, "rest: page", " 2", script.Text(" 2"))
					return nil
				})
				b.farSends("page 1 more? rest:")
				b.finds(d, 0, "page 1 more?  ", "$ ", script.Text("$ "))
				b.farGets("y")
				if _, err := inner.WaitFor(b.Context(), time.Second, script.Text("~")); err != nil {
					b.Error(err)
				}
				b.finds(d, 0, "", "frame", script.Text("frame"))
				if seen.String() != "page 1 more? rest: page 2 $ PPP~frame" {
					b.Errorf("OnReceive saw %q", seen.String())
				}
			})
		})
	}
}

// TestCancelledSendOverADecorator holds that a cancelled send returns, that the
// next one waits for it, and that the end of the run does.
func TestCancelledSendOverADecorator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		defer near.Close()
		defer far.Close()
		got := make(chan string, 1)
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call.WithAPI(bareAPI{call.API}), nil)
			for range 2 {
				short, cancel := context.WithTimeout(ctx, time.Second)
				start := time.Now()
				err := d.Send(short, []byte("0123456789"))
				cancel()
				if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a cancelled send returned after %v with %v", took, err)
				}
			}
			go func() {
				b := make([]byte, 13)
				n, _ := io.ReadFull(far, b)
				got <- string(b[:n])
			}()
			return d.Send(ctx, []byte("abc"))
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
		if text := <-got; text != "0123456789abc" {
			t.Errorf("the peer received %q", text)
		}
	})
}

// TestCancelledSendsOfSeveralGoroutines holds that all sends which were left with
// the callback are awaited and their buffers freed.
func TestCancelledSendsOfSeveralGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		defer near.Close()
		defer far.Close()
		const senders, size = 5, 100
		got := make(chan string, 1)
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			call = call.WithAPI(bareAPI{call.API})
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					short, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					b, err := call.GetBuffer(size)
					if err != nil {
						t.Error(err)
					}
					copy(b.Bytes(), strings.Repeat("x", size))
					if err := call.SendContext(short, b, size); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					if err := call.FreeBuffer(b); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			go func() {
				b := make([]byte, senders*size+3)
				n, _ := io.ReadFull(far, b)
				got <- string(b[:n])
			}()
			return script.NewDialog(call, nil).Send(ctx, []byte("abc"))
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
		if text := <-got; text != strings.Repeat("x", senders*size)+"abc" {
			t.Errorf("the peer received %q", text)
		}
	})
}

// TestRawExecutor is a script in the manner of the Windows documentation: it
// gives back what it does not use, and can give a receive up.
func TestRawExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		raw := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			b, err := call.GetBuffer(0)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
				return err
			}
			select {
			case <-ev.C():
				t.Error("an event without data")
			case <-time.After(time.Second):
			}
			if err := call.CancelReceive(); err != nil {
				return err
			}
			if err := call.FreeBuffer(b); err != nil {
				return fmt.Errorf("the buffer of a receive that was given up: %w", err)
			}
			far.Write([]byte("PPP~frame"))
			b, _ = call.GetBuffer(0)
			if err := call.ReceiveBuffer(call.Port, b, time.Minute, ev); err != nil {
				return err
			}
			<-ev.C()
			n, err := call.RetrieveBuffer(call.Port, b)
			if err != nil {
				return err
			}
			rest, ok := bytes.CutPrefix(b.Bytes()[:n], []byte("PPP"))
			if !ok {
				return fmt.Errorf("received %q", b.Bytes()[:n])
			}
			if err := call.Unread(rest); err != nil {
				return err
			}
			return call.FreeBuffer(b)
		})
		var last *ras.Call
		next := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			last = call
			_, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("~"))
			if err == nil {
				err = call.Unread(make([]byte, 70<<10))
				if !errors.Is(err, ras.ErrBufferTooSmall) {
					return fmt.Errorf("70 KiB were given back: %w", err)
				}
			}
			return nil
		})
		res, err := script.Run(t.Context(), near, script.Sequence(raw, next), nil)
		if err != nil || string(res.Unread) != "frame" || res.Leaks != 0 {
			t.Errorf("%v; unread %q, %d leaks", err, res.Unread, res.Leaks)
		}
		if err := last.Unread([]byte("x")); !errors.Is(err, ras.ErrInvalidPortHandle) {
			t.Errorf("bytes were given back after the run: %v", err)
		}
	})
}

// TestStraySignals holds that an event which is set without a result harms no
// wait, and that a Sequence stops at a context that has ended.
func TestStraySignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		_, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			stray := &straying{API: call.API}
			d := script.NewDialog(call.WithAPI(stray), nil)
			time.AfterFunc(time.Second, func() { far.Write([]byte("late")) })
			_, err := d.WaitFor(ctx, time.Minute, script.Text("late"))
			if stray.n < 3 {
				t.Errorf("%d receives were signalled without a result", stray.n)
			}
			return err
		}), nil)
		if err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := false
		_, err = script.Run(ctx, near, script.Sequence(
			script.ExecutorFunc(func(context.Context, *ras.Call) error { cancel(); return nil }),
			script.ExecutorFunc(func(context.Context, *ras.Call) error { ran = true; return nil }),
		), nil)
		if ran || !errors.Is(err, context.Canceled) {
			t.Errorf("after a cancel the next executor ran: %v; %v", ran, err)
		}
	})
}

// straying sets the event of a receive before it has a result.
type straying struct {
	ras.API
	n int
}

func (s *straying) ReceiveBuffer(p ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	err := s.API.ReceiveBuffer(p, b, t, ev)
	ev.Set()
	s.n++
	return err
}

func (s *straying) RetrieveBuffer(p ras.Handle, b ras.Buffer) (int, error) {
	n, err := s.API.RetrieveBuffer(p, b)
	if s.n < 3 {
		s.n++
	}
	return n, err
}

// stuck is a decorator whose sends return when they are released.
type stuck struct {
	ras.API
	release chan struct{}
}

func (s *stuck) SendBuffer(p ras.Handle, b ras.Buffer, n int) error {
	<-s.release
	return s.API.SendBuffer(p, b, n)
}

// TestSendThatNeverReturns holds that the end of a run waits for a send that was
// left with the callback for five seconds and no longer, and reports it.
func TestSendThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		api := &stuck{release: make(chan struct{})}
		start := time.Now()
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			api.API = call.API
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			err := script.NewDialog(call.WithAPI(api), nil).Send(short, []byte("x"))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cancelled send: %v", err)
			}
			return nil
		}), nil)
		if took := time.Since(start); took != 6*time.Second || err == nil || !strings.Contains(err.Error(), "RasSendBuffer has not returned") || res.Leaks != 1 {
			t.Errorf("after %v: %v, %d leaks", took, err, res.Leaks)
		}
		close(api.release)
	})
}

// TestRawReceiveAfterAnUnusedLimit holds that a receive which adopts one that an
// API could not cancel is not signalled by the limit of an earlier receive whose
// event was not waited for.
func TestRawReceiveAfterAnUnusedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			call = call.WithAPI(bareAPI{call.API})
			b, err := call.GetBuffer(0)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			for _, limit := range []time.Duration{0, 10 * time.Millisecond} {
				if err := call.ReceiveBuffer(call.Port, b, limit, ev); err != nil {
					return err
				}
				<-time.After(20 * time.Millisecond)
				if err := call.CancelReceive(); err != nil {
					return err
				}
			}
			start := time.Now()
			if err := call.ReceiveBuffer(call.Port, b, time.Second, ev); err != nil {
				return err
			}
			if err := ev.Wait(ctx); err != nil {
				return err
			}
			if n, err := call.RetrieveBuffer(call.Port, b); !errors.Is(err, ras.ErrRequestTimeout) || time.Since(start) != time.Second {
				t.Errorf("a limit of 1s gave %d, %v after %v", n, err, time.Since(start))
			}
			return call.FreeBuffer(b)
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
	})
}

// empty is an API whose receives complete without bytes.
type empty struct{ ras.API }

func (e empty) ReceiveBuffer(_ ras.Handle, _ ras.Buffer, _ time.Duration, ev *ras.Event) error {
	ev.Set()
	return nil
}

func (e empty) RetrieveBuffer(ras.Handle, ras.Buffer) (int, error) { return 0, nil }

func TestReceivesWithoutBytesEnd(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call.WithAPI(empty{b.s}), nil)
		if _, err := d.WaitFor(b.Context(), 0, script.Text("x")); !errors.Is(err, io.ErrNoProgress) {
			b.Errorf("got %v", err)
		}
	})
}

// losing is a port that reports a loss of characters once.
type losing struct {
	*virtual.Port
	lost chan struct{}
	told bool
}

func (l *losing) Interruptible() bool { return false }

func (l *losing) Read(b []byte) (int, error) {
	if !l.told {
		l.told = true
		<-l.lost
		return 0, port.ErrOverrun
	}
	return l.Port.Read(b)
}

// TestLossInAReceiveThatWasLeft holds that a loss which is reported to a receive
// that a cancelled wait left with its API is reported to the next wait.
func TestLossInAReceiveThatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		p := &losing{Port: near, lost: make(chan struct{})}
		_, err := script.Run(t.Context(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call.WithAPI(bareAPI{call.API}), nil)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := d.WaitFor(short, 0, script.Text("x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cancelled wait: %v", err)
			}
			close(p.lost)
			synctest.Wait()
			if _, err := d.WaitFor(ctx, time.Second, script.Text("x")); !errors.Is(err, ras.ErrOverrun) {
				t.Errorf("the loss is not reported: %v", err)
			}
			far.Write([]byte("x"))
			_, err := d.WaitFor(ctx, time.Second, script.Text("x"))
			return err
		}), nil)
		if err != nil {
			t.Error(err)
		}
	})
}
