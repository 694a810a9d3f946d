package script_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// What a script defers runs however it ends, in reverse order, on a context
// without end and on a port that the session has let go of.
func TestDefer(t *testing.T) {
	fails := errors.New("the script fails")
	for name, end := range map[string]func(ctx context.Context) error{
		"success": func(context.Context) error { return nil },
		"failure": func(context.Context) error { return fails },
		"panic":   func(context.Context) error { panic("the script panics") },
		"cancel":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				var order []string
				_, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
					for _, text := range []string{"a", "b"} {
						script.Defer(call, func(ctx context.Context, p port.Port, err error) error {
							order = append(order, text)
							if (err == nil) != (name == "success") || ctx.Err() != nil {
								t.Errorf("%s: deferred with error %v on a context that has ended: %v", text, err, ctx.Err())
							}
							_, err = io.WriteString(p, text)
							return err
						})
					}
					return end(ctx)
				}), &script.Config{Timeout: time.Second})
				if (err == nil) != (name == "success") {
					t.Errorf("error %v", err)
				}
				got := make([]byte, 2)
				if _, err := io.ReadFull(far, got); string(got) != "ba" || strings.Join(order, "") != "ba" {
					t.Errorf("order %v, the peer got %q, %v; want b, a", order, got, err)
				}
			})
		})
	}
}

// A clean-up that fails or panics is an error of the run and stops no other.
func TestDeferredErrors(t *testing.T) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	called := false
	_, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		script.Defer(call, func(context.Context, port.Port, error) error { called = true; return nil })
		script.Defer(call, func(context.Context, port.Port, error) error { return ras.ErrHangupFailed })
		script.Defer(call, func(context.Context, port.Port, error) error { panic("no clean-up with hunter2") })
		return ras.ErrLineBusy
	}), &script.Config{Params: &ras.DialParams{Password: "hunter2"}})
	if !called || ras.CodeOf(err) != ras.ErrLineBusy || !errors.Is(err, ras.ErrHangupFailed) || !strings.Contains(err.Error(), "no clean-up with ***") {
		t.Errorf("called %v, error %v; want all three, the script's own first", called, err)
	}
}

func TestShared(t *testing.T) {
	type counter struct{ n int }
	type other struct{ n int }
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	count := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		script.Shared[counter](call).n++
		return nil
	})
	_, err := script.Run(t.Context(), near, script.Sequence(count, count, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		if n, m := script.Shared[counter](call).n, script.Shared[other](call).n; n != 2 || m != 0 {
			t.Errorf("counted %d and %d, want 2 and 0", n, m)
		}
		return nil
	})), nil)
	if err != nil {
		t.Error(err)
	}
}
