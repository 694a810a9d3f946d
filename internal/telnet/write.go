package telnet

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ErrFlood is the end of a connection whose peer asks for answers and does not
// take them.
var ErrFlood = errors.New("the other end takes no answers: connection given up")

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// SetWriteDeadline bounds Write, a blocked one included. Commands are not
// subject to it.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Set(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if c.onWire {
		return c.arm(t)
	}
	return nil
}

// arm puts a deadline on conn, if that changes anything. c.mu is held.
func (c *Conn) arm(t time.Time) error {
	if t.Equal(c.armed) {
		return nil
	}
	c.armed = t
	return c.conn.SetWriteDeadline(t)
}

// Suspend holds data back, or lets it go again. Commands pass.
func (c *Conn) Suspend(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case on && c.gate == nil:
		c.gate = make(chan struct{})
	case !on && c.gate != nil:
		close(c.gate)
		c.gate = nil
	}
}

// Send queues a whole command or several, escaped already, and returns. It
// fails once writing has failed, and with ErrFlood when the queue is full.
func (c *Conn) Send(command ...byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enqueue(command...)
}

// enqueue is Send with c.mu held.
func (c *Conn) enqueue(b ...byte) error {
	if c.err != nil {
		return c.err
	}
	if len(c.queue)+len(b) > queueMax {
		c.abort(ErrFlood)
		return ErrFlood
	}
	c.queue = append(c.queue, b...)
	c.kick()
	return nil
}

// kick sees to it that the queue leaves. c.mu is held.
func (c *Conn) kick() {
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
		c.widen()
	}
}

// Abort gives the connection up for err: reads and writes fail, and Err tells
// why.
func (c *Conn) Abort(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort(err)
}

func (c *Conn) abort(err error) {
	c.fail(err)
	c.conn.SetDeadline(time.Unix(1, 0))
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
			c.widen()
			c.mu.Unlock()
			return
		}
		c.arm(time.Time{})
		c.mu.Unlock()
		c.flushOnce()
	}
}

// flushOnce writes what is in the queue. The caller holds the wire. What a
// write that fails leaves goes back to the head of the queue.
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
	c.widen()
	return err
}

// widen tells a Write that waits for room. c.mu is held.
func (c *Conn) widen() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// Write escapes p and sends it as data, and returns the number of bytes of p
// that were taken: a byte whose escape was cut off by the deadline counts, and
// the rest of it leaves next, by itself. One Write is at work at a time.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.acquire(c.turn); err != nil {
		return 0, err
	}
	defer func() { <-c.turn }()
	total := 0
	for {
		if err := c.ready(); err != nil || len(p) == 0 {
			return total, err
		}
		n, err := c.writeSome(p[total:])
		total += n
		if err != nil || total == len(p) {
			return total, c.because(err)
		}
	}
}

// because makes an error of writing final, unless it is a deadline of Write's
// own, and returns the first such error.
func (c *Conn) because(err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	c.fail(err)
	return c.err
}

// ready waits until data may flow.
func (c *Conn) ready() error {
	for {
		if c.deadline.Passed() {
			return os.ErrDeadlineExceeded
		}
		c.mu.Lock()
		err, gate := c.err, c.gate
		c.mu.Unlock()
		if err != nil || gate == nil {
			return err
		}
		if err := c.wait(gate); err != nil {
			return err
		}
	}
}

// wait returns when ch is closed, the deadline passes or the connection closes.
func (c *Conn) wait(ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-c.deadline.Done():
		return os.ErrDeadlineExceeded
	case <-c.done:
		return net.ErrClosed
	}
}

// acquire takes one of the two locks, within the deadline.
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

// writeSome takes at least one byte of p, if it has one, or fails.
func (c *Conn) writeSome(p []byte) (int, error) {
	if c.detached {
		return c.enqueueData(p)
	}
	if err := c.acquire(c.wire); err != nil {
		return 0, err
	}
	defer func() { <-c.wire }()
	if err := c.enter(); err != nil {
		return 0, err
	}
	defer c.leave()
	if err := c.flushOnce(); err != nil {
		return 0, err
	}
	nvt := c.nvt()
	if run := min(plainRun(p, nvt), plainMax); run == len(p) || run >= plainMin {
		return c.conn.Write(p[:run])
	}
	return c.writeEscaped(p, nvt)
}

func (c *Conn) nvt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nvtOut
}

// enter makes Write's deadline the connection's.
func (c *Conn) enter() error {
	t := c.deadline.Time()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onWire = true
	return c.arm(t)
}

func (c *Conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onWire = false
}

func (c *Conn) writeEscaped(p []byte, nvt bool) (int, error) {
	b := chunks.Get().(*[chunk]byte)
	defer chunks.Put(b)
	nd, ns := Escape(b[:], p, nvt)
	n, err := c.conn.Write(b[:nd])
	if n == nd {
		return ns, err
	}
	ns, owed := taken(p, n, nvt)
	if len(owed) > 0 {
		c.mu.Lock()
		c.queue = append(owed, c.queue...)
		c.kick()
		c.mu.Unlock()
	}
	return ns, err
}

// enqueueData is writeSome by way of the queue: it returns when the queue has
// left, or when the deadline passes, with what the queue has taken.
func (c *Conn) enqueueData(p []byte) (int, error) {
	room, err := c.full()
	for room != nil && err == nil {
		if err = c.wait(room); err == nil {
			room, err = c.full()
		}
	}
	if err != nil {
		return 0, err
	}
	b := chunks.Get().(*[chunk]byte)
	defer chunks.Put(b)
	nd, ns := Escape(b[:queuePart], p, c.nvt())
	if err := c.Send(b[:nd]...); err != nil {
		return 0, err
	}
	if ns == len(p) {
		return ns, c.settle()
	}
	return ns, nil
}

// full returns a channel to wait on if the queue takes no more data.
func (c *Conn) full() (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || len(c.queue) < queueData {
		return nil, c.err
	}
	return c.waiter(), nil
}

func (c *Conn) waiter() <-chan struct{} {
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// settle waits until the queue has left. A deadline that passes is no error:
// the queue has the bytes, and sends them.
func (c *Conn) settle() error {
	for {
		c.mu.Lock()
		err, idle := c.err, !c.flushing
		room := c.waiter()
		c.mu.Unlock()
		if err != nil || idle {
			return err
		}
		if err := c.wait(room); err == os.ErrDeadlineExceeded {
			return nil
		} else if err != nil {
			return err
		}
	}
}
