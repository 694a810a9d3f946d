package modem

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// waiter is a script that waits for something that does not come.
var waiter = script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	_, err := d.WaitFor(ctx, time.Hour, script.Text("never"))
	return err
})

// underWatch runs e under a watch, with DCD on, and f beside it on the peer.
func underWatch(t *testing.T, e script.Executor, c *CarrierConfig, f func(near, far *virtual.Port)) (took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		far.Drive(port.DCD, port.DCD)
		done := make(chan struct{})
		go func() { defer close(done); f(near, far) }()
		start := time.Now()
		_, err = script.Run(t.Context(), near, WatchCarrier(e, c), nil)
		took = time.Since(start)
		<-done
	})
	return took, err
}

// drop loses the carrier after a time, which should not be a whole number of
// seconds: then the watch looks by itself, at the same instant.
func drop(after time.Duration) func(near, far *virtual.Port) {
	return func(_, far *virtual.Port) {
		<-time.After(after)
		far.Drive(port.DCD, 0)
	}
}

func TestCarrierLossEndsTheScript(t *testing.T) {
	took, err := underWatch(t, waiter, &CarrierConfig{Step: "login"}, drop(7300*time.Millisecond))
	var c *CarrierError
	if !errors.As(err, &c) || c.Step != "login" || c.After != 7300*time.Millisecond || c.Doing != `wait for "never"` || c.Time.IsZero() {
		t.Fatalf("error %#v, want step and time of the loss", err)
	}
	if !errors.Is(err, ras.ErrRemoteDisconnection) || !errors.Is(err, port.ErrCarrierLost) || ras.CodeOf(err) != ras.ErrRemoteDisconnection {
		t.Errorf("error %v has code %v, want 629", err, ras.CodeOf(err))
	}
	if want := `login: carrier lost after 7.3s, at: wait for "never"`; err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
	if took != 7500*time.Millisecond {
		t.Errorf("ended after %v, want the debounce time after the loss", took)
	}
}

func TestCarrierPolicies(t *testing.T) {
	short := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		return d.Pause(ctx, 10*time.Second)
	})
	tests := []struct {
		name string
		c    *CarrierConfig
		play func(near, far *virtual.Port)
		took time.Duration
		code ras.Code
	}{
		{"no loss", nil, func(_, _ *virtual.Port) {}, 10 * time.Second, 0},
		{"loss", nil, drop(1300 * time.Millisecond), 1500 * time.Millisecond, ras.ErrRemoteDisconnection},
		{"loss at once", &CarrierConfig{Debounce: -1}, drop(1300 * time.Millisecond), 1300 * time.Millisecond, ras.ErrRemoteDisconnection},
		{"hung up", nil, func(_, far *virtual.Port) { <-time.After(1300 * time.Millisecond); far.HangUp() }, 1500 * time.Millisecond, ras.ErrRemoteDisconnection},
		{"ignored", &CarrierConfig{Ignore: true}, drop(1300 * time.Millisecond), 10 * time.Second, 0},
		{"blinks", nil, func(_, far *virtual.Port) {
			for range 5 {
				<-time.After(900 * time.Millisecond)
				far.Drive(port.DCD, 0)
				<-time.After(199 * time.Millisecond)
				far.Drive(port.DCD, port.DCD)
			}
		}, 10 * time.Second, 0},
		{"required and there", &CarrierConfig{Require: time.Minute}, func(_, _ *virtual.Port) {}, 10 * time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			took, err := underWatch(t, short, tt.c, tt.play)
			if took > tt.took || tt.code == 0 && took != tt.took {
				t.Errorf("took %v, want %v", took, tt.took)
			}
			if tt.code == 0 && err != nil || tt.code != 0 && !errors.Is(err, tt.code) {
				t.Errorf("error %v, want code %d", err, tt.code)
			}
		})
	}
}

func TestCarrierRequired(t *testing.T) {
	tests := []struct {
		name   string
		comes  time.Duration // 0: never
		code   ras.Code
		lasted time.Duration
	}{
		{"comes", 20005 * time.Millisecond, 0, 20005 * time.Millisecond},
		{"never comes", 0, ras.ErrNoCarrier, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				far.Drive(port.DCD, 0)
				if tt.comes > 0 {
					timer := time.AfterFunc(tt.comes, func() { far.Drive(port.DCD, port.DCD) })
					defer timer.Stop()
				}
				start := time.Now()
				ran := false
				e := script.ExecutorFunc(func(context.Context, *ras.Call) error { ran = true; return nil })
				_, err := script.Run(t.Context(), near, WatchCarrier(e, &CarrierConfig{Require: 30 * time.Second}), nil)
				if ran != (tt.code == 0) || tt.code == 0 && err != nil || tt.code != 0 && !errors.Is(err, tt.code) {
					t.Errorf("ran %v, error %v; want code %d", ran, err, tt.code)
				}
				if took := time.Since(start); took != tt.lasted {
					t.Errorf("took %v, want %v", took, tt.lasted)
				}
			})
		})
	}
}

func TestCarrierWithoutLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.NoLines())
		defer near.Close()
		defer far.Close()
		ran := false
		e := script.ExecutorFunc(func(context.Context, *ras.Call) error { ran = true; return nil })
		_, err := script.Run(t.Context(), near, WatchCarrier(e, &CarrierConfig{Require: time.Minute}), nil)
		if err != nil || !ran {
			t.Errorf("ran %v, error %v; want the script to run unwatched", ran, err)
		}
	})
}

// A carrier that was never there cannot be lost.
func TestCarrierNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		far.Drive(port.DCD, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := script.Run(ctx, near, WatchCarrier(waiter, nil), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the script to run to its limit", err)
		}
	})
}

// A script that succeeds although the carrier goes has succeeded.
func TestCarrierLossAfterSuccess(t *testing.T) {
	e := script.ExecutorFunc(func(ctx context.Context, _ *ras.Call) error {
		<-ctx.Done()
		return nil
	})
	if _, err := underWatch(t, e, nil, drop(1300*time.Millisecond)); err != nil {
		t.Errorf("error %v, want none", err)
	}
}

// A script that knows no contexts ends when its session fails.
func TestCarrierLossEndsAStubbornScript(t *testing.T) {
	stubborn := script.ExecutorFunc(func(_ context.Context, call *ras.Call) error {
		b, err := call.GetBuffer(100)
		if err != nil {
			return err
		}
		ev := ras.NewEvent()
		if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
			return err
		}
		<-ev.C()
		_, err = call.RetrieveBuffer(call.Port, b)
		return errors.Join(err, call.FreeBuffer(b))
	})
	took, err := underWatch(t, stubborn, &CarrierConfig{Grace: 3 * time.Second}, drop(1300*time.Millisecond))
	var c *CarrierError
	if !errors.As(err, &c) || c.After != 1300*time.Millisecond || took != 4500*time.Millisecond {
		t.Errorf("error %v after %v, want the loss of the carrier at 1.3s after 4.5s", err, took)
	}
}

// What the script has found out itself comes before the loss.
func TestCarrierLossAfterAVerdict(t *testing.T) {
	e := script.ExecutorFunc(func(ctx context.Context, _ *ras.Call) error {
		<-ctx.Done()
		return ras.ErrAuthenticationFailure
	})
	_, err := underWatch(t, e, nil, drop(1300*time.Millisecond))
	var c *CarrierError
	if ras.CodeOf(err) != ras.ErrAuthenticationFailure || !errors.As(err, &c) {
		t.Errorf("error %v, want the script's code, and the loss behind it", err)
	}
}

func TestCarrierWatchEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := script.Run(ctx, near, WatchCarrier(waiter, nil), nil)
		var c *CarrierError
		if ras.CodeOf(err) != ras.ErrRequestTimeout || errors.As(err, &c) {
			t.Errorf("error %v, want the context's", err)
		}
	})
}
