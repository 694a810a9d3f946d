package rfc2217

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// queue holds what a client has sent and the port has not accepted yet: data,
// and at their places in it the commands that are ordered with the data. The
// reader of the connection fills it, the writer of the port empties it.
//
// Up to soft bytes are queued. If the port does not make room within
// suspendDelay, a client that speaks COM-PORT is asked to suspend its data, and
// then up to hard bytes are queued, so that the commands after the data that is
// on its way are read. Beyond that, and for other clients beyond soft bytes, the
// connection is not read.
//
// What the writer is doing, and what changes it:
//
//	event             at work                 idle, in next         parked, in next
//	add, addCommand   queued                  at work               queued
//	startDirect       refused                 direct                refused
//	endDirect         -                       idle                  -
//	setPaused(true)   parked at its next next parked                -
//	setPaused(false)  -                       -                     at work, or idle
//	close             ends when all is done   ended                 ended after the pause
//	suspendClient     suspended in every state, until half of soft is free
//
// awaitParked returns when the writer is parked or ended and no direct write is
// running.
type queue struct {
	ready chan struct{} // a token: next may have something
	space chan struct{} // a token: there is room again

	soft, hard int
	suspend    func(on bool) // asks the client to suspend or to resume

	mu        sync.Mutex // guards what follows
	changed   wait.Notifier
	data      wait.Ring
	put, got  place     // what was queued, what is done
	ordered   []ordered // commands, oldest first
	progress  time.Time // when the port accepted something last, or got something to accept
	suspended bool      // the client was asked to suspend
	paused    bool      // next returns nothing,
	parked    bool      // and the writer is waiting in it
	idle      bool      // the writer is waiting in next for something to do
	direct    bool      // the reader writes to the port instead of the writer
	closed    bool      // nothing more will be queued
	ended     bool      // the writer has ended
}

// place is a position in what a client sends.
type place struct{ bytes, commands uint64 }

// reached reports whether all before q is done at p.
func (p place) reached(q place) bool { return p.bytes >= q.bytes && p.commands >= q.commands }

// ordered is a command that is carried out after the data before it. An empty
// one is a timing mark.
type ordered struct {
	at    uint64          // how many bytes are before it
	cmd   []byte          // a COM-PORT command and its value
	after <-chan struct{} // of a command: closed when control has carried out those before it
}

// entry is what is to be done next: write data, which stays valid until done,
// or, if there is none, carry out a command.
type entry struct {
	data    []byte
	command ordered
}

const (
	queueSoft    = 64 << 10
	queueRead    = 64 << 10 // bounds one read; see maxRead
	queueHard    = 2 << 20
	maxOrdered   = 64
	suspendDelay = 20 * time.Millisecond
)

// errStalled is the end of a wait for a port that accepts no data.
var errStalled = errors.New("the port accepts no data")

func newQueue(soft int, suspend func(on bool)) *queue {
	hard := soft + max(queueHard, 8*soft)
	return &queue{
		ready:    make(chan struct{}, 1),
		space:    make(chan struct{}, 1),
		soft:     soft,
		hard:     hard,
		suspend:  suspend,
		data:     wait.Ring{Min: minBuffer, Max: hard},
		progress: time.Now(),
	}
}

// room returns memory to read into, or nil if there is none now. grow requests
// more than there is now.
func (q *queue) room(grow bool) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := q.soft
	if q.suspended {
		limit = q.hard
	}
	free := limit - q.data.Len()
	if free <= 0 {
		return nil
	}
	seg := q.data.Free(grow && q.data.Cap() < limit)
	return seg[:min(len(seg), free, queueRead)]
}

// suspendClient asks the client to send no data, and makes room for what is on
// its way.
func (q *queue) suspendClient() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.suspended && q.data.Len() >= q.soft {
		q.suspended = true
		q.suspend(true)
	}
}

// add queues n bytes that are at the front of what room returned, or after
// those that were added since.
func (q *queue) add(n int) {
	if n == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.data.Len() == 0 {
		q.progress = time.Now()
	}
	q.data.Commit(n)
	q.put.bytes += uint64(n)
	post(q.ready)
}

// startDirect reports whether the reader may write to the port itself, which it
// may if the writer has nothing to do. It spares small messages a change of
// goroutines, and long ones half of the work of the caches.
func (q *queue) startDirect() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.direct = q.idle && !q.paused && q.data.Len() == 0 && len(q.ordered) == 0
	return q.direct
}

// endDirect ends what startDirect began; the port has accepted n bytes.
func (q *queue) endDirect(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.direct = false
	q.put.bytes += uint64(n)
	q.got.bytes += uint64(n)
	q.progress = time.Now()
	q.changed.Notify()
}

// addCommand queues a command after the data; its place is set here. It reports
// false if there are too many of them.
func (q *queue) addCommand(c ordered) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ordered) >= maxOrdered {
		return false
	}
	c.at = q.put.bytes
	q.ordered = append(q.ordered, c)
	q.put.commands++
	post(q.ready)
	return true
}

// commandQueued reports whether a command waits for its turn.
func (q *queue) commandQueued() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ordered) > 0
}

// end returns the place after all that is queued.
func (q *queue) end() place {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put
}

// first returns up to n of the bytes that are queued; they stay.
func (q *queue) first(n int) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.data.Peek(n)
}

// close lets next end when all is done.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	post(q.ready)
}

// next waits for something to do. It reports false at the end. What it returned
// stays queued until done or commandDone is called.
func (q *queue) next() (entry, bool) {
	for {
		q.mu.Lock()
		q.idle = false
		if q.parked = q.paused; !q.parked {
			e, ok := q.head()
			if ok || q.closed {
				q.mu.Unlock()
				return e, ok
			}
			q.idle = true
		}
		q.changed.Notify()
		q.mu.Unlock()
		<-q.ready
	}
}

// head returns what is to be done first. q.mu is held.
func (q *queue) head() (entry, bool) {
	end := q.put.bytes
	if len(q.ordered) > 0 {
		if end = q.ordered[0].at; end <= q.got.bytes {
			return entry{command: q.ordered[0]}, true
		}
	}
	n := int(end - q.got.bytes)
	return entry{data: q.data.Peek(n)}, n > 0
}

// done removes the first n bytes of the data that next returned.
func (q *queue) done(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > 0 {
		q.progress = time.Now()
		q.skip(n)
	}
	q.changed.Notify()
}

// commandDone removes the command that next returned.
func (q *queue) commandDone() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ordered = append(q.ordered[:0], q.ordered[1:]...)
	q.got.commands++
	q.progress = time.Now()
	post(q.space)
	q.changed.Notify()
}

// skip removes n bytes. q.mu is held.
func (q *queue) skip(n int) {
	q.data.Skip(n)
	q.got.bytes += uint64(n)
	post(q.space)
	if q.suspended && q.data.Len() < q.soft/2 {
		q.suspended = false
		q.suspend(false)
	}
}

// setPaused keeps next from returning anything, or ends that.
func (q *queue) setPaused(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = on
	post(q.ready)
}

// awaitParked returns when the writer waits in next, or has ended. The caller
// has paused the queue, and ends what the writer is waiting for.
func (q *queue) awaitParked(ctx context.Context) error {
	for {
		q.mu.Lock()
		done, changed := (q.parked || q.ended) && !q.direct, q.changed.Changed()
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writerEnded notes that next will not be called again.
func (q *queue) writerEnded() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.changed.Notify()
}

// discard drops the data before p and returns how many bytes that were. The writer
// is parked, or has ended.
func (q *queue) discard(p place) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.got.bytes < p.bytes {
		n = int(p.bytes - q.got.bytes)
		q.skip(n)
	}
	return n
}

// awaitDone blocks until all before p is done. It returns errStalled when the
// port has accepted nothing for the time limit, unless that is negative.
func (q *queue) awaitDone(ctx context.Context, p place, limit time.Duration) error {
	begun := time.Now()
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		q.mu.Lock()
		done := q.got.reached(p) || q.ended
		stalled := limit >= 0 && time.Since(q.progress) >= limit && time.Since(begun) >= limit
		changed := q.changed.Changed()
		q.mu.Unlock()
		switch {
		case done:
			return nil
		case stalled:
			return errStalled
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// progressInterval is how often a write is interrupted to see how much of it the
// port has accepted, while another goroutine needs to know.
const progressInterval = 100 * time.Millisecond
