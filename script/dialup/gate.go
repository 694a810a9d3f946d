package dialup

import (
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
	g.await(func() bool { return !g.closed })
	g.calls++
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls--
	g.changed.Notify()
}

// close keeps calls out and waits until those under way have left, or, if limit is
// above 0, until that has passed. It reports whether they have.
func (g *gate) close(limit time.Duration) bool {
	g.await(func() bool { return !g.closed })
	g.closed = true
	g.mu.Unlock()
	late := false
	if limit > 0 {
		defer time.AfterFunc(limit, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			late = true
			g.changed.Notify()
		}).Stop()
	}
	g.await(func() bool { return g.calls == 0 || late })
	defer g.mu.Unlock()
	return g.calls == 0
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	g.changed.Notify()
}

// await returns with mu held when ok reports true.
func (g *gate) await(ok func() bool) {
	for {
		g.mu.Lock()
		if ok() {
			return
		}
		changed := g.changed.Changed()
		g.mu.Unlock()
		<-changed
	}
}
