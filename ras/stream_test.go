package ras_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// TestReceiveKeepsTheStream receives a stream of bytes into parts of one memory,
// while limits pass, contexts end, others cancel, bytes are given back, and Reads
// return errors with bytes. No byte is lost, doubled or out of order, and no byte of
// the memory is written outside the part, or after the receive has returned.
func TestReceiveKeepsTheStream(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { receiveStream(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func receiveStream(t *testing.T, rng *rand.Rand) {
	const total = 5000
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	odd := rand.New(rand.NewPCG(rng.Uint64(), 0))
	s := ras.NewSession(obedient{&fault{Port: near, read: func(b []byte) (int, error) {
		n, err := near.Read(b)
		if n > 0 && odd.IntN(4) == 0 {
			err = []error{port.ErrOverrun, os.ErrDeadlineExceeded}[odd.IntN(2)]
		}
		return n, err
	}}}, &ras.Config{ReadAhead: 64 * rng.IntN(3)})
	call := &ras.Call{API: s, Port: s.Handle()}
	decorated := call.WithAPI(newPlain(s))

	var others sync.WaitGroup
	running, stop := context.WithCancel(t.Context())
	defer stop()
	pause := func(rng *rand.Rand) <-chan time.Time {
		return time.After(time.Duration(rng.IntN(300)) * time.Microsecond)
	}
	sender, canceller := rand.New(rand.NewPCG(rng.Uint64(), 1)), rand.New(rand.NewPCG(rng.Uint64(), 2))
	others.Go(func() {
		for at := 0; at < total; {
			b := make([]byte, min(1+sender.IntN(300), total-at))
			for i := range b {
				b[i] = byte((at + i) % 251)
			}
			if _, err := far.Write(b); err != nil {
				return
			}
			at += len(b)
			<-pause(sender)
		}
	})
	others.Go(func() {
		for {
			select {
			case <-running.Done():
				return
			case <-pause(canceller):
			}
			if canceller.IntN(2) == 0 {
				call.CancelReceive()
			} else {
				s.Unread()
			}
		}
	})

	memory, mine := make([]byte, 700), make([]byte, 700)
	check := func(from, n int, when string) {
		for i, c := range memory {
			if (i < from || i >= from+n) && c != mine[i] {
				t.Fatalf("byte %d of the memory was written %s a receive into %d from %d", i, when, n, from)
			}
		}
	}
	for at := 0; at < total; {
		scribble(rng, memory)
		copy(mine, memory)
		from, size := rng.IntN(400), 1+rng.IntN(200)
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if rng.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(300))*time.Microsecond)
		}
		limit := time.Duration(rng.IntN(2000)) * time.Microsecond // 0 is none
		by := call
		if rng.IntN(8) == 0 {
			by = decorated
		}
		n, err := by.Receive(ctx, memory[from:from+size], limit)
		expected := err == nil || ctx.Err() != nil || errors.Is(err, ras.ErrRequestTimeout) || errors.Is(err, ras.ErrInvalidParameter) || errors.Is(err, ras.ErrOverrun)
		cancel()
		if !expected || n > 0 && err != nil {
			t.Fatalf("Receive: %d, %v", n, err)
		}
		check(from, size, "by")
		got := memory[from : from+n]
		for i, c := range got {
			if c != byte((at+i)%251) {
				t.Fatalf("byte %d of the stream is %d, want %d", at+i, c, (at+i)%251)
			}
		}
		at += n
		if n > 0 && rng.IntN(5) == 0 {
			back := 1 + rng.IntN(n)
			if err := call.Unread(got[n-back:]); err != nil {
				t.Fatal(err)
			}
			at -= back
		}
		scribble(rng, memory)
		copy(mine, memory)
		<-pause(rng)
		check(0, 0, "after")
	}
	stop()
	others.Wait()
	if _, err := call.End(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil || s.Stats().Leaked > 0 {
		t.Errorf("Close: %v, %+v", err, s.Stats())
	}
}

// scribble fills b with other bytes.
func scribble(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}
