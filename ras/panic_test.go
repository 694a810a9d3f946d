package ras_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// ending is an API whose SendBuffer ends as f does.
type ending struct {
	ras.API
	f func()
}

func (e ending) SendBuffer(ras.Handle, ras.Buffer, int) error {
	e.f()
	return nil
}

// TestPanicOfACallback holds that a callback that panics, or ends its goroutine as
// testing.T.Fatal does, while a send runs it beside its caller is an error of the
// send: the caller could not recover from a panic on another goroutine.
func TestPanicOfACallback(t *testing.T) {
	for name, c := range map[string]struct {
		f    func()
		want string
	}{
		"panic":  {func() { panic("no room for hunter22") }, "no room for ***"},
		"Goexit": {runtime.Goexit, "goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				below := &ras.Call{API: b.s, Port: b.h, Params: &ras.DialParams{Password: "hunter22"}}
				call := below.WithAPI(ending{b.s, c.f})
				ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				err := call.Send(ctx, []byte("text"))
				b.code(err, ras.ErrUnknown)
				if !strings.Contains(err.Error(), c.want) || time.Since(start) != 0 {
					b.Errorf("after %v: %v", time.Since(start), err)
				}
				if err := below.Send(ctx, []byte("text")); err != nil {
					b.Errorf("the send after it: %v", err)
				}
				if _, err := call.End(); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// TestPanicOfAPort holds that a port that panics, or ends the goroutine, in a call
// on a goroutine of the session has failed.
func TestPanicOfAPort(t *testing.T) {
	for name, f := range map[string]func(){
		"panic":  func() { panic("no such register") },
		"Goexit": runtime.Goexit,
	} {
		for op, use := range map[string]func(ctx context.Context, call *ras.Call) error{
			"Read": func(ctx context.Context, call *ras.Call) error {
				_, err := call.Receive(ctx, make([]byte, 10), 0)
				return err
			},
			"Write": func(ctx context.Context, call *ras.Call) error { return call.Send(ctx, []byte("text")) },
		} {
			t.Run(name+" of "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := virtual.Pair()
					defer near.Close()
					defer far.Close()
					end := func([]byte) (int, error) { f(); return 0, nil }
					s := ras.NewSession(&fault{Port: struct{ port.Port }{near}, read: end, write: end}, nil)
					call := &ras.Call{API: s, Port: s.Handle()}
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					start := time.Now()
					for range 2 {
						err := use(ctx, call)
						checkCode(t, err, ras.ErrPortOrDevice)
						if name == "panic" && !strings.Contains(err.Error(), "no such register") {
							t.Errorf("got %v", err)
						}
					}
					if err := s.Close(); err != nil || time.Since(start) != 0 {
						t.Errorf("after %v Close = %v", time.Since(start), err)
					}
				})
			})
		}
	}
}
