package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

// link is a network link to a server, on another loopback address where the system
// has one, that can be cut: no byte passes then, and no connection ends.
type link struct {
	net.Listener
	to string

	mu    sync.Mutex
	whole sync.Cond // waits for cut to be false
	cut   bool
	conns []net.Conn
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l := &link{to: to}
	l.whole.L = &l.mu
	var err error
	if l.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		if l.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", l.to)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, near, far)
			l.mu.Unlock()
			tasks.Go(func() { l.copy(near, far) })
			tasks.Go(func() { l.copy(far, near) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		l.set(false)
		l.mu.Lock()
		for _, c := range l.conns {
			c.Close()
		}
		l.mu.Unlock()
		tasks.Wait()
	})
	return l
}

func (l *link) copy(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		for l.cut {
			l.whole.Wait()
		}
		l.mu.Unlock()
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	l.whole.Broadcast()
}

// A worker behind a link that is cut hangs up before its leases end, another worker
// does its jobs, and when the link is whole again it works on.
func TestLinkIsCutAndHealed(t *testing.T) {
	const lease = 3 * time.Second
	gap := lease + 2*time.Second
	if peertest.Long() {
		gap = 20 * time.Second
	}
	e, q := startTestQueue(t, lease)
	l := newLink(t, e.ns.Addr().String())
	nc, err := connect("nats://"+l.Addr().String(), e.creds)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	far, err := openQueue(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	var hungUp atomic.Int32
	var healed atomic.Bool
	cut := make(chan time.Time, 1)
	late := make(chan time.Duration, 100)
	startWorker(t, far, workerConfig{name: "far", lines: simLines("far", 4), call: func(ctx context.Context, c *call) error {
		if healed.Load() {
			return nil
		}
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), errLeaseLost) {
			hungUp.Add(1)
			at := <-cut
			cut <- at
			late <- time.Since(at)
		}
		return context.Cause(ctx)
	}})
	for i := range 4 {
		mustSubmit(t, q, testJob(fmt.Sprintf("held-%d", i)))
	}
	await(t, "four calls are under way", func() bool {
		s, err := q.status(t.Context())
		if err != nil || len(s.Workers) != 1 {
			return false
		}
		for _, line := range s.Workers[0].Lines {
			if line.State != stateDialling {
				return false
			}
		}
		return true
	})
	l.set(true)
	start := time.Now()
	cut <- start
	startWorker(t, q, workerConfig{name: "near", lines: simLines("near", 4), call: func(context.Context, *call) error { return nil }})
	for i := range 4 {
		if r := awaitResult(t, q, fmt.Sprintf("held-%d", i)); r.Worker != "near" || r.Outcome != outcomeOK {
			t.Errorf("result %+v", r)
		}
	}
	for range 4 {
		if d := <-late; d > lease {
			t.Errorf("a call was hung up %v after the link was cut, and the lease is %v", d, lease)
		}
	}
	pause(t.Context(), time.Until(start.Add(gap)))
	healed.Store(true)
	l.set(false)
	j := testJob("after")
	j.Class, j.Line = "", "far-001"
	mustSubmit(t, q, j)
	if r := awaitResult(t, q, "after"); r.Worker != "far" {
		t.Errorf("result %+v", r)
	}
	if n := hungUp.Load(); n != 4 {
		t.Errorf("%d calls were hung up, want 4", n)
	}
	if s, err := q.status(t.Context()); err != nil || s.Results != 5 {
		t.Errorf("status %+v, %v, want 5 results", s, err)
	}
}
