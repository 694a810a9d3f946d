package rfc2217

import (
	"bytes"
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
	"github.com/rasline/rasline/port"
)

var (
	errPortClosed = errors.New("the shared port was closed")
	errIdle       = errors.New("no byte passed within the idle limit")
	errHandshake  = errors.New("the client did not answer in Telnet within the handshake limit")
)

// session is one client's time at a port. Four goroutines work for it, and run
// returns when all of them have:
//
//   - run itself reads the connection, takes it apart and fills the queue;
//   - execute empties the queue: it writes data and carries out commands, in the
//     command in which they came;
//   - send reads the port and writes to the connection;
//   - watch follows modem lines, error counters and the idle limit.
type session struct {
	srv  *Server
	port port.Port
	tc   *telnet.Conn

	watchdog *ackWatchdog // may be nil

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	queue  *queue
	moved  atomic.Int64 // when bytes moved last, in nanoseconds of Unix time

	spoke   bool        // run's alone, as the next: the client has answered in Telnet
	marked  bool        // and the timing mark of the greeting
	comPort atomic.Bool // the client has agreed to COM-PORT
	held    atomic.Bool // data waits for the end of the negotiation

	line line // execute's and watch's

	mu            sync.Mutex
	over          bool      // the port's deadlines are past for good
	until         time.Time // the write deadline while they are not
	interruptWait func()    // if not nil: ends what execute waits for
	cause         error
}

const (
	bufferMin = 2 << 10  // what send reads into at first
	bufferMax = 64 << 10 // and once that was filled

	// lingerLimit bounds the writing of what a client had sent before it left.
	lingerLimit = 10 * time.Second

	// holdLimit bounds how long data waits for a client's answers.
	holdLimit = 2 * time.Second
)

func newSession(s *Server, conn net.Conn, p port.Port) *session {
	x := &session{
		srv:   s,
		port:  p,
		tc:    telnet.NewConn(conn),
		queue: newQueue(),
	}
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
	if x.over {
		x.mu.Unlock()
		return
	}
	x.over, x.cause = true, cause
	x.port.SetDeadline(time.Unix(1, 0))
	x.mu.Unlock()
	x.cancel()
	x.watchdog.stop()
	x.tc.Close()
}

// run serves the client until it leaves, and returns why it did; nil is its own
// wish.
func (x *session) run() error {
	tune(x.tc.NetConn(), x.srv.KeepAlive)
	x.line.raise()
	x.negotiate()
	late := time.AfterFunc(holdLimit, x.releaseData)
	defer late.Stop()
	var wg sync.WaitGroup
	wg.Go(x.send)
	wg.Go(x.line.watch)
	executed := make(chan struct{})
	go func() {
		defer close(executed)
		x.execute()
	}()

	err := x.receive()
	x.queue.close()
	if err == nil {
		x.linger(executed)
	}
	x.end(err)
	<-executed
	wg.Wait()
	x.line.drop()
	x.port.SetDeadline(time.Time{})
	return x.cause
}

// linger lets execute finish what the client had sent before it left.
func (x *session) linger(executed <-chan struct{}) {
	x.mu.Lock()
	x.until = time.Now().Add(lingerLimit)
	x.mu.Unlock()
	x.resume()
	limit, cancel := context.WithTimeout(x.ctx, lingerLimit)
	defer cancel()
	select {
	case <-executed:
	case <-limit.Done():
	}
}

// interrupt frees execute from a port that takes nothing: its write fails, and so
// do others until resume.
func (x *session) interrupt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port.SetWriteDeadline(time.Unix(1, 0))
	if x.interruptWait != nil {
		x.interruptWait()
	}
}

func (x *session) resume() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.port.SetWriteDeadline(x.until)
	}
}

// negotiate begins the negotiation (RFC 2217, section 1): the far side's device
// echoes, not the client, and COM-PORT is admit. No data leaves until the
// client has said whether it takes binary, or has answered the timing mark that
// comes last: what it would make of the data is not known before. A client that
// answers neither gets it a little later.
func (x *session) negotiate() {
	x.tc.Options(func(o *telnet.Options) {
		o.Allow(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo, telnet.ComPort)
		o.Allow(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	})
	x.options()
	x.held.Store(true)
	x.tc.Suspend(true)
	x.tc.Request(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo)
	x.tc.Request(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	x.tc.Send(telnet.IAC, telnet.DO, telnet.TimingMark)
	if limit := x.handshakeLimit(); limit > 0 {
		x.tc.SetReadDeadline(time.Now().Add(limit))
	}
}

func (x *session) handshakeLimit() time.Duration {
	if x.srv.HandshakeTimeout == 0 {
		return defaultHandshake
	}
	return x.srv.HandshakeTimeout
}

// receive reads the connection until it ends, which is no error if the client
// closed it.
func (x *session) receive() error {
	full := false
	for {
		seg, err := x.queue.room(x.ctx, full)
		if err != nil {
			return err
		}
		n, err := x.tc.Read(seg)
		full = n == len(seg)
		x.touch()
		if err := x.take(seg, n); err != nil {
			return err
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case x.tc.Err() != nil:
			return x.tc.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errHandshake
		default:
			return err
		}
	}
}

// take takes n raw bytes at the front of seg apart, in place, and puts what it
// finds into the queue.
func (x *session) take(seg []byte, n int) error {
	w := 0
	for raw := seg[:n]; len(raw) > 0; {
		data, rest, ev := x.tc.Next(raw)
		if w != n-len(raw) {
			copy(seg[w:], data)
		}
		w += len(data)
		x.queue.add(len(data))
		raw = rest
		if err := x.event(ev); err != nil {
			return err
		}
	}
	return nil
}

// event handles what the decoder found: some of it at once, and the rest when
// its turn comes.
func (x *session) event(ev telnet.Event) error {
	switch {
	case ev.Kind == telnet.Negotiate:
		x.answered()
		if ev.Option == telnet.TimingMark && ev.Verb == telnet.DO {
			return x.queue.command(x.ctx, command{kind: ev.Kind})
		}
		x.marked = x.marked || ev.Option == telnet.TimingMark
		x.options()
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT:
		x.tc.Send(telnet.IAC, telnet.NOP)
	case ev.Kind == telnet.Command && ev.Verb == telnet.BRK:
		return x.queue.command(x.ctx, command{kind: ev.Kind})
	case ev.Kind == telnet.Sub && ev.Option == telnet.ComPort && len(ev.Data) > 0:
		return x.command(ev.Data)
	}
	return nil
}

// answered ends the time for the handshake.
func (x *session) answered() {
	if !x.spoke {
		x.spoke = true
		x.tc.SetReadDeadline(time.Time{})
	}
}

// options follows what has been agreed. Clients err in who offers COM-PORT and
// who asks for it, so either will do.
func (x *session) options() {
	var comPort, in, out bool
	x.tc.Options(func(o *telnet.Options) {
		comPort = o.Enabled(telnet.Peer, telnet.ComPort) || o.Enabled(telnet.Us, telnet.ComPort)
		in = nvt(o, telnet.Peer, comPort)
		out = nvt(o, telnet.Us, comPort)
	})
	x.tc.SetNVT(in, out)
	if x.negotiated() {
		x.releaseData()
	}
	if comPort && !x.comPort.Swap(true) {
		x.line.report(true)
	}
}

// releaseData lets data flow that negotiate has held.
func (x *session) releaseData() {
	if x.held.Swap(false) {
		x.tc.Suspend(false)
	}
}

func (x *session) negotiated() (ok bool) {
	x.tc.Options(func(o *telnet.Options) { ok = o.Settled(telnet.Us, telnet.Binary) })
	return ok && x.spoke || x.marked
}

// command carries out what must not wait for the port, and leaves the rest to
// execute. A purge of the output drops what is waiting; its own turn, with the
// acknowledgement, comes after the commands before it.
func (x *session) command(cmd []byte) error {
	switch {
	case cmd[0] == cmdSuspend:
		x.tc.Suspend(true)
	case cmd[0] == cmdResume:
		x.tc.Suspend(false)
	case cmd[0] == cmdSignature && len(cmd) == 1:
		x.tc.Send(appendText(nil, cmdSignature+fromServer, signature(x.srv.Signature))...)
	case cmd[0] == cmdModemState, cmd[0] != cmdSignature && cmd[0] <= cmdPurge && len(cmd) > 1:
		if cmd[0] == cmdPurge && cmd[1]&purgeOutput != 0 {
			x.queue.requestPurge()
			x.interrupt()
		}
		return x.queue.command(x.ctx, command{kind: telnet.Sub, cmd: bytes.Clone(cmd[:min(len(cmd), 5)])})
	}
	return nil
}

// execute does what is in the queue until that is closed. Once the session is over
// it only empties it.
func (x *session) execute() {
	defer x.line.breakOff()
	for {
		t, ok := x.queue.next()
		if !ok {
			return
		}
		if err := x.executeItem(t); err != nil {
			x.end(x.portError("write", err))
		}
	}
}

func (x *session) executeItem(t entry) error {
	switch {
	case x.ctx.Err() != nil:
		x.queue.done(len(t.data))
	case t.purge:
		x.resume()
		x.line.discard(port.Output)
	case len(t.data) > 0:
		return x.output(t.data)
	case t.command.kind == telnet.Negotiate:
		return x.mark()
	case t.command.kind == telnet.Command:
		x.interruptible(x.line.shortBreak)
	default:
		x.line.command(t.command.cmd[0], t.command.cmd[1:])
	}
	return nil
}

// output writes data to the port. A purge that overtakes it makes it stop.
func (x *session) output(data []byte) error {
	n, err := x.port.Write(data)
	x.queue.done(n)
	x.touch()
	if errors.Is(err, os.ErrDeadlineExceeded) && x.queue.purgePending() {
		return nil
	}
	return err
}

// mark answers a timing mark (RFC 860) when all before it has left the port, or
// was purged.
func (x *session) mark() error {
	if d, ok := x.port.(port.Drainer); ok {
		if err := x.interruptible(d.Drain); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return x.tc.Send(telnet.IAC, telnet.WILL, telnet.TimingMark)
}

// interruptible calls f with a context that ends with the session, and when a purge
// comes. An end by the context is no error.
func (x *session) interruptible(f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	x.setInterrupt(cancel)
	defer x.setInterrupt(nil)
	if x.queue.purgePending() {
		return nil
	}
	if err := f(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

func (x *session) setInterrupt(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.interruptWait = f
}

// send copies from the port to the client.
func (x *session) send() {
	buf := make([]byte, bufferMin)
	for {
		n, err := x.port.Read(buf)
		if n > 0 {
			x.watchdog.start()
			if _, werr := x.tc.Write(buf[:n]); werr != nil {
				x.end(werr)
				return
			}
			x.touch()
		}
		if err != nil {
			x.end(x.portError("read", err))
			return
		}
		if n == len(buf) && n < bufferMax {
			buf = make([]byte, bufferMax)
		}
	}
}

// portError tells a port that has ended from one that failed.
func (x *session) portError(op string, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errPortClosed
	}
	return fmt.Errorf("%s the shared port: %w", op, err)
}

// touch notes that bytes have moved.
func (x *session) touch() { x.moved.Store(time.Now().UnixNano()) }

// idle reports whether no byte has moved for the idle limit.
func (x *session) idle() bool {
	limit := x.srv.IdleTimeout
	return limit > 0 && time.Since(time.Unix(0, x.moved.Load())) >= limit
}
