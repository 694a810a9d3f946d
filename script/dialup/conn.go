package dialup

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

var (
	// ErrDetached is what a Conn ends with when Detach has given its line away.
	ErrDetached = errors.New("the line was given to another program")

	// ErrIdle and ErrSession are what a Conn ends with when Entry.IdleTimeout or
	// Entry.SessionTimeout has passed. They match os.ErrDeadlineExceeded.
	ErrIdle    error = &limitError{"nothing has passed for the idle limit"}
	ErrSession error = &limitError{"the session limit has passed"}

	errHungUp = &endError{"the connection was hung up", net.ErrClosed}
	errClosed = &endError{"use of closed connection", net.ErrClosed}
)

type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

func (e *limitError) Unwrap() error { return os.ErrDeadlineExceeded }

type endError struct {
	text string
	err  error
}

func (e *endError) Error() string { return e.text }

func (e *endError) Unwrap() error { return e.err }

// Addr is the address of a Conn: the name of its port.
type Addr struct{ Net, Name string }

// Network returns "serial".
func (a Addr) Network() string { return a.Net }

// String returns the name of the port.
func (a Addr) String() string { return a.Name }

// Conn is a connection that Dial has made. It is a net.Conn and has the optional
// abilities of its port, as port.Forward has them.
//
// It ends once, with the first of these causes, which Err returns and Read and
// Write fail with:
//
//	the carrier is lost            a *modem.CarrierError; matches port.ErrCarrierLost
//	the port fails                 its error
//	a limit of the entry passes    ErrIdle, ErrSession; the call is hung up
//	Detach                         ErrDetached
//	HangUp, Close                  an error that matches net.ErrClosed
//
// What was received before the carrier was lost can be read after that. Without
// DCD a carrier is lost when the modem's line NO CARRIER is the last that is read.
//
// The methods may be called from any goroutine. Two goroutines belong to a Conn at
// most, and none while it idles: one polls the carrier four times a second, so that a
// loss is noticed within half a second, and one hangs up when a limit has passed.
//
// The line, by what has it, under mu:
//
//	event             the user           HangUp, Detach, or a     Handover's program      none: ended
//	                                     Handover that begins     (handed)                (err)
//	                                     (leaving)
//	Read, Write       the port's         interrupted, fail with   interrupted; new ones   fail with err, after what
//	                                     leaving; new ones wait   wait                    was received before a
//	                                                                                      carrier was lost
//	set a deadline    the port's         fails with leaving       stored for resume       fails with err
//	carrier lost, a   ended              ended                    ended, the program is   -
//	limit, a failure                                              stopped
//	HangUp, Close     ended, then        waits for the gate       ended, the program is   hangs up once, closes
//	                  leaving                                     stopped; then leaving   once
//	Detach            leaving, ended     waits, then as before    waits, then as before   fails
//
// Locks: calls is entered by a call of the port that HangUp, Detach
// or Handover must not overlap, and closed by these. mu guards the fields
// below it and is not held during calls of the port.
type Conn struct {
	port.Forward
	dial *dial
	line *connPort // the Port of Forward
	raw  port.Port // below what the scripts have left
	res  *script.Result

	done     chan struct{} // closed by end
	carrier  *carrierWatch // nil: there is no DCD, or none that counts
	text     func(b []byte)
	stopText func()
	idle     *time.Timer
	limit    *time.Timer
	moved    atomic.Int64 // when bytes have passed last
	blind    atomic.Bool  // another program has the device: what passes is not seen

	calls gate

	mu        sync.Mutex // guards what follows
	err       error      // why the Conn has ended; nil: it has not
	leaving   error      // what calls fail with that HangUp or Detach interrupts
	handed    bool       // Handover has the line, whose deadlines are not the user's
	readUntil time.Time  // the user's deadlines
	sendUntil time.Time
	hungUp    bool
	report    modem.HangupReport
	hangErr   error
	closed    bool
	closeErr  error
	release   func() // called when the port is closed; see Pool
	file      *os.File

	stopHandover context.CancelFunc // ends a Handover that is under way
}

var _ net.Conn = (*Conn)(nil)

func newConn(d *dial, res *script.Result) *Conn {
	l := new(connPort)
	l.set(res.Port())
	c := &Conn{
		Forward: port.Forward{Port: l},
		line:    l,
		dial:    d,
		raw:     d.port,
		res:     res,
		done:    make(chan struct{}),
	}
	c.touch()
	// The timers below may end the connection while it is being made.
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch()
	if d.entry.IdleTimeout > 0 {
		c.idle = time.AfterFunc(d.entry.IdleTimeout, c.checkIdle)
	}
	if d.entry.SessionTimeout > 0 {
		c.limit = time.AfterFunc(d.entry.SessionTimeout, func() { c.expire(ErrSession) })
	}
	return c
}

// watch watches the carrier of the port. c.mu is held.
func (c *Conn) watch() {
	cfg := c.dial.entry.Carrier
	if cfg == nil {
		cfg = new(modem.CarrierConfig)
	}
	connected := time.Now()
	lose := func(err error) {
		var lost *modem.CarrierError
		if errors.As(err, &lost) {
			lost.After = lost.Time.Sub(connected)
		}
		c.end(err)
	}
	if !cfg.Ignore {
		c.carrier = startCarrierWatch(c.raw, cfg, c.dial.carrier, lose)
	}
	if cfg.Text == modem.TextWatch || cfg.Text == modem.TextAuto && c.carrier == nil && c.dial.entry.hasModem() {
		c.text, c.stopText = modem.WatchText(cfg, func(lost *modem.CarrierError) { lose(lost) })
	}
}

// unwatch ends the watch, which watch begins again. c.mu is held.
func (c *Conn) unwatch() {
	c.carrier.stop()
	if c.stopText != nil {
		c.stopText()
	}
	c.carrier, c.stopText = nil, nil
}

// Result returns what the scripts have left. Its Unread bytes are what the Conn
// has given, or will give, to its first readers.
func (c *Conn) Result() *script.Result { return c.res }

// Done returns a channel that is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended, or nil.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// LocalAddr returns the Addr of the port.
func (c *Conn) LocalAddr() net.Addr { return Addr{"serial", c.dial.entry.Port} }

// RemoteAddr returns the Addr of the port too: a serial line has one name.
func (c *Conn) RemoteAddr() net.Addr { return c.LocalAddr() }

// end ends the connection with a cause, unless it has ended, and reports whether
// it has done so.
func (c *Conn) end(cause error) bool {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return false
	}
	c.err = cause
	close(c.done)
	if cause != ErrDetached {
		c.Port.SetDeadline(past) // before anything that hangs up sets another one
	}
	c.unwatch()
	for _, t := range []*time.Timer{c.idle, c.limit} {
		if t != nil {
			t.Stop()
		}
	}
	if c.stopHandover != nil {
		c.stopHandover()
	}
	c.mu.Unlock()
	if !errors.Is(cause, net.ErrClosed) { // HangUp reports those
		c.dial.tell(State{Conn: ras.StateDisconnected, Text: cause.Error(), Err: cause})
	}
	return true
}

var past = time.Unix(1, 0)

// expire ends the connection because a limit has passed, and hangs up.
func (c *Conn) expire(cause error) {
	if c.end(cause) {
		if _, err := c.hangUp(context.Background()); err != nil {
			c.dial.log.Warn("the call may still be up", "error", err)
		}
	}
}

func (c *Conn) checkIdle() {
	left := c.dial.entry.IdleTimeout - time.Since(time.Unix(0, c.moved.Load()))
	if c.blind.Load() {
		left = c.dial.entry.IdleTimeout
	}
	if left <= 0 {
		c.expire(ErrIdle)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.idle.Reset(left)
	}
}

func (c *Conn) touch() { c.moved.Store(time.Now().UnixNano()) }

// lateRead bounds a read of what was received before the connection ended.
const lateRead = 5 * time.Millisecond

// Read reads what the peer has sent, first what the scripts have received and not
// used. After the carrier is lost it reads what was received before that, and
// then fails with the cause.
func (c *Conn) Read(b []byte) (int, error) {
	c.calls.enter()
	defer c.calls.leave()
	for {
		ended := c.Err()
		if ended != nil {
			if !errors.Is(ended, port.ErrCarrierLost) {
				return 0, c.fail("read", ended)
			}
			c.Port.SetReadDeadline(time.Now().Add(lateRead))
		}
		n, err := c.Port.Read(b)
		switch {
		case n > 0:
			c.touch()
			if c.text != nil && ended == nil {
				c.text(b[:n])
			}
			return n, nil
		case ended == nil && errors.Is(err, os.ErrDeadlineExceeded) && errors.Is(c.Err(), port.ErrCarrierLost):
			// The end has interrupted the read. What was received before it is
			// read first.
		default:
			return n, c.result("read", err)
		}
	}
}

// Write sends b. The error is that of the port, or why the connection has ended.
func (c *Conn) Write(b []byte) (int, error) {
	c.calls.enter()
	defer c.calls.leave()
	if err := c.Err(); err != nil {
		return 0, c.fail("write", err)
	}
	n, err := c.Port.Write(b)
	if n > 0 {
		c.touch()
	}
	return n, c.result("write", err)
}

// result returns what a call of the port means to the user. A failure of the port
// ends the connection.
func (c *Conn) result(op string, err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	ended, leaving := c.err, c.leaving
	c.mu.Unlock()
	switch {
	case ended != nil:
		return c.fail(op, ended)
	case leaving != nil:
		return c.fail(op, leaving)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	c.end(err)
	return err
}

func (c *Conn) fail(op string, err error) error {
	var e *port.OpError
	if errors.As(err, &e) {
		return err
	}
	return &port.OpError{Op: op, Port: c.dial.entry.title(), Err: err}
}

// SetDeadline sets both deadlines. They have no effect once the connection has
// ended.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadline(c.Port.SetDeadline, t, &c.readUntil, &c.sendUntil)
}

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(c.Port.SetReadDeadline, t, &c.readUntil)
}

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(c.Port.SetWriteDeadline, t, &c.sendUntil)
}

func (c *Conn) setDeadline(set func(time.Time) error, t time.Time, until ...*time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.fail("set deadline", c.err)
	case c.leaving != nil && !c.handed:
		return c.fail("set deadline", c.leaving)
	}
	for _, u := range until {
		*u = t
	}
	if c.handed {
		return nil // resume sets them
	}
	return set(t)
}
