package ras_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// TestContextOfAnEarlierWait holds that a context matters only to the waits that
// were given it.
func TestContextOfAnEarlierWait(t *testing.T) {
	onBench(t, func(b *bench) {
		ctx, cancel := context.WithCancel(b.Context())
		buf := b.buffer(0)
		b.farSends("x")
		ev := b.post(buf, 0)
		if err := ev.Wait(ctx); err != nil {
			b.Fatal(err)
		}
		b.retrieve(buf, "x")
		ev = b.post(buf, 0)
		token := ev.C()
		synctest.Wait()
		cancel()
		synctest.Wait()
		b.farSends("y")
		select {
		case <-token:
		case <-time.After(time.Hour):
			b.Fatal("the receive was halted by the context of an earlier wait")
		}
		b.retrieve(buf, "y")
		ev = b.post(buf, 0)
		go func() { b.farSends("z") }()
		if err := ev.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.retrieve(buf, "z")
	})
}

// TestQueuedSendsEndWithTheSession holds that a send which waits for another
// writes nothing after Close.
func TestQueuedSendsEndWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(1))
		defer near.Close()
		defer far.Close()
		s := ras.NewSession(near, nil)
		ended := make(chan error, 3)
		for range 3 {
			b, _ := s.GetBuffer(0)
			go func() { ended <- s.SendBuffer(s.Handle(), b, 10) }()
		}
		synctest.Wait()
		s.Close()
		for range 3 {
			checkCode(t, <-ended, ras.ErrInvalidPortHandle)
		}
		// The first send has sent what the port held; the others nothing.
		if got := s.Stats().Sent; got == 0 || got > 3 {
			t.Errorf("%d bytes are counted as sent, want one to three", got)
		}
	})
}

// exclusive is a port that notes calls of Write and SetMode at the same time.
type exclusive struct {
	*virtual.Port
	inside, overlaps atomic.Int32
}

func (e *exclusive) enter() func() {
	if e.inside.Add(1) > 1 {
		e.overlaps.Add(1)
	}
	return func() { e.inside.Add(-1) }
}

func (e *exclusive) Write(b []byte) (int, error) {
	defer e.enter()()
	<-time.After(time.Millisecond)
	return e.Port.Write(b)
}

func (e *exclusive) SetMode(m port.Mode) error {
	defer e.enter()()
	<-time.After(time.Millisecond)
	return e.Port.SetMode(m)
}

func TestDecision53SettingsAndSendsDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		p := &exclusive{Port: near}
		s := ras.NewSession(p, nil)
		defer s.Close()
		done := make(chan error, 20)
		for i := range 20 {
			b, _ := s.GetBuffer(0)
			go func() {
				if i%2 == 0 {
					done <- s.SendBuffer(s.Handle(), b, 1)
					return
				}
				done <- s.SetCommSettings(s.Handle(), ras.CommSettings{ByteSize: 8})
			}()
		}
		for range 20 {
			checkCode(t, <-done, ras.Success)
		}
		if n := p.overlaps.Load(); n > 0 {
			t.Errorf("%d sends and settings overlapped", n)
		}
	})
}

// TestOverrunBetweenReceives holds that characters which the device lost while no
// receive was posted are reported by the next one, immediately.
func TestOverrunBetweenReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		lost := make(chan struct{})
		reads := 0
		p := &fault{Port: near, read: func(b []byte) (int, error) {
			if reads++; reads == 1 {
				<-lost
				return 0, port.ErrOverrun
			}
			return near.Read(b)
		}}
		s := ras.NewSession(p, nil)
		defer s.Close()
		b, _ := s.GetBuffer(0)
		ev := ras.NewEvent()
		checkCode(t, s.ReceiveBuffer(s.Handle(), b, 0, ev), ras.Success)
		ev.C()
		synctest.Wait()
		checkCode(t, s.CancelPosted(s.Handle()), ras.Success)
		close(lost)
		synctest.Wait()
		checkCode(t, s.ReceiveBuffer(s.Handle(), b, time.Hour, ev), ras.Success)
		start := time.Now()
		<-ev.C()
		_, err := s.RetrieveBuffer(s.Handle(), b)
		if checkCode(t, err, ras.ErrOverrun); time.Since(start) > 0 {
			t.Errorf("the loss was reported after %v", time.Since(start))
		}
	})
}

// TestReadAheadOnlyWhileDataStreams holds how many bytes a read may take, and
// that a port may return nothing for a while.
func TestReadAheadOnlyWhileDataStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		var sizes []int
		answers := []int{3, 10, 100, 2, 5}
		empty := 0
		p := &fault{Port: near, read: func(b []byte) (int, error) {
			if empty++; empty < 50 {
				return 0, nil
			}
			if len(answers) == 0 {
				t.Errorf("a read of %d bytes more than was asked for, after %v", len(b), sizes)
				return near.Read(b)
			}
			sizes = append(sizes, len(b))
			n := min(answers[0], len(b))
			answers = answers[1:]
			return n, nil
		}}
		s := ras.NewSession(p, &ras.Config{ReadAhead: 100})
		defer s.Close()
		b, _ := s.GetBuffer(10)
		ev := ras.NewEvent()
		for range 14 {
			checkCode(t, s.ReceiveBuffer(s.Handle(), b, 0, ev), ras.Success)
			if err := ev.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.RetrieveBuffer(s.Handle(), b); err != nil {
				t.Fatal(err)
			}
		}
		want := []int{10, 10, 100, 100, 10}
		for i, n := range sizes {
			if n != want[i] {
				t.Errorf("reads of %v bytes, want %v", sizes, want)
				break
			}
		}
	})
}
