package dialup

import (
	"context"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// gate lets many calls of a port run at a time, or one that must not overlap them.
// It is a sync.RWMutex whose waits are on channels, so that they do not hold up
// the fake time of tests.
type gate struct {
	mu      sync.Mutex // guards what follows
	changed wait.Notifier
	calls   int
	closed  bool
}

// enter begins a call, which leave ends. It waits while the gate is closed.
func (g *gate) enter() {
	g.await(context.Background(), func() bool { return !g.closed })
	g.calls++
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls--
	g.changed.Notify()
}

// close keeps calls out, from when no other has closed the gate. It fails if ctx
// ends before. Those that are under way go on; see empty.
func (g *gate) close(ctx context.Context) error {
	if err := g.await(ctx, func() bool { return !g.closed }); err != nil {
		return err
	}
	g.closed = true
	g.mu.Unlock()
	return nil
}

// empty waits until the calls under way have left, or until limit has passed. It
// reports whether they have.
func (g *gate) empty(limit time.Duration) bool {
	late := false
	defer time.AfterFunc(limit, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		late = true
		g.changed.Notify()
	}).Stop()
	g.await(context.Background(), func() bool { return g.calls == 0 || late })
	defer g.mu.Unlock()
	return g.calls == 0
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	g.changed.Notify()
}

// await returns with mu held when ok reports true, or without it and the context's
// error when ctx ends before that.
func (g *gate) await(ctx context.Context, ok func() bool) error {
	for {
		g.mu.Lock()
		if ok() {
			return nil
		}
		changed := g.changed.Changed()
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
