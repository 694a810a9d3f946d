package wait_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

func TestNotifierWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var n wait.Notifier
		var woken sync.WaitGroup
		n.Notify() // while no caller waits
		for range 2 {
			for range 3 {
				mu.Lock()
				changed := n.Changed()
				mu.Unlock()
				woken.Go(func() { <-changed })
			}
			synctest.Wait()
			mu.Lock()
			n.Notify()
			mu.Unlock()
			woken.Wait()
		}
	})
	var n wait.Notifier
	if a := testing.AllocsPerRun(100, n.Notify); a != 0 {
		t.Errorf("Notify while no caller waits takes %v allocations, want 0", a)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("enough")
		for _, tt := range []struct {
			name       string
			end, d     time.Duration // end: when the context ends; 0: before the call
			want, took any
		}{
			{"the whole time", time.Hour, time.Minute, nil, time.Minute},
			{"cut short", time.Second, time.Minute, cause, time.Second},
			{"no time", time.Hour, 0, nil, time.Duration(0)},
			{"less than no time", time.Hour, -1, nil, time.Duration(0)},
			{"an ended context", 0, time.Minute, cause, time.Duration(0)},
			{"an ended context and no time", 0, 0, cause, time.Duration(0)},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			if tt.end == 0 {
				cancel(cause)
			}
			stop := time.AfterFunc(tt.end, func() { cancel(cause) })
			begin := time.Now()
			err := wait.Sleep(ctx, tt.d)
			if took := time.Since(begin); took != tt.took || tt.want == nil && err != nil || tt.want != nil && err != tt.want {
				t.Errorf("%s: %v after %v, want %v after %v", tt.name, err, took, tt.want, tt.took)
			}
			stop.Stop()
			cancel(nil)
		}
	})
}

func TestEdges(t *testing.T) {
	var e wait.Edges
	before := e
	e.Count(1<<2 | 1<<5)
	e.Count(1 << 2)
	for mask, want := range map[uint8]bool{0: false, 0xff: true, 1 << 2: true, 1<<5 | 1: true, 1 << 1: false, ^uint8(1<<2 | 1<<5): false} {
		if got := e.Since(&before, mask); got != want {
			t.Errorf("a line of %08b has changed: %v, want %v", mask, got, want)
		}
	}
	if e.Since(&e, 0xff) {
		t.Error("a line has changed since now")
	}
}
