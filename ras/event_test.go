package ras_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// TestWaitReadsOnTheCaller holds what Event.Wait is for: the caller reads, and
// a wait that is given up leaves the receive posted and takes nothing.
func TestWaitReadsOnTheCaller(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, 0)
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := ev.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			b.Fatalf("Wait = %v, want the context's end", err)
		}
		b.farSends("later")
		b.retrieveFails(buf, ras.ErrPending)
		if err := ev.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.retrieve(buf, "later")
	})
}

func TestWaitersTakeOverFromEachOther(t *testing.T) {
	onBench(t, func(b *bench) {
		buf := b.buffer(0)
		ev := b.post(buf, 0)
		ctx, cancel := context.WithCancel(b.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- ev.Wait(ctx) }()
		synctest.Wait()
		go func() { second <- ev.Wait(context.Background()) }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			b.Errorf("the cancelled Wait = %v", err)
		}
		b.farSends("x")
		if err := <-second; err != nil {
			b.Errorf("the other Wait = %v", err)
		}
		b.retrieve(buf, "x")
	})
}

func TestOneEventForTwoSessions(t *testing.T) {
	onBench(t, func(b *bench) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		other := ras.NewSession(near, nil)
		defer other.Close()
		ev := ras.NewEvent()
		mine, its := b.buffer(0), must(other.GetBuffer(0))
		b.code(b.s.ReceiveBuffer(b.h, mine, 0, ev), ras.Success)
		b.code(other.ReceiveBuffer(other.Handle(), its, 0, ev), ras.Success)
		b.farSends("one")
		b.wait(ev)
		b.retrieve(mine, "one")
		far.Write([]byte("two"))
		if err := ev.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		if n, err := other.RetrieveBuffer(other.Handle(), its); err != nil || n != 3 {
			b.Errorf("RetrieveBuffer = %d, %v", n, err)
		}
	})
}

// TestEventForgetsItsSession holds that an event which outlives a session does not
// keep it in memory.
func TestEventForgetsItsSession(t *testing.T) {
	ev := ras.NewEvent()
	session := func() weak.Pointer[ras.Session] {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		b, err := s.GetBuffer(0)
		if err = errors.Join(err, s.ReceiveBuffer(s.Handle(), b, 0, ev), s.Close()); err != nil {
			t.Fatal(err)
		}
		return weak.Make(s)
	}()
	for start := time.Now(); session.Value() != nil; runtime.GC() {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the session is still in memory")
		}
	}
	runtime.KeepAlive(ev)
}

// TestWaitersOfOneEvent lets two goroutines wait with one event: the one that reads
// the port gives up at any moment, and the other must get the byte all the same.
func TestWaitersOfOneEvent(t *testing.T) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	s := ras.NewSession(near, nil)
	defer s.Close()
	b, err := s.GetBuffer(0)
	if err != nil {
		t.Fatal(err)
	}
	var spin atomic.Int32
	for i := range 5000 {
		ev := ras.NewEvent()
		if err := s.ReceiveBuffer(s.Handle(), b, 0, ev); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { left <- ev.Wait(ctx) }()
		staying, stop := context.WithTimeout(t.Context(), 10*time.Second)
		got := make(chan error)
		go func() {
			cancel()
			for range i % 400 { // some moment while the first gives up
				spin.Add(1)
			}
			got <- ev.Wait(staying)
		}()
		if err := <-left; err == nil {
			t.Fatal("an event was set without a byte")
		}
		far.Write([]byte("x"))
		if err := <-got; err != nil {
			t.Fatalf("after %d rounds: %v", i, err)
		}
		stop()
		if n, err := s.RetrieveBuffer(s.Handle(), b); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
}
