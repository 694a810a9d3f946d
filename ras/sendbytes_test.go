package ras_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// TestSendsTakeTurns holds that sends which wait for each other go out in the
// order in which they began, also if some give up, and that none writes after the
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
		end, sent := []byte("end"), make(chan error, 1)
		go func() { sent <- call.Send(b.Context(), end) }()
		for !bytes.HasSuffix(all, end) {
			part := make([]byte, 100)
			n, err := b.far.Read(part)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, part[:n]...)
		}
		if err := <-sent; err != nil {
			b.Error(err)
		}
		if whole := bytes.Repeat([]byte("0123456789"), 1000); !bytes.HasPrefix(whole, bytes.TrimSuffix(all, []byte("end"))) {
			b.Errorf("of a cancelled send the peer received %d bytes that are no part from its start", len(all)-3)
		}
	})
}
