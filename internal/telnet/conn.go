package telnet

import (
	"net"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// Conn is a Telnet connection. Bytes come in through Read and Next, for which
// one goroutine is responsible; data goes out through Write and commands
// through Send, from any goroutine.
//
// Commands wait in a bounded queue and leave before the next data, or at once
// by a goroutine of their own, so that Send never blocks. Close ends that
// goroutine.
type Conn struct {
	conn net.Conn
	dec  Decoder // Next's alone

	// detached says that the connection may not survive a write that times
	// out, as TLS does not. Data then goes through the queue as well.
	detached bool

	turn     chan struct{} // held by the one Write at work
	wire     chan struct{} // held by whoever writes to conn
	deadline wait.Deadline      // for Write
	done     chan struct{} // closed by Close
	wg       sync.WaitGroup

	mu       sync.Mutex // guards what follows
	opts     Options
	queue    []byte        // escaped bytes that leave before any others
	spare    []byte        // the queue's other buffer
	flushing bool          // a goroutine is bound to empty the queue
	room     chan struct{} // if not nil: closed when the queue gets shorter
	gate     chan struct{} // if not nil: the peer wants no data; closed when it does again
	nvtOut   bool          // the peer has not agreed to binary from us
	onWire   bool          // Write holds the wire: the deadline is conn's too
	armed    time.Time     // conn's write deadline
	closed   bool
	err      error // why writing ended
}

const (
	queueData = 16 << 10                // data waits while the queue is longer,
	queuePart = 16 << 10                // and joins it in pieces of this size
	queueMax  = queueData + 2*queuePart // a peer that lets answers pile up higher is cut off
	plainMax  = 128 << 10               // data without escapes that Write hands on in one piece
	plainMin  = 16 << 10                // shorter runs are put together with their escapes
	chunk     = 65 << 10                // in pieces of this size
)

// NewConn puts Telnet on c, which it owns from then on. Data goes both ways as
// binary until SetNVT says otherwise.
func NewConn(c net.Conn) *Conn {
	return &Conn{
		conn:     c,
		detached: !survivesTimeout(c),
		turn:     make(chan struct{}, 1),
		wire:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
}

// survivesTimeout reports whether c is known to survive a write that times out.
func survivesTimeout(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// NetConn returns the connection below. Do not read from it or write to it.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Options calls f with the option states. f must not call methods of c.
func (c *Conn) Options(f func(o *Options)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.opts)
}

// SetNVT says for each direction whether the rules of the network virtual
// terminal hold instead of binary. Only the goroutine that calls Next may call
// it.
func (c *Conn) SetNVT(in, out bool) {
	c.dec.NVT = in
	c.mu.Lock()
	c.nvtOut = out
	c.mu.Unlock()
}

// Read reads raw bytes, which Next takes apart. It ends with Close, and with
// the deadline of SetReadDeadline.
func (c *Conn) Read(p []byte) (int, error) { return c.conn.Read(p) }

// SetReadDeadline bounds Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Next is Decoder.Next, and answers every negotiation that it finds except for
// timing marks, which are no option that could be on or off.
func (c *Conn) Next(p []byte) (data, rest []byte, ev Event) {
	data, rest, ev = c.dec.Next(p)
	if ev.Kind == Negotiate && ev.Option != TimingMark {
		c.negotiate(ev)
	}
	return data, rest, ev
}

func (c *Conn) negotiate(ev Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reply := c.opts.Receive(ev.Verb, ev.Option); reply != 0 {
		c.enqueue(IAC, reply, ev.Option)
	}
}

// Request asks for options on one side to be on.
func (c *Conn) Request(s Side, opts ...byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, opt := range opts {
		if verb := c.opts.Request(s, opt, true); verb != 0 {
			c.enqueue(IAC, verb, opt)
		}
	}
}

// Close closes the connection, frees every call and waits for the goroutine
// that sends commands. A second Close does nothing.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.mu.Unlock()
	close(c.done)
	err := c.conn.Close()
	c.deadline.Set(time.Time{})
	c.wg.Wait()
	return err
}
