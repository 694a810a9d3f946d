package rfc2217

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// Port is a serial port on another host, or a plain Telnet connection. Its
// methods may be called from several goroutines at the same time.
//
// One goroutine reads the connection from Dial to Close. It passes data to Read
// through a queue of bounded size, and handles acknowledgements and
// notifications whether Read is called or not. While the queue is full it stops,
// and so does the server, unless a call waits for an acknowledgement: then the
// server is asked to suspend the data, and what is in flight is queued beyond
// Config.Buffer.
//
// The input, under mu:
//
//	event           room           starved (in is full)    overflow (a call waits)   purging
//	data arrives    queued         stays in the socket     queued, up to in.Max      dropped
//	a call waits    -              overflow, SUSPEND sent  -                         -
//	Read            -              room, reader woken      room below half of        -
//	                                                       Buffer: RESUME, unless
//	                                                       silenced or a call waits
//	purge begins    purging        purging                 purging                   -
//	purge acked     -              -                       -                         room
//
// The options: settled once the server has answered for all that matter, with
// either comPort or refused set if it answered for COM-PORT.
type Port struct {
	name string
	cfg  Config
	tc   *telnet.Conn

	watchdog *ackWatchdog // may be nil

	readable chan struct{} // a token: there may be bytes, or an end
	space    chan struct{} // a token: the queue has room again
	done     chan struct{} // closed by Close
	down     chan struct{} // closed when the connection is lost
	stopped  chan struct{} // closed when the reader has ended

	readDeadline wait.Deadline

	// Each is held by the one operation of its kind that is at work, so that
	// an acknowledgement belongs to one request.
	modes, lines, breaks, purges semaphore

	mu       sync.Mutex // guards what follows
	in       wait.Ring
	starved  bool          // the reader waits for room
	waiting  int           // calls that wait for something from the server
	overflow bool          // data was accepted beyond cfg.Buffer for them, and the server is to send none
	purging  bool          // what is received is dropped until a PURGE-DATA is acknowledged
	changed  wait.Notifier // of what follows
	closed   bool
	lost     error // why the connection ended
	comPort  bool  // the server has agreed to COM-PORT
	refused  bool  // the server has refused COM-PORT
	settled  bool  // the server has answered for every option that matters
	dialed   time.Time
	answers  [itemCount]answer
	inputs   port.Lines
	notified bool // the server has sent inputs
	silenced bool // by Suspend
	changes  wait.Edges
	stats    port.Stats
	sig      string
	sigs     int // signatures received
	marks    int // timing marks sent
	passed   int // timing marks answered
}

var _ interface {
	port.Port
	port.ModeSetter
	port.LineController
	port.Breaker
	port.Drainer
	port.Counter
	port.Named
} = (*Port)(nil)

// semaphore is a lock that a context can give up waiting for.
type semaphore chan struct{}

func (s semaphore) release() { <-s }

func newPort(name string, conn net.Conn, cfg Config) *Port {
	tc := telnet.NewConn(conn)
	tc.SetComplete(complete)
	return &Port{
		name:     name,
		cfg:      cfg,
		tc:       tc,
		watchdog: newAckWatchdog(conn, cfg.KeepAlive, tc.Abort),
		readable: make(chan struct{}, 1),
		space:    make(chan struct{}, 1),
		done:     make(chan struct{}),
		down:     make(chan struct{}),
		stopped:  make(chan struct{}),
		modes:    make(semaphore, 1),
		lines:    make(semaphore, 1),
		breaks:   make(semaphore, 1),
		purges:   make(semaphore, 1),
		in:       newRing(cfg.Buffer),
	}
}

// ComPort reports whether the server has agreed to the COM-PORT option, without
// which the port carries data only.
func (p *Port) ComPort() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.comPort
}

// Name returns the name of the port: rfc2217:// or telnet:// and the address.
func (p *Port) Name() string { return p.name }

// Read returns data that has arrived, and blocks while there is none. What
// arrived before the connection was lost is read before its error.
func (p *Port) Read(b []byte) (int, error) {
	for {
		passed := p.readDeadline.Passed()
		var n int
		var err error
		p.mu.Lock()
		switch {
		case p.closed:
			err = net.ErrClosed
		case passed:
			err = os.ErrDeadlineExceeded
		case p.in.Len() == 0:
			err = p.lost
		default:
			n = p.in.Take(b)
			if p.in.Len() > 0 {
				post(p.readable) // for another Read
			}
			p.signalSpace()
			p.endOverflow()
		}
		p.mu.Unlock()
		if n > 0 || err != nil || len(b) == 0 {
			return n, p.wrap("read", err)
		}
		select {
		case <-p.readable:
		case <-p.down:
		case <-p.readDeadline.Done():
		case <-p.done:
		}
	}
}

// overflowMax is how much is accepted beyond Config.Buffer while calls wait for
// an acknowledgement: what is on its way when the server is asked to suspend.
const overflowMax = 2 << 20

func newRing(size int) wait.Ring {
	return wait.Ring{Min: minBuffer, Max: size + max(overflowMax, 8*size)}
}

// startWaiting begins a wait for something from the server. It must not be held
// off by data that is not read, so meanwhile more data is accepted.
func (p *Port) startWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting++
	p.signalSpace()
}

func (p *Port) endWaiting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	p.endOverflow()
}

// endOverflow asks the server to resume once there is room. p.mu is held.
func (p *Port) endOverflow() {
	if p.overflow && p.waiting == 0 && p.in.Len() <= p.cfg.Buffer/2 {
		p.overflow = false
		if !p.silenced {
			p.tc.Send(appendText(nil, cmdResume, "")...)
		}
	}
}

// signalSpace wakes the reader if it waits for room. p.mu is held.
func (p *Port) signalSpace() {
	if p.starved {
		p.starved = false
		post(p.space)
	}
}

// post puts a token into a channel of capacity one.
func post(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Write sends b, with its 0xFF bytes escaped. It returns when the system has
// taken the bytes, and blocks while the server has asked for silence
// (FLOWCONTROL-SUSPEND).
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.tc.Write(b)
	p.watchdog.start()
	p.mu.Lock()
	p.stats.Sent += uint64(n)
	p.mu.Unlock()
	return n, p.wrap("write", p.ended(err))
}

// ended turns an error of the connection into what it means: our own Close, a
// deadline, or a connection lost.
func (p *Port) ended(err error) error {
	if err == nil || err == os.ErrDeadlineExceeded {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded) && p.tc.Err() == nil:
		return os.ErrDeadlineExceeded
	case p.lost != nil:
		return p.lost
	}
	return &lostError{cause: err}
}

// Interruptible returns true: deadlines and Close free blocked calls.
func (p *Port) Interruptible() bool { return true }

// SetDeadline is SetReadDeadline and SetWriteDeadline. Deadlines are local:
// nothing is sent to the server.
func (p *Port) SetDeadline(t time.Time) error {
	return cmp.Or(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline moves the time at which Read gives up; the zero time means
// never.
func (p *Port) SetReadDeadline(t time.Time) error {
	if p.isClosed() {
		return p.wrap("set deadline", net.ErrClosed)
	}
	p.readDeadline.Set(t)
	post(p.readable)
	return nil
}

// SetWriteDeadline moves the time at which Write gives up; the zero time means
// never.
func (p *Port) SetWriteDeadline(t time.Time) error {
	if p.isClosed() {
		return p.wrap("set deadline", net.ErrClosed)
	}
	p.tc.SetWriteDeadline(t)
	return nil
}

func (p *Port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close closes the connection and frees every blocked call. The server then
// gives the port to others.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return p.wrap("close", net.ErrClosed)
	}
	p.closed = true
	p.mu.Unlock()
	close(p.done)
	p.watchdog.stop()
	err := p.tc.Close()
	p.readDeadline.Set(time.Time{})
	<-p.stopped
	p.mu.Lock()
	p.in = newRing(p.cfg.Buffer)
	p.mu.Unlock()
	return p.wrap("close", err)
}

// Stats returns the bytes moved, and the line errors and breaks of which the
// server has notified us (NOTIFY-LINESTATE). A server may report several errors
// of a kind as one.
func (p *Port) Stats() (port.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return port.Stats{}, p.wrap("stats", net.ErrClosed)
	}
	if !p.comPort {
		return p.stats, p.wrap("stats", errNoComPort)
	}
	return p.stats, nil
}

// await blocks until ok, which is called with p.mu held, returns true; it looks
// again at every change. It ends early with the context, Close and the loss of
// the connection.
func (p *Port) await(ctx context.Context, ok func() bool) error {
	for {
		p.mu.Lock()
		switch {
		case p.closed:
			p.mu.Unlock()
			return net.ErrClosed
		case ok():
			p.mu.Unlock()
			return nil
		case p.lost != nil:
			defer p.mu.Unlock()
			return p.lost
		}
		ch := p.changed.Changed()
		p.mu.Unlock()
		select {
		case <-ch:
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// acquire takes a semaphore, unless the context or the port ends first.
func (p *Port) acquire(ctx context.Context, s semaphore) error {
	select {
	case s <- struct{}{}:
		return nil
	default:
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done:
		return net.ErrClosed
	}
}
