package script_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// bench is a call on one end of a virtual pair, with the peer at hand.
type bench struct {
	*testing.T
	call *ras.Call
	s    *ras.Session
	near *virtual.Port
	far  *virtual.Port
}

// onBench runs f on fake time.
func onBench(t *testing.T, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(1 << 16))
		s := ras.NewSession(near, nil)
		defer near.Close()
		defer far.Close()
		defer s.Close()
		call := &ras.Call{API: s, Port: s.Handle(), Params: &ras.DialParams{Password: "hunter2"}}
		f(&bench{t, call, s, near, far})
	})
}

func (b *bench) farSends(text string) {
	b.Helper()
	if _, err := b.far.Write([]byte(text)); err != nil {
		b.Fatalf("the far end's Write: %v", err)
	}
}

// farGets reads as many bytes as want has and compares.
func (b *bench) farGets(want string) {
	b.Helper()
	b.far.SetReadDeadline(time.Now().Add(time.Hour))
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		k, err := b.far.Read(got[n:])
		if err != nil {
			b.Fatalf("the far end got %q (%v), want %q", got[:n], err, want)
		}
		n += k
	}
	if string(got) != want {
		b.Fatalf("the far end got %q, want %q", got, want)
	}
}

func (b *bench) finds(d *script.Dialog, index int, before, text string, p ...script.Pattern) {
	b.Helper()
	m, err := d.WaitFor(b.Context(), time.Minute, p...)
	if err != nil {
		b.Fatalf("WaitFor(%v): %v", p, err)
	}
	if m.Index != index || string(m.Before) != before || string(m.Text) != text {
		b.Fatalf("WaitFor(%v) = %d, %q, %q; want %d, %q, %q", p, m.Index, m.Before, m.Text, index, before, text)
	}
}

func (b *bench) timesOut(d *script.Dialog, limit time.Duration, p ...script.Pattern) *script.TimeoutError {
	b.Helper()
	start := time.Now()
	m, err := d.WaitFor(b.Context(), limit, p...)
	var te *script.TimeoutError
	if !errors.As(err, &te) {
		b.Fatalf("WaitFor(%v) = %v, %v; want a TimeoutError", p, m, err)
	}
	if got := time.Since(start); got != limit {
		b.Errorf("the wait took %v, want %v", got, limit)
	}
	return te
}

// unread returns what is left for the next reader of the port, without waiting.
func (b *bench) unread() string {
	b.Helper()
	script.NewDialog(b.call, nil).Close()
	got := string(b.s.Unread())
	b.s.Close()
	b.near.SetReadDeadline(time.Now().Add(time.Second))
	for {
		buf := make([]byte, 100)
		n, err := b.near.Read(buf)
		if err != nil {
			return got
		}
		got += string(buf[:n])
	}
}

func executor(f func(ctx context.Context, d *script.Dialog) error) script.Executor {
	return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		return f(ctx, script.NewDialog(call, nil))
	})
}
