package rfc2217

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// enqueue queues text as the reader of the connection does.
func enqueue(t *testing.T, q *queue, text string) {
	t.Helper()
	for len(text) > 0 {
		seg := q.room(false)
		if seg == nil {
			t.Fatalf("no room for %d bytes", len(text))
		}
		n := copy(seg, text)
		q.add(n)
		text = text[n:]
	}
}

// TestQueueKeepsOrder queues data and commands in pieces of any size and takes
// them out in others: every command keeps its place.
func TestQueueKeepsOrder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		q := newQueue(queueSoft, func(bool) {})
		var want, got []byte // a command is a byte above 127
		fill := func() {
			seg := q.room(r.IntN(4) == 0)
			w := 0
			for range r.IntN(4) {
				n := min(r.IntN(300), len(seg)-w)
				for i := range n {
					seg[w+i] = byte(len(want)+i) & 0x7f
				}
				want = append(want, seg[w:w+n]...)
				q.add(n)
				w += n
				if c := byte(0x80 + r.IntN(100)); r.IntN(2) == 0 && q.addCommand(ordered{cmd: []byte{c}}) {
					want = append(want, c)
				}
			}
		}
		empty := func(e entry) {
			if len(e.data) == 0 {
				got = append(got, e.command.cmd...)
				q.commandDone()
				return
			}
			n := 1 + r.IntN(len(e.data))
			got = append(got, e.data[:n]...)
			q.done(n)
		}
		for len(want) < 5000 {
			fill()
			for range r.IntN(8) {
				q.mu.Lock()
				e, ok := q.head()
				q.mu.Unlock()
				if ok {
					empty(e)
				}
			}
		}
		q.close()
		for e, ok := q.next(); ok; e, ok = q.next() {
			empty(e)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: what was taken out differs from what was queued", seed)
		}
		if !q.got.reached(q.put) || q.put.reached(place{q.got.bytes + 1, 0}) {
			t.Errorf("seed %d: done %+v of %+v", seed, q.got, q.put)
		}
	}
}

// TestQueueDiscard drops the data before a place, and keeps the commands and
// what follows.
func TestQueueDiscard(t *testing.T) {
	q := newQueue(queueSoft, func(bool) {})
	enqueue(t, q, "dropped")
	q.addCommand(ordered{cmd: []byte("kept")})
	enqueue(t, q, "dropped as well")
	at := q.end()
	enqueue(t, q, "new")
	q.setPaused(true)
	go q.next()
	if err := q.awaitParked(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.discard(at)
	q.close()
	q.setPaused(false)
	var got []string
	for {
		q.mu.Lock()
		e, ok := q.head()
		q.mu.Unlock()
		if !ok {
			break
		}
		if len(e.data) > 0 {
			got = append(got, "data "+string(e.data))
			q.done(len(e.data))
		} else {
			got = append(got, "command "+string(e.command.cmd))
			q.commandDone()
		}
	}
	if len(got) != 2 || got[0] != "command kept" || got[1] != "data new" {
		t.Errorf("after a purge the queue had %q, want the command and the new data", got)
	}
}

// TestQueueIsBounded fills a queue that nothing empties.
func TestQueueIsBounded(t *testing.T) {
	var asked []bool
	q := newQueue(queueSoft, func(on bool) { asked = append(asked, on) })
	fill := func() {
		for seg := q.room(true); seg != nil; seg = q.room(true) {
			q.add(len(seg))
		}
	}
	fill()
	if n := q.data.Len(); n != queueSoft {
		t.Errorf("a queue accepts %d bytes, want %d", n, queueSoft)
	}
	if n := q.data.Cap(); n > queueSoft {
		t.Errorf("it takes %d bytes of memory, want %d", n, queueSoft)
	}
	q.suspendClient()
	q.suspendClient()
	fill()
	if n := q.data.Len(); n != q.hard {
		t.Errorf("with a client that was asked to suspend it accepts %d bytes, want %d", n, q.hard)
	}
	q.done(q.hard - queueSoft/2)
	if len(asked) != 1 || !asked[0] {
		t.Errorf("the client was asked %v, want to suspend once", asked)
	}
	q.done(1)
	if len(asked) != 2 || asked[1] {
		t.Errorf("the client was asked %v, want to resume when half is free", asked)
	}
	n := 0
	for q.addCommand(ordered{cmd: []byte("x")}) {
		n++
	}
	if n != maxOrdered {
		t.Errorf("a queue accepts %d commands, want %d", n, maxOrdered)
	}
}

// TestQueueStalls waits for a place while the port accepts a byte every second,
// and then none.
func TestQueueStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(queueSoft, func(bool) {})
		enqueue(t, q, "0123456789")
		go func() {
			for range 5 {
				<-time.After(time.Second)
				q.done(1)
			}
		}()
		start := time.Now()
		if err := q.awaitDone(t.Context(), place{5, 0}, 2*time.Second); err != nil || time.Since(start) != 5*time.Second {
			t.Errorf("a wait for half of the data ended with %v after %v, want none after 5s", err, time.Since(start))
		}
		if err := q.awaitDone(t.Context(), q.end(), 2*time.Second); err != errStalled || time.Since(start) != 7*time.Second {
			t.Errorf("a wait for all ended with %v after %v, want errStalled after 7s", err, time.Since(start))
		}
		q.writerEnded()
		if err := q.awaitDone(t.Context(), q.end(), -1); err != nil {
			t.Errorf("a wait for a writer that has ended: %v", err)
		}
	})
}
