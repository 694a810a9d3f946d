package rfc2217

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// session is one connection to the server. At first it is a stranger's: the
// port is not touched, and what the client sends is queued. Once the client has
// proved itself, by TLS and by an answer in Telnet, claim gives it the port, and
// these goroutines work for it:
//
//   - serve reads the connection, decodes it and fills the queue, or writes to
//     the port itself while the writer has nothing to do;
//   - write empties the queue: it writes the data to the port and carries out
//     the commands that are ordered with it (bit rate, character format, timing
//     marks);
//   - control carries out all other commands as they arrive: modem lines, flow
//     control, breaks, purges. They are not ordered with the data;
//   - send reads the port and writes to the connection;
//   - watch follows modem lines, error counters and the idle limit.
//
// The control goroutine can pause write and send, to purge what they hold. It
// ends their calls by deadlines in the past and waits until they are parked.
//
// Lock order: queue.mu, session.mu; neither is held while a method of the port
// that may block is called.
//
// A client proves itself in this order; only the reader's goroutine changes it:
//
//	stranger -> answered -> marked, or BINARY settled -> claimed -> working
//	                                                     commanded: COM-PORT was used
//
// After that, under mu:
//
//	          write                                      send
//	running   no deadline, or stepped for its progress   no deadline
//	purge     writePaused: a deadline in the past,       readPaused: a deadline in the past,
//	          endCommand called, parked in queue.next    readParked once it waits in awaitReading
//	resumed   no deadline                                no deadline
//	over      deadlines in the past for good: pausing and resuming change nothing
type session struct {
	srv      *Server
	shared   *sharedPort
	listener net.Addr // for the log: a socket file may have been renamed, so conn may not know it
	conn     net.Conn
	tc       *telnet.Conn

	watchdog *ackWatchdog // may be nil

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	queue  *queue
	urgent chan urgent // commands for control
	moved  atomic.Int64
	begun  time.Time
	quiet  time.Duration // quietTime, but in tests

	// The reader's alone.
	stallTimer *time.Timer
	answered   bool // the client has answered in Telnet
	marked     bool // and the timing mark of the greeting
	commanded  bool // and has sent a COM-PORT command
	working    bool // the goroutines for the port have been started

	claimed  atomic.Bool
	comPort  atomic.Bool // the client has agreed to COM-PORT
	draining atomic.Bool // the client has closed, and its data is being written

	leaving bool // and is out; guarded by the server's mu

	port port.Port // since claim
	line line

	wg sync.WaitGroup // the goroutines but serve

	mu          sync.Mutex // guards what follows
	over        bool       // the port's deadlines are past for good
	cause       error
	steps       int  // goroutines that need to know the progress of a write
	stepped     bool // the write deadline is a step,
	stepEnd     time.Time
	writePaused bool
	endCommand  context.CancelFunc // ends the ordered command at work, if any
	readPaused  bool
	readParked  bool
	readChanged wait.Notifier
}

// urgent is a command for control.
type urgent struct {
	cmd []byte        // a COM-PORT command and its value; empty: a BRK
	at  place         // its place in what the client sent
	ran chan struct{} // if not nil: there is no command, close it
}

const (
	bufferMin = 2 << 10  // what send reads into at first
	bufferMax = 64 << 10 // and once that was filled
	maxUrgent = 64

	// negotiationTimeout bounds how long data waits for a client's answers.
	negotiationTimeout = 2 * time.Second

	// quietTime is how long the port must be silent before a client without
	// COM-PORT that has closed its side is taken to have left.
	quietTime = time.Second
)

func newSession(s *Server, conn net.Conn, shared *sharedPort, at net.Addr) *session {
	x := &session{
		srv:      s,
		shared:   shared,
		listener: at,
		conn:     conn,
		tc:       telnet.NewConn(conn),
		urgent:   make(chan urgent, maxUrgent),
		begun:    time.Now(),
		quiet:    quietTime,
	}
	x.tc.SetComplete(complete)
	x.queue = newQueue(max(queueSoft, s.SocketBuffer), func(on bool) { // RFC 2217, section 5
		cmd := cmdResume
		if on {
			cmd = cmdSuspend
		}
		x.tc.Send(appendText(nil, cmd+fromServer, "")...)
	})
	x.watchdog = newAckWatchdog(conn, s.KeepAlive, x.tc.Abort)
	x.ctx, x.cancel = context.WithCancel(s.ctx)
	x.line.x = x
	x.line.modemMask = 0xff
	x.touch()
	return x
}

// end ends the session with the first of several causes.
func (x *session) end(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over, x.cause = true, cause
	x.cancel()
	x.watchdog.stop()
	if x.port != nil {
		x.port.SetDeadline(past)
	}
	x.conn.SetReadDeadline(past)
	x.tc.DiscardWrites(true)
	x.readChanged.Notify()
	post(x.queue.ready)
	if !x.claimed.Load() {
		x.tc.Abort(cause) // a TLS handshake may be writing
	}
}

var past = time.Unix(1, 0)

// isOver reports whether end was called.
func (x *session) isOver() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.over
}

// setReadDeadline bounds reading from the connection, unless that has ended.
func (x *session) setReadDeadline(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.conn.SetReadDeadline(t)
	}
}

// finish ends a session that has claimed the port after its client has left or
// failed, and returns how many bytes of the client were dropped, and why it
// ended. The port is in its original state then.
func (x *session) finish(err error) (dropped int, cause error) {
	if x.working && !x.isOver() { // a connection that was lost has left something as well
		err = cmp.Or(err, x.drain(err == nil))
	}
	x.leave()
	x.end(err)
	x.queue.close()
	x.wg.Wait()
	dropped = x.queue.discard(x.queue.end())
	if x.port != nil {
		x.port.SetDeadline(time.Time{})
		// Take back what the client has changed.
		l := &x.line
		l.setOutputs(0)
		l.reset()
	}
	return dropped, x.cause
}

// leave notes that a client that waits may have the port.
func (x *session) leave() {
	x.srv.mu.Lock()
	defer x.srv.mu.Unlock()
	x.leaving = true
	x.srv.freed.Notify()
}

// drain waits for what the client has sent before it left: as long as the port
// accepts some of it. A client without COM-PORT that has closed may have closed
// its side only, and gets what the port answers.
func (x *session) drain(closed bool) error {
	x.draining.Store(true)
	limit := x.line.stallLimit(x.srv.drainTimeout(), pieceChars)
	x.startSteps()
	err := x.queue.awaitDone(x.ctx, x.queue.end(), limit)
	x.endSteps()
	if err == errStalled {
		return fmt.Errorf("%w for %v after the client left", err, limit.Round(time.Second))
	}
	ran := make(chan struct{})
	select {
	case x.urgent <- urgent{ran: ran}:
		select {
		case <-ran:
		case <-x.ctx.Done():
		}
	case <-x.ctx.Done():
	}
	if d, ok := x.port.(port.Drainer); ok && x.ctx.Err() == nil {
		ctx, cancel := x.ctx, context.CancelFunc(func() {})
		if limit >= 0 {
			ctx, cancel = context.WithTimeout(x.ctx, x.line.stallLimit(x.srv.drainTimeout(), queueChars))
		}
		d.Drain(ctx)
		cancel()
	}
	x.leave()
	x.tc.SetHold(telnet.HoldNegotiation, false)
	for closed && !x.comPort.Load() && x.ctx.Err() == nil {
		left := x.quiet - time.Since(time.Unix(0, x.moved.Load()))
		if left <= 0 {
			break
		}
		wait.Sleep(x.ctx, left)
	}
	return nil
}

// touch notes that bytes have moved.
func (x *session) touch() { x.moved.Store(time.Now().UnixNano()) }
