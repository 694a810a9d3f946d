package ras_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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

// hooked is a decorator that calls functions before and after a receive is posted.
type hooked struct {
	ras.API
	before, after func()
}

func (h *hooked) ReceiveBuffer(p ras.Handle, b ras.Buffer, timeout time.Duration, ev *ras.Event) error {
	h.before()
	defer h.after()
	return h.API.ReceiveBuffer(p, b, timeout, ev)
}

// cancelling is a hooked that can cancel.
type cancelling struct{ *hooked }

func (c cancelling) CancelPosted(p ras.Handle) error {
	return c.API.(ras.ReceiveCanceler).CancelPosted(p)
}

// TestReceiveIsCancelledWhilePosted cancels a receive from another goroutine just
// before the session has it, and just after. It ends, and the next one works.
func TestReceiveIsCancelledWhilePosted(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		for name, api := range map[string]func(h *hooked) ras.API{
			"the API cancels":            func(h *hooked) ras.API { return cancelling{h} },
			"the API cannot":             func(h *hooked) ras.API { return h },
			"another Call's API cancels": func(h *hooked) ras.API { return h },
		} {
			t.Run(when+", "+name, func(t *testing.T) {
				onBench(t, func(b *bench) {
					h := &hooked{API: b.s, before: func() {}, after: func() {}}
					call := &ras.Call{API: api(h), Port: b.h}
					by := call
					if strings.HasPrefix(name, "another") {
						by = call.WithAPI(b.s)
					}
					cancel := sync.OnceFunc(func() {
						done := make(chan error)
						go func() { done <- by.CancelReceive() }()
						if err := <-done; err != nil {
							b.Error(err)
						}
					})
					if when == "before" {
						h.before = cancel
					} else {
						h.after = cancel
					}
					start := time.Now()
					n, err := call.Receive(b.Context(), make([]byte, 10), 0)
					if n != 0 || time.Since(start) != 0 {
						b.Errorf("got %d bytes after %v", n, time.Since(start))
					}
					b.code(err, ras.ErrInvalidParameter)
					time.AfterFunc(time.Second, func() { b.farSends("data") })
					b.receives(call, 10, "data")
					if _, err := call.End(); err != nil {
						b.Error(err)
					}
					b.s.Close()
					if stats := b.s.Stats(); stats.Leaked != 0 || stats.Cancelled {
						b.Errorf("left behind: %+v", stats)
					}
				})
			})
		}
	}
}

// TestReceiveIsRetrievedWhilePosted retrieves on another goroutine what a receive
// has completed with before the call that posts it returns. Nothing is left with the
// API.
func TestReceiveIsRetrievedWhilePosted(t *testing.T) {
	onBench(t, func(b *bench) {
		h := &hooked{API: b.s, before: func() {}}
		call := &ras.Call{API: h, Port: b.h}
		buf, ev := b.buffer(10), ras.NewEvent()
		b.farSends("first")
		h.after = func() {
			h.after = func() {}
			done := make(chan error)
			go func() {
				err := ev.Wait(b.Context())
				if err == nil {
					_, err = call.RetrieveBuffer(b.h, buf)
				}
				done <- err
			}()
			if err := <-done; err != nil {
				b.Error(err)
			}
		}
		if err := call.ReceiveBuffer(b.h, buf, 0, ev); err != nil {
			b.Fatal(err)
		}
		if err := call.FreeBuffer(buf); err != nil {
			b.Error(err)
		}
		b.code(b.s.FreeBuffer(buf), ras.ErrBufferInvalid) // it is free
	})
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

// TestReceiveReturnsItsMemory ends receives whose last Read returns bytes that
// the receive cannot return. They are kept, and not in the caller's memory.
func TestReceiveReturnsItsMemory(t *testing.T) {
	tests := map[string]struct {
		end  func(s *ras.Session, far port.Port) error
		code ras.Code
	}{
		"cancelled": {func(s *ras.Session, _ port.Port) error { return s.CancelPosted(s.Handle()) }, ras.ErrInvalidParameter},
		"closed":    {func(s *ras.Session, _ port.Port) error { return s.Close() }, ras.ErrInvalidPortHandle},
		"overrun": {func(_ *ras.Session, far port.Port) error {
			_, err := io.WriteString(far, "late")
			return err
		}, ras.ErrOverrun},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				s := ras.NewSession(obedient{&fault{Port: near, read: func(b []byte) (int, error) {
					n, err := near.Read(b)
					if n > 0 {
						return n, port.ErrOverrun
					}
					if errors.Is(err, os.ErrDeadlineExceeded) {
						return copy(b, "late"), nil
					}
					return n, err
				}}}, nil)
				defer s.Close()
				into := make([]byte, 10)
				done := make(chan error)
				go func() {
					n, err := s.ReceiveBytes(t.Context(), s.Handle(), into, 0)
					if n != 0 {
						t.Errorf("got %q with %v", into[:n], err)
					}
					copy(into, "the caller")
					done <- err
				}()
				synctest.Wait()
				if err := tt.end(s, far); err != nil {
					t.Fatal(err)
				}
				checkCode(t, <-done, tt.code)
				if got := s.Unread(); string(got) != "late" {
					t.Errorf("kept %q, want %q", got, "late")
				}
			})
		})
	}
}

// TestReadCountIsChecked has a port report more bytes than a Read had room for.
// That is the failure of the port, and no memory beyond what was lent is input.
func TestReadCountIsChecked(t *testing.T) {
	for _, count := range []int{5, 8, 9, 1 << 20} {
		for name, api := range map[string]func(s *ras.Session) ras.API{
			"direct":    func(s *ras.Session) ras.API { return s },
			"decorator": func(s *ras.Session) ras.API { return newPlain(s) },
		} {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				s := ras.NewSession(obedient{&fault{Port: near, read: func(b []byte) (int, error) {
					copy(b, "data")
					return count, nil
				}}}, nil)
				defer s.Close()
				memory := []byte("....mine")
				n, err := (&ras.Call{API: api(s), Port: s.Handle()}).Receive(t.Context(), memory[:4], 0)
				if n != 0 || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("reports %d bytes of 4", count)) {
					t.Errorf("%s, a count of %d: got %d, %v", name, count, n, err)
				}
				if left := s.Unread(); len(left) > 0 || string(memory[4:]) != "mine" {
					t.Errorf("%s, a count of %d: %q is unread, and the memory holds %q", name, count, left, memory)
				}
			})
		}
	}
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
