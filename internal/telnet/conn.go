package telnet

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

var (
	// ErrFlood is the end of a connection whose peer requests answers and does
	// not accept them.
	ErrFlood = errors.New("the peer accepts no answers: connection given up")

	// ErrDiscarded is the error of a Write that DiscardWrites has ended.
	ErrDiscarded = errors.New("output discarded")
)

// Conn is a Telnet connection. Bytes arrive through Read and Next, for which
// one goroutine is responsible; data is sent by Write and commands by Send,
// from any goroutine.
//
// Commands wait in a bounded queue. They are sent before the next data: by the
// Write at work, which is interrupted for them, or by a goroutine of their own.
// So Send never blocks, and a command is never behind data that the system has
// not accepted yet. Close ends that goroutine.
//
// A connection that may not survive a write that times out, such as TLS, is
// written to by that goroutine alone, and data passes through the queue as well.
//
// Lock order: writer, wire, mu.
//
// The flags under mu, by what Write or the goroutine of the queue is doing:
//
//	event             Write waits       Write has wire    Write in conn.Write    flush has wire
//	                                    ownDeadline       ownDeadline, writing   flushing
//	Send              flush starts      sent before data  interrupted            queued
//	SetWriteDeadline  stored            conn's deadline   conn's deadline        stored
//	SetHold(h, true)  waits on          no data is sent   interrupted            data waits
//	DiscardWrites     ErrDiscarded      ErrDiscarded      interrupted            ErrDiscarded
//	conn fails        err               err               err                    err, flushing ends
//	Close             net.ErrClosed     net.ErrClosed     net.ErrClosed          flushing ends
//
// An interrupted conn.Write returns by a deadline in the past, and Write then
// acts as the flags specify. raw and detached do not change after the first Write.
type Conn struct {
	conn     net.Conn
	dec      Decoder // Next's alone
	raw      bool    // no Telnet at all; see SetRaw
	detached bool    // data is sent through the queue

	writer   chan struct{} // held by the one Write at work
	wire     chan struct{} // held by the goroutine that writes to conn
	deadline wait.Deadline // for Write
	done     chan struct{} // closed by Close
	wg       sync.WaitGroup

	mu          sync.Mutex // guards what follows
	changed     wait.Notifier
	opts        Options
	queue       []byte // escaped bytes that are sent before any others
	spare       []byte // the queue's other buffer
	flushing    bool   // a goroutine is bound to empty the queue
	holds       Hold   // Write blocks while one is set
	discarding  bool   // Write fails with ErrDiscarded
	nvtOut      bool   // the peer has not agreed to binary from us
	ownDeadline bool   // Write holds the wire: conn's deadline is Write's own
	writing     bool   // and is in conn.Write with data, which may be interrupted
	armed       time.Time
	closed      bool
	err         error // why writing ended
}

// Hold is a reason for which data is held back; several may hold at a time.
type Hold uint8

// The reasons for holding data back.
const (
	HoldPeer        Hold = 1 << iota // the peer has asked for it
	HoldNegotiation                  // it is not known yet whether the peer accepts binary
)

const (
	queueData = 16 << 10                // data waits while the queue is longer,
	queuePart = 16 << 10                // and joins it in pieces of this size
	queueMax  = queueData + 2*queuePart // a peer that lets answers pile up higher is cut off
	plainMax  = 32 << 10                // data without escapes that is passed on in one piece
	plainMin  = 16 << 10                // shorter runs are put together with their escapes
	chunk     = 33 << 10                // in pieces of this size
)

// NewConn puts Telnet on c, which it owns from then on. Data is binary in both
// directions until SetNVT changes that.
func NewConn(c net.Conn) *Conn {
	detached := true
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		detached = false
	}
	return &Conn{
		conn:     c,
		detached: detached,
		writer:   make(chan struct{}, 1),
		wire:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
}

// SetRaw makes c carry data only: nothing is escaped, decoded or negotiated,
// and commands are dropped. Call it before anything else.
func (c *Conn) SetRaw() { c.raw = true }

// SetComplete sets Decoder.Complete. Call it before Next.
func (c *Conn) SetComplete(f func(opt byte, payload []byte) bool) { c.dec.Complete = f }

// NetConn returns the connection below. Do not read from it or write to it.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Options calls f with the option states. f must not call methods of c.
func (c *Conn) Options(f func(o *Options)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.opts)
}

// SetNVT sets for each direction whether the rules of the network virtual
// terminal apply instead of binary. Only the goroutine that calls Next may call
// it.
func (c *Conn) SetNVT(in, out bool) {
	c.dec.NVT = in
	c.mu.Lock()
	c.nvtOut = out
	c.mu.Unlock()
}

// Read reads raw bytes, which Next decodes. It ends with Close, and with the
// deadline of SetReadDeadline.
func (c *Conn) Read(p []byte) (int, error) { return c.conn.Read(p) }

// SetReadDeadline bounds Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Next is Decoder.Next, and answers every negotiation that it finds except for
// timing marks, which are no option that could be on or off.
func (c *Conn) Next(p []byte) (data, rest []byte, ev Event) {
	if c.raw {
		return p, nil, Event{}
	}
	data, rest, ev = c.dec.Next(p)
	if ev.Kind == Negotiate && ev.Option != TimingMark {
		c.mu.Lock()
		defer c.mu.Unlock()
		if reply := c.opts.Receive(ev.Verb, ev.Option); reply != 0 {
			c.enqueue(IAC, reply, ev.Option)
		}
	}
	return data, rest, ev
}

// Request requests that options be on at one side.
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
