package telnet

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

var past = time.Unix(1, 0)

// SetWriteDeadline bounds Write, a blocked one included. Commands are not
// subject to it.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Set(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if c.ownDeadline {
		return c.arm(t)
	}
	return nil
}

// arm sets conn's write deadline, if that changes anything. c.mu is held.
func (c *Conn) arm(t time.Time) error {
	if t.Equal(c.armed) {
		return nil
	}
	c.armed = t
	return c.conn.SetWriteDeadline(t)
}

// SetHold holds data back for a reason, or ends that. Commands pass.
func (c *Conn) SetHold(h Hold, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		c.holds |= h
		c.interrupt()
	} else {
		c.holds &^= h
	}
	c.changed.Notify()
}

// DiscardWrites makes Write fail with ErrDiscarded, one that is at work
// included, until it is called with false. What Write has not reported as sent
// is not sent, and what it has is ahead of every later command.
func (c *Conn) DiscardWrites(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.discarding = on; on {
		c.interrupt()
	}
	c.changed.Notify()
}

// interrupt ends the conn.Write that Write is in, if any; Write then continues
// as the state demands. c.mu is held.
func (c *Conn) interrupt() {
	if c.writing {
		c.arm(past)
	}
}

// Send queues a whole command or several, escaped already, and returns. It
// fails once writing has failed, and with ErrFlood when the queue is full.
func (c *Conn) Send(command ...byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enqueue(command...)
}

// enqueue appends b to the queue and makes sure that it is sent. c.mu is held.
func (c *Conn) enqueue(b ...byte) error {
	if c.err != nil || c.raw {
		return c.err
	}
	if len(c.queue)+len(b) > queueMax {
		c.abort(ErrFlood)
		return ErrFlood
	}
	c.queue = append(c.queue, b...)
	c.startFlush()
	c.interrupt()
	return nil
}

// startFlush starts the goroutine that empties the queue. c.mu is held.
func (c *Conn) startFlush() {
	if !c.flushing && c.err == nil {
		c.flushing = true
		c.wg.Add(1)
		go c.flush()
	}
}

// fail ends writing for good. c.mu is held.
func (c *Conn) fail(err error) {
	if c.err == nil {
		c.err = err
		c.changed.Notify()
	}
}

// Abort gives the connection up for err: reads and writes fail, and Err returns
// the reason.
func (c *Conn) Abort(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort(err)
}

func (c *Conn) abort(err error) {
	c.fail(err)
	c.conn.SetDeadline(past)
}

// Err returns why writing ended, or nil.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// flush empties the queue, without a deadline, and ends.
func (c *Conn) flush() {
	defer c.wg.Done()
	select {
	case c.wire <- struct{}{}:
	case <-c.done:
		return
	}
	defer func() { <-c.wire }()
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.err != nil {
			c.flushing = false
			c.changed.Notify()
			c.mu.Unlock()
			return
		}
		c.arm(time.Time{})
		c.mu.Unlock()
		c.flushOnce()
	}
}

// flushOnce writes what is in the queue. The caller holds the wire. What a
// write that fails leaves returns to the head of the queue.
func (c *Conn) flushOnce() error {
	c.mu.Lock()
	out := c.queue
	c.queue = c.spare[:0]
	c.spare = nil
	c.mu.Unlock()
	n, err := len(out), error(nil)
	if n > 0 {
		n, err = c.conn.Write(out)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < len(out) {
		c.queue = append(append([]byte(nil), out[n:]...), c.queue...)
	}
	if cap(out) <= queueMax {
		c.spare = out[:0]
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.fail(err)
	}
	c.changed.Notify()
	return err
}

// Write escapes p and sends it as data, and returns the number of bytes of p
// that were accepted: a byte whose escape was cut off by the deadline counts,
// and the rest of it is sent next, by itself. One Write is at work at a time. It
// takes time in proportion to len(p).
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.acquire(c.writer); err != nil {
		return 0, err
	}
	defer func() { <-c.writer }()
	total := 0
	for {
		if err := c.awaitOpen(); err != nil || total == len(p) {
			return total, err
		}
		n, err := c.writeSome(p[total:])
		total += n
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.deadline.Passed() && c.Err() == nil {
				return total, os.ErrDeadlineExceeded
			}
			// An interruption: a command is to be sent first, or the state has
			// changed.
		default:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.fail(err)
			return total, c.err
		}
		if total == len(p) {
			return total, nil
		}
	}
}

// SendText queues text like a command, without escapes, and waits until it has
// been sent, within the deadline.
func (c *Conn) SendText(text string) error {
	c.mu.Lock()
	err := c.err
	if err == nil {
		c.queue = append(c.queue, text...)
		c.startFlush()
		c.interrupt()
	}
	for err == nil && c.err == nil && c.flushing {
		changed := c.changed.Changed()
		c.mu.Unlock()
		err = c.await(changed)
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if err == nil {
		err = c.err
	}
	return err
}

// awaitOpen waits until data may be sent.
func (c *Conn) awaitOpen() error {
	for {
		if c.deadline.Passed() {
			return os.ErrDeadlineExceeded
		}
		c.mu.Lock()
		err, open := c.err, c.holds == 0
		if err == nil && c.discarding {
			err = ErrDiscarded
		}
		var changed <-chan struct{}
		if err == nil && !open {
			changed = c.changed.Changed()
		}
		c.mu.Unlock()
		if err != nil || open {
			return err
		}
		if err := c.await(changed); err != nil {
			return err
		}
	}
}

// await returns when ch is closed, the deadline passes or the connection closes.
func (c *Conn) await(ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-c.deadline.Done():
		return os.ErrDeadlineExceeded
	case <-c.done:
		return net.ErrClosed
	}
}

// acquire acquires the lock writer or wire, within the deadline.
func (c *Conn) acquire(lock chan struct{}) error {
	select {
	case lock <- struct{}{}:
		return nil
	default:
	}
	select {
	case lock <- struct{}{}:
		return nil
	case <-c.deadline.Done():
		return os.ErrDeadlineExceeded
	case <-c.done:
		return net.ErrClosed
	}
}

// writeSome writes the queue and then a part of p, and returns how much of p it
// wrote, which may be nothing: if data is held back or discarded by now.
func (c *Conn) writeSome(p []byte) (int, error) {
	if c.detached {
		return c.enqueueData(p)
	}
	if err := c.acquire(c.wire); err != nil {
		return 0, err
	}
	defer func() { <-c.wire }()
	c.mu.Lock()
	c.ownDeadline = true
	// The deadline is read with mu held: one that is set later finds ownDeadline
	// and arms conn itself.
	c.arm(c.deadline.Time())
	if len(c.queue) > 0 {
		c.mu.Unlock()
		err := c.flushOnce()
		c.mu.Lock()
		if err != nil {
			c.ownDeadline = false
			c.mu.Unlock()
			return 0, err
		}
	}

	// From here on a command waits until conn.Write returns, so data that
	// DiscardWrites has ended is never behind a command that was sent later.
	nvt := c.nvtOut
	ok := len(c.queue) == 0 && c.holds == 0 && !c.discarding && c.err == nil
	c.writing, c.ownDeadline = ok, ok
	c.mu.Unlock()
	if !ok {
		return 0, nil
	}
	defer func() {
		c.mu.Lock()
		c.ownDeadline, c.writing = false, false
		c.mu.Unlock()
	}()
	p = p[:min(len(p), plainMax)]
	if c.raw {
		return c.conn.Write(p)
	}
	if run := plainRun(p, nvt); run == len(p) || run >= plainMin {
		return c.conn.Write(p[:run])
	}
	b := chunks.Get().(*[chunk]byte)
	defer chunks.Put(b)
	nd, ns := Escape(b[:], p, nvt)
	n, err := c.conn.Write(b[:nd])
	if n == nd {
		return ns, err
	}
	ns, owed := sent(p, n, nvt)
	if len(owed) > 0 {
		c.mu.Lock()
		c.queue = append(owed, c.queue...)
		c.startFlush()
		c.mu.Unlock()
	}
	return ns, err
}

// enqueueData is writeSome by way of the queue: after the last piece of p it
// returns when the queue has been sent, or when the deadline passes, with what
// the queue has accepted.
func (c *Conn) enqueueData(p []byte) (int, error) {
	c.mu.Lock()
	switch {
	case c.err != nil:
		defer c.mu.Unlock()
		return 0, c.err
	case c.holds != 0 || c.discarding:
		c.mu.Unlock()
		return 0, nil
	case len(c.queue) >= queueData:
		changed := c.changed.Changed()
		c.mu.Unlock()
		return 0, c.await(changed)
	}
	n := min(len(p), queuePart)
	if c.raw {
		c.queue = append(c.queue, p[:n]...)
	} else {
		b := chunks.Get().(*[chunk]byte)
		nd, ns := Escape(b[:queuePart], p, c.nvtOut)
		c.queue = append(c.queue, b[:nd]...)
		chunks.Put(b)
		n = ns
	}
	c.startFlush()
	c.mu.Unlock()
	if n < len(p) {
		return n, nil
	}
	for {
		c.mu.Lock()
		err, done := c.err, !c.flushing || c.discarding
		changed := c.changed.Changed()
		c.mu.Unlock()
		if err != nil || done {
			return n, err
		}
		// A deadline that passes is no error: the queue has the bytes, and
		// sends them.
		if err := c.await(changed); err == os.ErrDeadlineExceeded {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}
