package rfc2217

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
type session struct {
	srv    *Server
	shared *sharedPort
	conn   net.Conn
	tc     *telnet.Conn

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

func newSession(s *Server, conn net.Conn, shared *sharedPort) *session {
	x := &session{
		srv:    s,
		shared: shared,
		conn:   conn,
		tc:     telnet.NewConn(conn),
		urgent: make(chan urgent, maxUrgent),
		begun:  time.Now(),
		quiet:  quietTime,
	}
	x.tc.SetComplete(complete)
	x.queue = newQueue(max(queueSoft, s.SocketBuffer), x.suspendClient)
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

// begin starts the work on the port, which the session has claimed.
func (x *session) begin() error {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return x.cause
	}
	x.port = x.shared.port
	x.mu.Unlock()
	x.touch()
	if err := x.line.begin(); err != nil {
		return err
	}
	x.working = true
	x.wg.Go(x.send)
	x.wg.Go(x.line.watch)
	x.wg.Go(x.control)
	x.wg.Go(x.write)
	return nil
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
	dropped = x.queue.discardAll()
	if x.port != nil {
		x.port.SetDeadline(time.Time{})
		x.line.restore()
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

// greet begins the negotiation (RFC 2217, section 1): the shared port's device
// echoes, not the client, and COM-PORT is accepted. No data is sent until the
// client has answered whether it accepts binary, or has answered the timing mark
// that is sent last: how it would read the data is not known before.
func (x *session) greet() {
	x.tc.Options(func(o *telnet.Options) {
		o.Allow(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo, telnet.ComPort)
		o.Allow(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	})
	x.options()
	x.tc.SetHold(telnet.HoldNegotiation, true)
	x.tc.Request(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo)
	x.tc.Request(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	x.tc.Send(telnet.IAC, telnet.DO, telnet.TimingMark)
}

// receive reads the connection until it ends, which is no error if the client
// closed it.
func (x *session) receive() error {
	full := false
	for {
		seg, err := x.awaitRoom(full)
		if err != nil {
			return err
		}
		n, err := x.tc.Read(seg)
		full = n == len(seg)
		x.touch()
		if err := x.decode(seg, n); err != nil {
			return err
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case x.isOver():
			return x.cause
		case x.tc.Err() != nil:
			return x.tc.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errHandshakeTimeout
		default:
			return err
		}
	}
}

// awaitRoom waits for memory to read into.
func (x *session) awaitRoom(grow bool) ([]byte, error) {
	for {
		if seg := x.queue.room(grow); seg != nil {
			return seg, nil
		}
		if !x.claimed.Load() {
			return nil, errEarlyData
		}
		if x.stallTimer == nil {
			x.stallTimer = time.NewTimer(suspendDelay)
		} else {
			x.stallTimer.Reset(suspendDelay)
		}
		select {
		case <-x.queue.space:
			x.stallTimer.Stop()
		case <-x.stallTimer.C:
			if x.comPort.Load() {
				x.queue.suspendClient()
			}
			if seg := x.queue.room(grow); seg != nil {
				return seg, nil
			}
			select {
			case <-x.queue.space:
			case <-x.ctx.Done():
				return nil, x.ctx.Err()
			}
		case <-x.ctx.Done():
			return nil, x.ctx.Err()
		}
	}
}

// suspendClient asks the client to send no data (RFC 2217, section 5), or to
// resume.
func (x *session) suspendClient(on bool) {
	cmd := cmdResume
	if on {
		cmd = cmdSuspend
	}
	x.tc.Send(appendText(nil, cmd+fromServer, "")...)
}

// decode decodes n raw bytes at the front of seg in place, and queues what it
// finds.
func (x *session) decode(seg []byte, n int) error {
	if x.srv.Raw && !x.answered && n > 0 {
		if err := checkProtocol(seg[:n]); err != nil {
			return err
		}
		x.answered = true
	}
	w := 0
	for raw := seg[:n]; len(raw) > 0; {
		data, rest, ev := x.tc.Next(raw)
		if len(data) > 0 {
			at := n - len(raw) + x.writeDirect(data)
			if k := n - len(raw) + len(data) - at; k > 0 {
				copy(seg[w:], seg[at:at+k])
				w += k
				x.queue.add(k)
			}
		}
		raw = rest
		if err := x.event(ev); err != nil {
			return err
		}
	}
	if !x.answered {
		return checkProtocol(x.queue.first(protocolBytes))
	}
	return nil
}

// event handles what the decoder found.
func (x *session) event(ev telnet.Event) error {
	isComPort := ev.Kind == telnet.Sub && ev.Option == telnet.ComPort && len(ev.Data) > 0
	if !x.answered && (ev.Kind == telnet.Negotiate || isComPort) {
		if err := checkProtocol(x.queue.first(protocolBytes)); err != nil {
			return err
		}
		if err := x.claim(); err != nil {
			return err
		}
		x.answered = true
	}
	switch {
	case ev.Kind == telnet.Negotiate && ev.Option == telnet.TimingMark && ev.Verb == telnet.DO:
		return x.order(nil)
	case ev.Kind == telnet.Negotiate:
		x.marked = x.marked || ev.Option == telnet.TimingMark
		x.options()
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT && x.comPort.Load():
		x.tc.Send(telnet.IAC, telnet.NOP) // text would be data to a program
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT:
		x.tc.Send([]byte("\r\n[yes, " + signature(x.srv.Signature) + "]\r\n")...) // RFC 854: visible evidence
	case ev.Kind == telnet.Command && ev.Verb == telnet.BRK:
		return x.hurry(nil)
	case isComPort:
		return x.command(ev.Data)
	}
	return nil
}

// options follows what has been agreed. Clients err in which of them offers
// COM-PORT and which requests it, so either will do.
func (x *session) options() {
	var comPort, in, out, settled bool
	x.tc.Options(func(o *telnet.Options) {
		comPort = o.Enabled(telnet.Peer, telnet.ComPort) || o.Enabled(telnet.Us, telnet.ComPort)
		in = nvt(o, telnet.Peer, comPort)
		out = nvt(o, telnet.Us, comPort)
		settled = o.Settled(telnet.Us, telnet.Binary)
	})
	x.tc.SetNVT(in, out)
	if x.answered && settled || x.marked {
		x.tc.SetHold(telnet.HoldNegotiation, false)
	}
	if comPort && !x.comPort.Swap(true) {
		x.line.report(true)
	}
}

// command carries out what needs no port, and leaves the rest to control or, in
// its place among the data, to write.
func (x *session) command(cmd []byte) error {
	if !x.commanded {
		x.commanded = true
		if !bytes.Equal(cmd, levelsQuery) {
			x.line.reportNoLines()
		}
	}
	switch {
	case cmd[0] == cmdSuspend:
		x.tc.SetHold(telnet.HoldPeer, true)
	case cmd[0] == cmdResume:
		x.tc.SetHold(telnet.HoldPeer, false)
	case cmd[0] == cmdSignature && len(cmd) == 1:
		x.tc.Send(appendText(nil, cmdSignature+fromServer, signature(x.srv.Signature))...)
	case cmd[0] == cmdSignature || cmd[0] > cmdPurge:
	case cmd[0] == cmdModemState || cmd[0] == cmdLineState:
		return x.hurry(cmd)
	case len(cmd) == 1:
	case cmd[0] >= cmdBaud && cmd[0] <= cmdStopSize:
		// A query may overtake the data, but no change of what it asks for.
		if bytes.Count(cmd[1:], []byte{0}) == len(cmd)-1 && !x.queue.commandQueued() {
			return x.hurry(cmd)
		}
		return x.order(cmd)
	default:
		return x.hurry(cmd)
	}
	return nil
}

// order queues a command in its place among the data; nil is a timing mark.
func (x *session) order(cmd []byte) error {
	cmd = bytes.Clone(cmd[:min(len(cmd), maxCommand)])
	for !x.queue.addCommand(cmd) {
		select {
		case <-x.queue.space:
		case <-x.ctx.Done():
			return x.ctx.Err()
		}
	}
	return nil
}

// hurry gives control a command; nil is a BRK.
func (x *session) hurry(cmd []byte) error {
	u := urgent{cmd: bytes.Clone(cmd[:min(len(cmd), maxCommand)]), at: x.queue.end()}
	select {
	case x.urgent <- u:
		return nil
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
}

// maxCommand is the length of the longest command that is carried out, a
// SET-BAUDRATE.
const maxCommand = 5

// control carries out commands as they arrive, until the session ends.
func (x *session) control() {
	defer x.line.breakOff()
	for {
		select {
		case u := <-x.urgent:
			switch {
			case u.ran != nil:
				close(u.ran)
			case len(u.cmd) == 0:
				x.line.shortBreak(u.at)
			case u.cmd[0] == cmdPurge:
				x.purge(u.cmd[1], u.at)
			default:
				x.line.command(u.cmd[0], u.cmd[1:], u.at)
			}
		case <-x.ctx.Done():
			return
		}
	}
}

// write does what is in the queue, until the queue is closed and empty or the
// session is over.
func (x *session) write() {
	defer x.queue.writerEnded()
	for {
		e, ok := x.queue.next()
		if !ok || x.ctx.Err() != nil {
			return
		}
		err := error(nil)
		switch {
		case len(e.data) > 0:
			x.setStepDeadline()
			n := 0
			n, err = x.port.Write(e.data)
			x.queue.done(n)
			x.touch()
		case x.runOrdered(e.command, &err):
			x.queue.commandDone()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.end(portError("write", err))
		}
	}
}

// runOrdered carries out a command that is ordered with the data. It reports
// false if a purge or the end has interrupted it, after which it is repeated.
func (x *session) runOrdered(c ordered, err *error) bool {
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	x.mu.Lock()
	if x.writePaused {
		x.mu.Unlock()
		return false
	}
	x.endCommand = cancel
	if x.stepped && !x.over {
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.endCommand = nil
		x.mu.Unlock()
	}()
	if len(c.cmd) > 0 {
		return x.line.setMode(ctx, c.cmd[0], c.cmd[1:])
	}
	// A timing mark is answered when all before it has left the port.
	if d, ok := x.port.(port.Drainer); ok {
		switch derr := d.Drain(ctx); {
		case ctx.Err() != nil:
			return false
		case derr != nil && !errors.Is(derr, errors.ErrUnsupported):
			*err = derr
			return true
		}
	}
	x.tc.Send(telnet.IAC, telnet.WILL, telnet.TimingMark)
	return true
}

// directTimeout bounds a write of the reader, which reads no commands meanwhile.
// The deadline is moved when half of it is left.
const directTimeout = 20 * time.Millisecond

// writeDirect writes data to the port, if the writer has nothing to do, and
// returns how much the port has accepted. The rest is queued.
func (x *session) writeDirect(data []byte) (n int) {
	if !x.queue.startDirect() {
		return 0
	}
	defer func() { x.queue.endDirect(n) }()
	x.mu.Lock()
	if x.over || x.writePaused || x.steps > 0 {
		x.mu.Unlock()
		return 0
	}
	if now := time.Now(); !x.stepped || x.stepEnd.Sub(now) < directTimeout/2 {
		x.stepped, x.stepEnd = true, now.Add(directTimeout)
		x.port.SetWriteDeadline(x.stepEnd)
	}
	x.mu.Unlock()
	n, err := x.port.Write(data)
	x.touch()
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		x.end(portError("write", err))
	}
	return n
}

// clearStepDeadline removes the write deadline that shows progress, for calls of
// the port that obey it too.
func (x *session) clearStepDeadline() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stepped && !x.over && !x.writePaused && x.steps == 0 {
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
}

// startSteps makes write show its progress every progressInterval.
func (x *session) startSteps() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.steps++
	if x.steps == 1 && !x.over && !x.writePaused && x.endCommand == nil {
		x.stepped, x.stepEnd = true, past
		x.port.SetWriteDeadline(past) // ends the write at work
	}
}

func (x *session) endSteps() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.steps--
}

// setStepDeadline sets the port's write deadline before a write, if it needs
// one.
func (x *session) setStepDeadline() {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.over || x.writePaused:
	case x.steps > 0:
		x.stepped, x.stepEnd = true, time.Now().Add(progressInterval)
		x.port.SetWriteDeadline(x.stepEnd)
	case x.stepped:
		x.stepped = false
		x.port.SetWriteDeadline(time.Time{})
	}
}

// pauseWrite interrupts write and waits until it is parked.
func (x *session) pauseWrite() {
	x.queue.setPaused(true)
	x.mu.Lock()
	x.writePaused = true
	if !x.over {
		x.port.SetWriteDeadline(past)
	}
	if x.endCommand != nil {
		x.endCommand()
	}
	x.mu.Unlock()
	x.queue.awaitParked(x.ctx)
}

func (x *session) resumeWrite() {
	x.mu.Lock()
	x.writePaused, x.stepped = false, false
	if !x.over {
		x.port.SetWriteDeadline(time.Time{})
	}
	x.mu.Unlock()
	x.queue.setPaused(false)
}

// pauseSend interrupts send and waits until it is parked. What it has read and
// not sent is dropped.
func (x *session) pauseSend() {
	x.tc.DiscardWrites(true)
	x.mu.Lock()
	x.readPaused = true
	if !x.over {
		x.port.SetReadDeadline(past)
	}
	for !x.readParked && !x.over {
		changed := x.readChanged.Changed()
		x.mu.Unlock()
		<-changed
		x.mu.Lock()
	}
	x.mu.Unlock()
}

func (x *session) resumeSend() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.readPaused = false
	if !x.over {
		x.port.SetReadDeadline(time.Time{})
		x.tc.DiscardWrites(false)
	}
	x.readChanged.Notify()
}

// purge empties the queues in the directions of v, in the port and here, and
// acknowledges that (RFC 2217, section 3). What the client had sent before the
// command is dropped, and nothing that the port had received before is sent
// after the acknowledgement.
func (x *session) purge(v byte, at place) {
	d := port.Direction(v)
	if d == 0 || d > port.Input|port.Output {
		return
	}
	if d&port.Output != 0 {
		x.pauseWrite()
		defer x.resumeWrite()
		x.queue.discard(at)
	}
	if d&port.Input != 0 {
		x.pauseSend()
		defer x.resumeSend()
	}
	err := error(nil)
	if p, ok := x.port.(port.Drainer); ok {
		err = p.Discard(d)
	}
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		x.line.notify(cmdPurge, v)
	}
}

// send copies from the port to the client.
func (x *session) send() {
	buf := make([]byte, bufferMin)
	for x.awaitReading() {
		n, err := x.port.Read(buf)
		if n > 0 {
			x.watchdog.start()
			switch _, werr := x.tc.Write(buf[:n]); {
			case werr == telnet.ErrDiscarded:
			case werr != nil:
				x.end(werr)
				return
			}
			x.touch()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.end(portError("read", err))
			return
		}
		if n == len(buf) && n < bufferMax {
			buf = make([]byte, bufferMax)
		}
	}
}

// awaitReading parks send while it is paused, and reports false once the
// session is over.
func (x *session) awaitReading() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.readPaused && !x.over {
		x.readParked = true
		x.readChanged.Notify()
		changed := x.readChanged.Changed()
		x.mu.Unlock()
		<-changed
		x.mu.Lock()
	}
	x.readParked = false
	return !x.over
}

// portFailure is the end of the shared port.
type portFailure struct {
	op  string
	err error
}

// Error names the operation that failed, and the cause.
func (e *portFailure) Error() string {
	if errors.Is(e.err, net.ErrClosed) {
		return "the shared port was closed"
	}
	return fmt.Sprintf("%s the shared port: %v", e.op, e.err)
}

// Unwrap returns the cause.
func (e *portFailure) Unwrap() error { return e.err }

func portError(op string, err error) error { return &portFailure{op, err} }

// touch notes that bytes have moved.
func (x *session) touch() { x.moved.Store(time.Now().UnixNano()) }

// idle reports whether no byte has moved for the idle limit.
func (x *session) idle() bool {
	limit := x.srv.IdleTimeout
	return limit > 0 && time.Since(time.Unix(0, x.moved.Load())) >= limit
}
