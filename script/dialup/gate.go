package dialup

import (
	"sync"

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

// close keeps calls out and waits until those under way have left.
func (g *gate) close() {
	g.await(func() bool { return !g.closed })
	g.closed = true
	g.mu.Unlock()
	g.await(func() bool { return g.calls == 0 })
	g.mu.Unlock()
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
