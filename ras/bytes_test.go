package ras_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// plain is a decorator that forwards the six callbacks alone and counts them.
type plain struct {
	ras.API
	mu    sync.Mutex
	calls map[string]int
}

func newPlain(api ras.API) *plain { return &plain{API: api, calls: make(map[string]int)} }

func (p *plain) count(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[name]++
}

func (p *plain) GetBuffer(size int) (ras.Buffer, error) {
	p.count("get")
	return p.API.GetBuffer(size)
}

func (p *plain) FreeBuffer(b ras.Buffer) error {
	p.count("free")
	return p.API.FreeBuffer(b)
}

func (p *plain) SendBuffer(h ras.Handle, b ras.Buffer, n int) error {
	p.count("send")
	return p.API.SendBuffer(h, b, n)
}

func (p *plain) ReceiveBuffer(h ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	p.count("receive")
	return p.API.ReceiveBuffer(h, b, t, ev)
}

func (p *plain) RetrieveBuffer(h ras.Handle, b ras.Buffer) (int, error) {
	p.count("retrieve")
	return p.API.RetrieveBuffer(h, b)
}

// unknown is a port whose deadlines may not free its calls, as far as a session
// knows.
type unknown struct{ port.Port }

// apis are a session, where bytes pass without buffers, and APIs where they must
// not, or do so in another way.
var apis = map[string]func(b *bench) ras.API{
	"direct":                     func(b *bench) ras.API { return b.s },
	"decorator":                  func(b *bench) ras.API { return newPlain(b.s) },
	"abilities":                  func(b *bench) ras.API { return &forwarding{API: b.s} },
	"abilities over a decorator": func(b *bench) ras.API { return &forwarding{API: newPlain(b.s)} },
	"abilities now and then":     func(b *bench) ras.API { return &forwarding{API: b.s, moody: true} },
	"abilities by the Call":      func(b *bench) ras.API { return onCall{&ras.Call{API: b.s, Port: b.h}} },
	"abilities by a decorated Call": func(b *bench) ras.API {
		return onCall{&ras.Call{API: newPlain(b.s), Port: b.h}}
	},
	"unknown port": func(b *bench) ras.API {
		b.s = ras.NewSession(unknown{b.near}, nil)
		b.h = b.s.Handle()
		b.Cleanup(func() { b.s.Close() })
		return b.s
	},
}

// onCalls runs f on a Call over each of apis.
func onCalls(t *testing.T, f func(b *bench, call *ras.Call)) {
	for name, api := range apis {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				api := api(b)
				f(b, &ras.Call{API: api, Port: b.h})
			})
		})
	}
}

func (b *bench) receives(call *ras.Call, size int, want string) {
	b.Helper()
	into := make([]byte, size)
	n, err := call.Receive(b.Context(), into, time.Hour)
	if err != nil || string(into[:n]) != want {
		b.Fatalf("Receive gave %q, %v; want %q", into[:n], err, want)
	}
}

func TestReceive(t *testing.T) {
	onCalls(t, func(b *bench, call *ras.Call) {
		var seen bytes.Buffer
		call.OnReceive(func(p []byte) { seen.Write(p) })
		into := make([]byte, 100)

		_, err := call.Receive(b.Context(), nil, 0)
		b.code(err, ras.ErrBufferTooSmall)

		start := time.Now()
		n, err := call.Receive(b.Context(), into, 3*time.Second)
		b.code(err, ras.ErrRequestTimeout)
		if took := time.Since(start); n != 0 || took != 3*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			b.Errorf("a limit of 3s gave %d, %v after %v", n, err, took)
		}

		b.farSends("login: ")
		b.receives(call, 4, "logi")
		b.receives(call, 100, "n: ")

		for range 2 {
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			n, err = call.Receive(ctx, into, 0)
			cancel()
			if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				b.Errorf("a cancelled receive gave %d, %v", n, err)
			}
			n, err = call.Receive(ctx, into, time.Minute)
			if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				b.Errorf("a receive whose context had ended gave %d, %v", n, err)
			}
		}
		b.farSends("after")
		b.receives(call, 100, "after")

		if err := call.Unread([]byte("back ")); err != nil {
			b.Fatal(err)
		}
		b.farSends("new")
		b.receives(call, 3, "bac")
		for got := ""; got != "k new"; {
			n, err := call.Receive(b.Context(), into, time.Second)
			if got += string(into[:n]); err != nil || len(got) > len("k new") {
				b.Fatalf("after Unread came %q, %v", got, err)
			}
		}

		raw, _ := call.GetBuffer(0)
		ev := ras.NewEvent()
		if err := call.ReceiveBuffer(b.h, raw, 0, ev); err != nil {
			b.Fatal(err)
		}
		b.farSends("kept")
		b.wait(ev)
		if err := errors.Join(call.CancelReceive(), call.FreeBuffer(raw), call.Unread([]byte("back "))); err != nil {
			b.Fatal(err)
		}
		for got := ""; got != "back kept"; {
			n, err := call.Receive(b.Context(), into, time.Second)
			if got += string(into[:n]); err != nil || len(got) > len("back kept") {
				b.Fatalf("after CancelReceive and Unread came %q, %v", got, err)
			}
		}

		b.farSends("end")
		synctest.Wait()
		b.far.Close()
		b.receives(call, 100, "end")
		n, err = call.Receive(b.Context(), into, 0)
		if n != 0 || err == nil || ras.CodeOf(err) == ras.ErrRequestTimeout {
			b.Errorf("a receive on a dead port gave %d, %v", n, err)
		}
		if seen.String() != "login: afternewkeptend" {
			b.Errorf("OnReceive saw %q", seen.String())
		}
		if _, err := call.End(); err != nil {
			b.Error(err)
		}
		b.code(call.Send(b.Context(), []byte("x")), ras.ErrInvalidPortHandle)
		b.s.Close()
		if stats := b.s.Stats(); stats.Leaked != 0 || stats.Cancelled {
			b.Errorf("left behind: %+v", stats)
		}
	})
}

// TestReceiveIsEnded holds what ends a Receive that another goroutine runs.
func TestReceiveIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(b *bench, call *ras.Call) error
		want string
		code ras.Code
	}{
		"Unread": {end: func(b *bench, call *ras.Call) error { return call.Unread([]byte("back")) }, want: "back"},
		"Unread over a decorator": {end: func(b *bench, call *ras.Call) error {
			return call.WithAPI(newPlain(b.s)).Unread([]byte("back"))
		}, want: "back"},
		"Unread over an API without a port": {end: func(b *bench, call *ras.Call) error {
			return call.WithAPI(struct{ ras.API }{}).Unread([]byte("back"))
		}, want: "back"},
		"CancelReceive": {end: func(b *bench, call *ras.Call) error { return call.CancelReceive() }, code: ras.ErrInvalidParameter},
		"CancelReceive over a decorator": {end: func(b *bench, call *ras.Call) error {
			return call.WithAPI(newPlain(b.s)).CancelReceive()
		}, code: ras.ErrInvalidParameter},
		"Fail":  {end: func(b *bench, call *ras.Call) error { b.s.Fail(port.ErrCarrierLost); return nil }, code: ras.Cause(port.ErrCarrierLost)},
		"Close": {end: func(b *bench, call *ras.Call) error { return b.s.Close() }, code: ras.ErrInvalidPortHandle},
		"peer":  {end: func(b *bench, call *ras.Call) error { _, err := b.far.Write([]byte("data")); return err }, want: "data"},
	} {
		t.Run(name, func(t *testing.T) {
			onCalls(t, func(b *bench, call *ras.Call) {
				into := make([]byte, 10)
				var n int
				var err error
				done := make(chan struct{})
				go func() {
					n, err = call.Receive(b.Context(), into, time.Hour)
					close(done)
				}()
				synctest.Wait()
				b.code(call.ReceiveBuffer(b.h, b.buffer(0), 0, ras.NewEvent()), ras.ErrAsyncRequestPending)
				b.code(call.WithAPI(newPlain(b.s)).ReceiveBuffer(b.h, b.buffer(0), 0, ras.NewEvent()), ras.ErrAsyncRequestPending)
				_, pending := call.RetrieveBuffer(b.h, b.buffer(0))
				b.code(pending, ras.ErrPending)
				if err := tt.end(b, call); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				<-done
				if string(into[:n]) != tt.want || time.Since(start) != 0 {
					b.Errorf("got %q after %v, want %q", into[:n], time.Since(start), tt.want)
				}
				b.code(err, tt.code)
				if name != "Fail" && name != "Close" {
					b.farSends("next")
					b.receives(call, 10, "next")
				}
			})
		})
	}
}

// TestReceiveBesideAReader holds that a receive which finds another reader in the
// port gets what that one reads.
func TestReceiveBesideAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		release := make(chan struct{})
		s := ras.NewSession(obedient{&fault{Port: near, read: func(b []byte) (int, error) {
			<-release
			return near.Read(b)
		}}}, nil)
		defer s.Close()
		call := &ras.Call{API: s, Port: s.Handle()}
		b, _ := call.GetBuffer(0)
		ev := ras.NewEvent()
		if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
			t.Fatal(err)
		}
		ev.C()
		synctest.Wait()
		call.Unread([]byte("back")) // completes the receive, whose reader is still in Read
		if n, err := call.RetrieveBuffer(call.Port, b); err != nil || string(b.Bytes()[:n]) != "back" {
			t.Fatalf("%q, %v", b.Bytes()[:n], err)
		}
		call.FreeBuffer(b)
		time.AfterFunc(time.Second, func() {
			close(release)
			far.Write([]byte("data"))
		})
		into := make([]byte, 10)
		n, err := call.Receive(t.Context(), into, time.Minute)
		if err != nil || string(into[:n]) != "data" {
			t.Errorf("got %q, %v", into[:n], err)
		}
	})
}

// TestAbilitiesAreHidden holds that a decorator which forwards the six callbacks
// alone sees every byte, and that without it no buffer is used.
func TestAbilitiesAreHidden(t *testing.T) {
	onBench(t, func(b *bench) {
		talk := func(call *ras.Call) {
			b.farSends("prompt")
			b.receives(call, 10, "prompt")
			if err := call.Send(b.Context(), make([]byte, 2*ras.MaxBuffer+1)); err != nil {
				b.Error(err)
			}
			if err := call.Send(b.Context(), nil); err != nil {
				b.Error(err)
			}
		}
		p := newPlain(b.s)
		call := &ras.Call{API: p, Port: b.h}
		talk(call)
		want := map[string]int{"get": 4, "free": 4, "send": 3, "receive": 1, "retrieve": 1}
		if got := fmt.Sprint(p.calls); got != fmt.Sprint(want) {
			b.Errorf("the decorator saw %v, want %v", got, want)
		}
		talk(call.WithAPI(b.s))
		if got := fmt.Sprint(p.calls); got != fmt.Sprint(want) {
			b.Errorf("a Call without the decorator used it: %v", got)
		}
		if stats := b.s.Stats(); stats.Sends != 6 || stats.Sent != 2*(2*ras.MaxBuffer+1) || stats.Receives != 2 || stats.Received != 12 {
			b.Errorf("the statistics are %+v", stats)
		}
	})
}

// TestSendsTakeTurns holds that sends which wait for each other go out in the
// order in which they came, also if some give up, and that none writes after the
// session has ended.
func TestSendsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(1))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		call := &ras.Call{API: s, Port: s.Handle()}
		var wg sync.WaitGroup
		want := "first"
		wg.Go(func() {
			if err := call.Send(t.Context(), []byte("first")); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 10 {
			text := fmt.Sprintf("<%d>", i)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%3 == 1 {
				time.AfterFunc(time.Second, cancel)
			} else {
				want += text
			}
			wg.Go(func() {
				err := call.Send(ctx, []byte(text))
				if i%3 == 1 && !errors.Is(err, context.Canceled) || i%3 != 1 && err != nil {
					t.Errorf("send %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		<-time.After(2 * time.Second) // the cancels
		got := make([]byte, len(want))
		for n := 0; n < len(got); {
			k, err := far.Read(got[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
		wg.Wait()
		if string(got) != want {
			t.Errorf("the peer received %q, want %q", got, want)
		}
		for range 3 {
			wg.Go(func() { b := []byte("late"); checkCode(t, call.Send(t.Context(), b), ras.ErrInvalidPortHandle) })
		}
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		checkCode(t, s.SendBytes(t.Context(), s.Handle(), []byte("x")), ras.ErrInvalidPortHandle)
		checkCode(t, s.SendBytes(t.Context(), s.Handle()+4, []byte("x")), ras.ErrInvalidPortHandle)
		_, err := s.ReceiveBytes(t.Context(), s.Handle(), make([]byte, 1), 0)
		checkCode(t, err, ras.ErrInvalidPortHandle)
	})
}

// TestTurnThatIsGivenUp holds that a send which is cancelled at the moment at which
// the right to write is handed over to it hands it on.
func TestTurnThatIsGivenUp(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			ctx, cancel := context.WithCancel(t.Context())
			s := ras.NewSession(obedient{&fault{Port: near, write: func(b []byte) (int, error) {
				if string(b) == "first" {
					synctest.Wait() // until the others wait
					cancel()
				}
				return len(b), nil
			}}}, nil)
			var wg sync.WaitGroup
			for text, ctx := range map[string]context.Context{"first": t.Context(), "second": ctx, "third": ctx} {
				wg.Go(func() {
					err := s.SendBytes(ctx, s.Handle(), []byte(text))
					if err != nil && (text == "first" || !errors.Is(err, context.Canceled)) {
						t.Errorf("%s: %v", text, err)
					}
				})
			}
			wg.Wait()
			start := time.Now()
			err := s.SendBytes(t.Context(), s.Handle(), []byte("last"))
			if err := errors.Join(err, s.Close()); err != nil || time.Since(start) != 0 {
				t.Errorf("the last send and Close took %v: %v", time.Since(start), err)
			}
		})
	}
}

// TestSendTimeoutCoversTheWait holds that the limit of a send begins with the call,
// not with its turn, also on a port whose deadlines may not free it.
func TestSendTimeoutCoversTheWait(t *testing.T) {
	for name, wrap := range map[string]func(p port.Port) port.Port{
		"obedient": func(p port.Port) port.Port { return obedient{p} },
		"unknown":  func(p port.Port) port.Port { return unknown{p} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair(virtual.BufferSize(1))
				defer near.Close()
				defer far.Close()
				s := ras.NewSession(wrap(near), &ras.Config{SendTimeout: time.Minute})
				defer s.Close()
				call := &ras.Call{API: s, Port: s.Handle()}
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := call.Send(t.Context(), []byte("first")); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				time.AfterFunc(50*time.Second, func() { far.Read(make([]byte, 10)); far.Read(make([]byte, 10)) })
				time.AfterFunc(51*time.Second, func() {
					for range 3 {
						far.Read(make([]byte, 10))
					}
				})
				start := time.Now()
				err := call.Send(t.Context(), []byte("second"))
				checkCode(t, err, ras.ErrRequestTimeout)
				if took := time.Since(start); took != time.Minute {
					t.Errorf("a send with a limit of a minute took %v", took)
				}
				wg.Wait()
				go func() {
					for err := error(nil); err == nil; {
						_, err = far.Read(make([]byte, 10))
					}
				}()
			})
		})
	}
}

// TestSend sends what no buffer holds, is cancelled in the middle and goes on.
func TestSend(t *testing.T) {
	onCalls(t, func(b *bench, call *ras.Call) {
		text := bytes.Repeat([]byte("0123456789"), 1000)
		got := make(chan []byte)
		read := func(n int) {
			all := make([]byte, n)
			for n := 0; n < len(all); {
				k, err := b.far.Read(all[n:])
				if err != nil {
					break
				}
				n += k
			}
			got <- all
		}
		go read(len(text))
		if err := call.Send(b.Context(), text); err != nil {
			b.Fatal(err)
		}
		if !bytes.Equal(<-got, text) {
			b.Error("the peer received something else")
		}
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := call.Send(ctx, text)
		if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("a cancelled send returned after %v with %v", took, err)
		}
		clear(text) // the caller's again
		var all []byte
		for end := []byte("end"); !bytes.HasSuffix(all, end); {
			if len(all) == 0 {
				go func() {
					if err := call.Send(b.Context(), end); err != nil {
						b.Error(err)
					}
				}()
			}
			part := make([]byte, 100)
			n, err := b.far.Read(part)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, part[:n]...)
		}
		if whole := bytes.Repeat([]byte("0123456789"), 1000); !bytes.HasPrefix(whole, bytes.TrimSuffix(all, []byte("end"))) {
			b.Errorf("of a cancelled send the peer received %d bytes that are no part from its start", len(all)-3)
		}
	})
}
