package virtual

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// A Port is one end of a Pair. It implements port.Port and all the optional
// interfaces of package port. Its methods may be called from several
// goroutines concurrently; a Write is not mixed with others.
//
// Errors are *port.OpError.
//
// The first of these that is true decides, in both directions:
//
//	          Read                                 Write
//	closed    net.ErrClosed                        net.ErrClosed
//	removed   port.ErrRemoved                      port.ErrRemoved
//	fell      what has arrived, ErrCarrierLost     ErrCarrierLost
//	peer's closed, removed or hung up
//	          all that is on the wire, then        ErrCarrierLost
//	          ErrCarrierLost
//	-         what has arrived, or waits           room on the wire, or waits
//
// writing and breakSet are independent of these.
type Port struct {
	cable *cable
	peer  *Port
	name  string

	// cable.mu guards what follows, in both ports of the pair.

	out     wire // what this end sends; peer.out is what it receives
	mode    port.Mode
	outputs port.Lines // DTR and RTS
	driven  port.Lines // inputs that the peer's Drive has set
	levels  port.Lines // their levels
	seen    port.Lines // the lines as edges counts them
	edges   wait.Edges // how often each line has changed
	stats   port.Stats
	breaks  int // breaks being sent now

	breakSet bool // one of them was begun by SetBreak

	seenDCD bool // DCD has been asserted
	fell    bool // a carrier policy has detected its fall
	closed  bool // by Close
	removed bool // by Unplug

	readBy  time.Duration // deadlines, or never
	writeBy time.Duration
	reads   gate // reads that wait for bytes
	writes  gate // the write that waits for room
	writers gate // writes that wait for an earlier one
	writing bool // a write is running

	changed wait.Notifier // of lines, output queue and state
}

var (
	_ port.Port           = (*Port)(nil)
	_ port.ModeSetter     = (*Port)(nil)
	_ port.LineController = (*Port)(nil)
	_ port.Breaker        = (*Port)(nil)
	_ port.Drainer        = (*Port)(nil)
	_ port.Counter        = (*Port)(nil)
	_ port.QueueCounter   = (*Port)(nil)
	_ port.BreakSetter    = (*Port)(nil)
	_ port.Named          = (*Port)(nil)
)

// Name returns the port's name, see Names.
func (p *Port) Name() string { return p.name }

// Read reads what has arrived, and blocks until something has. Once the carrier
// is lost it still returns what had arrived, and then port.ErrCarrierLost.
func (p *Port) Read(b []byte) (int, error) {
	p.cable.mu.Lock()
	n, err := p.read(b)
	p.reads.signal()
	p.cable.mu.Unlock()
	return n, p.fail("read", err)
}

func (p *Port) read(b []byte) (int, error) {
	in := &p.peer.out
	for {
		if err := p.ended(); err != nil || len(b) == 0 {
			return 0, err
		}
		now := p.clock(in, p.readBy)
		queued := in.tx.Len() > 0
		in.step(now)
		p.cable.update()
		lost := in.ready == 0 && (p.fell || p.lost() && in.tx.Len() == 0 && in.rx.Len() == 0)
		switch {
		case lost:
			return 0, port.ErrCarrierLost
		case now >= p.readBy:
			return 0, os.ErrDeadlineExceeded
		case in.ready > 0:
			n := in.rx.Take(b[:min(len(b), in.ready)])
			in.ready -= n
			in.resume(now)
			p.cable.update()
			p.peer.writes.signal()
			if queued {
				p.peer.changed.Notify()
			}
			return n, nil
		}

		// Like a UART with a FIFO, do not check again for each of several bytes in
		// close succession, unless the deadline would pass with bytes that have
		// arrived.
		const fifo = 16
		at := in.nextArrival(min(len(b), fifo))
		if at >= p.readBy {
			at = min(in.nextArrival(1), p.readBy)
		}
		p.reads.wait(&p.cable.mu, now, at)
	}
}

// clock returns the time if it is needed: reading it costs more than a short
// read.
func (p *Port) clock(w *wire, deadline time.Duration) time.Duration {
	if deadline == never && !(w.char > 0 || w.delay > 0 || w.joint()) {
		return 0
	}
	return p.cable.now()
}

// Write queues b for the line and blocks while there is no room, see
// BufferSize. What it has queued arrives even if the port is closed afterwards,
// but not after HangUp or Unplug. It returns how many bytes it has queued.
func (p *Port) Write(b []byte) (n int, err error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	for p.writing {
		now := p.clock(&p.out, p.writeBy)
		if err := p.unwritable(now); err != nil {
			p.writers.signal()
			return 0, p.fail("write", err)
		}
		p.writers.wait(&p.cable.mu, now, p.writeBy)
	}
	p.writing = true
	defer func() {
		p.writing = false
		p.writers.signal()
	}()

	for {
		now := p.clock(&p.out, p.writeBy)
		if err := p.unwritable(now); err != nil || len(b) == 0 {
			return n, p.fail("write", err)
		}
		k := p.out.send(b, now)
		p.cable.update()
		if k > 0 {
			p.peer.reads.signal()
			if p.out.watched { // calls that wait for CTS compute its time anew
				p.changed.Notify()
				p.peer.changed.Notify()
			}
		}
		n, b = n+k, b[k:]
		if len(b) > 0 {
			room := min(len(b), (p.out.tx.Max+1)/2)
			p.writes.wait(&p.cable.mu, now, min(p.writeBy, p.out.nextLeaving(room)))
		}
	}
}

// unwritable returns why nothing can be written now.
func (p *Port) unwritable(now time.Duration) error {
	if err := p.ended(); err != nil {
		return err
	}
	if p.lost() || p.fell {
		return port.ErrCarrierLost
	}
	if now >= p.writeBy {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// ended returns the error of a port that is closed or removed.
func (p *Port) ended() error {
	switch {
	case p.closed:
		return net.ErrClosed
	case p.removed:
		return port.ErrRemoved
	}
	return nil
}

// lost reports whether the peer or the line has ended.
func (p *Port) lost() bool { return p.cable.hung || p.peer.ended() != nil }

// fail wraps an error of the operation op.
func (p *Port) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &port.OpError{Op: op, Port: p.name, Err: err}
}

// Interruptible returns true: deadlines and Close free blocked calls.
func (p *Port) Interruptible() bool { return true }

// SetDeadline sets the deadlines of reads and writes. The zero time means none.
func (p *Port) SetDeadline(t time.Time) error { return p.setDeadlines(t, true, true) }

// SetReadDeadline sets the deadline of reads, including those that are blocked
// already. The zero time means none.
func (p *Port) SetReadDeadline(t time.Time) error { return p.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline of writes, including those that are blocked
// already. The zero time means none. SetMode, which waits for output to be
// transmitted, obeys it too.
func (p *Port) SetWriteDeadline(t time.Time) error { return p.setDeadlines(t, false, true) }

func (p *Port) setDeadlines(t time.Time, read, write bool) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.ended(); err != nil {
		return p.fail("set deadline", err)
	}
	at := never
	if !t.IsZero() {
		if now, left := p.cable.now(), time.Until(t); left <= never-now {
			at = now + left
		}
	}
	if read {
		p.readBy = at
		p.reads.signal()
	}
	if write {
		p.writeBy = at
		p.writes.signal()
		p.writers.signal()
		p.changed.Notify()
	}
	return nil
}

// Close closes this end: DTR and RTS fall, and every blocked call on it returns
// net.ErrClosed. The peer reads what was written and then loses the carrier.
// A second Close returns net.ErrClosed.
func (p *Port) Close() error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if p.closed {
		return p.fail("close", net.ErrClosed)
	}
	p.closed = true
	p.out.stopped = false // what was written is transmitted
	p.release()
	p.cable.propagate()
	return nil
}

// release clears the outputs and the inputs of the peer that Drive has set.
func (p *Port) release() {
	p.outputs = 0
	p.peer.driven, p.peer.levels = 0, 0
}

// await releases the mutex until something changes, until the time until, or
// until ctx ends, whose error it returns.
func (p *Port) await(ctx context.Context, now, until time.Duration) error {
	changed := p.changed.Changed()
	p.cable.mu.Unlock()
	defer p.cable.mu.Lock()
	var expired <-chan time.Time
	if until != never {
		t := time.NewTimer(until - now)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-changed:
	case <-expired:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
