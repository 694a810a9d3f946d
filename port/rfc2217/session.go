package rfc2217

import (
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
//   - obey empties the queue: it writes data and carries out commands, in the
//     order in which they came;
//   - send reads the port and writes to the connection;
//   - watch follows modem lines, error counters and the idle limit.
type session struct {
	srv  *Server
	port port.Port
	tc   *telnet.Conn

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	queue  chan order
	free   chan []byte // blocks that are not in the queue; nil ones are yet to be made
	moved  atomic.Int64

	spoke   bool // run's alone, as the next two: the client has answered in Telnet
	marked  bool // and the timing mark of the greeting
	settled bool // data may leave
	seq     uint64
	purgeTo atomic.Uint64 // orders up to this one lose their data
	comPort atomic.Bool   // the client has agreed to COM-PORT

	line line // obey's and watch's

	mu    sync.Mutex
	over  bool      // the port's deadlines are past for good
	until time.Time // the write deadline while they are not
	cause error
}

// order is a run of data for the port, or a command, or both: data first.
type order struct {
	seq   uint64
	data  []byte
	ev    telnet.Kind
	verb  byte   // of a Telnet command or a timing mark
	cmd   []byte // of a COM-PORT command, a copy
	block []byte // if not nil: goes back to free after this order
}

const (
	blockMin  = 2 << 10  // a block's size at first
	blockSize = 64 << 10 // and once its like was filled
	blocks    = 3
	queueLen  = 16

	// lingerLimit bounds the writing of what a client had sent before it left.
	lingerLimit = 10 * time.Second
)

func newSession(s *Server, conn net.Conn, p port.Port) *session {
	x := &session{
		srv:   s,
		port:  p,
		tc:    telnet.NewConn(conn),
		queue: make(chan order, queueLen),
		free:  make(chan []byte, blocks),
	}
	for range blocks {
		x.free <- nil
	}
	x.ctx, x.cancel = context.WithCancel(s.life)
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
	x.tc.Close()
}

// run serves the client until it leaves, and returns why it did; nil is its own
// wish.
func (x *session) run() error {
	tune(x.tc.NetConn(), x.srv.KeepAlive)
	x.line.raise()
	x.greet()
	var wg sync.WaitGroup
	wg.Go(x.send)
	wg.Go(x.line.watch)
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		x.obey()
	}()

	err := x.receive()
	close(x.queue)
	if err == nil {
		x.linger(obeyed)
	}
	x.end(err)
	<-obeyed
	wg.Wait()
	x.line.drop()
	x.port.SetDeadline(time.Time{})
	return x.cause
}

// linger lets obey finish what the client had sent before it left.
func (x *session) linger(obeyed <-chan struct{}) {
	x.mu.Lock()
	x.until = time.Now().Add(lingerLimit)
	x.mu.Unlock()
	x.resume()
	limit, cancel := context.WithTimeout(x.ctx, lingerLimit)
	defer cancel()
	select {
	case <-obeyed:
	case <-limit.Done():
	}
}

// interrupt makes writes to the port fail, and resume ends that.
func (x *session) interrupt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.port.SetWriteDeadline(time.Unix(1, 0))
}

func (x *session) resume() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.over {
		x.port.SetWriteDeadline(x.until)
	}
}

// greet begins the negotiation (RFC 2217, section 1): the far side's device
// echoes, not the client, and COM-PORT is welcome. No data leaves until the
// client has said whether it takes binary, or has answered the timing mark that
// comes last: what it would make of the data is not known before.
func (x *session) greet() {
	x.tc.Options(func(o *telnet.Options) {
		o.Allow(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo, telnet.ComPort)
		o.Allow(telnet.Him, telnet.Binary, telnet.SGA, telnet.ComPort)
	})
	x.options()
	x.tc.Suspend(true)
	x.tc.Request(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo)
	x.tc.Request(telnet.Him, telnet.Binary, telnet.SGA, telnet.ComPort)
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
		b, err := x.block(full)
		if err != nil {
			return err
		}
		n, err := x.tc.Read(b)
		full = n == len(b)
		x.touch()
		if err := x.take(b, n); err != nil {
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

// block waits for a buffer, of which there are few: a port that takes nothing
// holds the client off. A small one is replaced if grow is set.
func (x *session) block(grow bool) ([]byte, error) {
	select {
	case b := <-x.free:
		return enough(b, grow), nil
	case <-x.ctx.Done():
		return nil, x.ctx.Err()
	}
}

// enough returns b, or another one if there is none yet or it is small and is to
// grow.
func enough(b []byte, grow bool) []byte {
	switch {
	case grow && len(b) < blockSize:
		return make([]byte, blockSize)
	case b == nil:
		return make([]byte, blockMin)
	}
	return b
}

// take makes orders of the n raw bytes in b.
func (x *session) take(b []byte, n int) error {
	for raw := b[:n]; ; {
		data, rest, ev := x.tc.Next(raw)
		raw = rest
		o := order{data: data}
		x.event(&o, ev)
		if len(raw) == 0 {
			o.block = b
		}
		if err := x.give(o); err != nil || o.block != nil {
			return err
		}
	}
}

// give puts an order into the queue; one that says nothing only gives its block
// back.
func (x *session) give(o order) error {
	if len(o.data) == 0 && o.ev == telnet.None {
		if o.block != nil {
			x.free <- o.block
		}
		return nil
	}
	x.seq++
	o.seq = x.seq
	if o.ev == telnet.Sub && o.cmd[0] == cmdPurge && o.cmd[1]&purgeOutput != 0 {
		x.purgeTo.Store(o.seq)
		x.interrupt()
	}
	select {
	case x.queue <- o:
		return nil
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
}

// event looks at what the decoder found: some of it takes effect at once, and
// the rest becomes part of the order.
func (x *session) event(o *order, ev telnet.Event) {
	switch {
	case ev.Kind == telnet.Negotiate:
		x.answered()
		if ev.Option == telnet.TimingMark && ev.Verb == telnet.DO {
			o.ev, o.verb = ev.Kind, ev.Verb
			return
		}
		x.marked = x.marked || ev.Option == telnet.TimingMark
		x.options()
	case ev.Kind == telnet.Command && ev.Verb == telnet.AYT:
		x.tc.Send(telnet.IAC, telnet.NOP)
	case ev.Kind == telnet.Command && ev.Verb == telnet.BRK:
		o.ev, o.verb = ev.Kind, ev.Verb
	case ev.Kind == telnet.Sub && ev.Option == telnet.ComPort && len(ev.Data) > 0:
		x.command(o, ev.Data)
	}
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
		comPort = o.Enabled(telnet.Him, telnet.ComPort) || o.Enabled(telnet.Us, telnet.ComPort)
		in = nvt(o, telnet.Him, comPort)
		out = nvt(o, telnet.Us, comPort)
	})
	x.tc.SetNVT(in, out)
	if !x.settled && x.negotiated() {
		x.settled = true
		x.tc.Suspend(false)
	}
	if comPort && !x.comPort.Swap(true) {
		x.line.report(true)
	}
}

func (x *session) negotiated() (ok bool) {
	x.tc.Options(func(o *telnet.Options) { ok = o.Settled(telnet.Us, telnet.Binary) })
	return ok && x.spoke || x.marked
}

// command carries out what must not wait for the port, and queues the rest.
func (x *session) command(o *order, cmd []byte) {
	switch {
	case cmd[0] == cmdSuspend:
		x.tc.Suspend(true)
	case cmd[0] == cmdResume:
		x.tc.Suspend(false)
	case cmd[0] == cmdSignature && len(cmd) == 1:
		x.tc.Send(appendText(nil, cmdSignature+fromServer, signature(x.srv.Signature))...)
	case cmd[0] == cmdModemState, cmd[0] != cmdSignature && cmd[0] <= cmdPurge && len(cmd) > 1:
		o.ev, o.cmd = telnet.Sub, append([]byte(nil), cmd[:min(len(cmd), 5)]...)
	}
}

// obey carries out orders until the queue is closed or the session over.
func (x *session) obey() {
	defer x.line.breakOff()
	for o := range x.queue {
		if err := x.carryOut(o); err != nil {
			x.end(x.portError("write", err))
		}
		if o.block != nil {
			x.free <- o.block
		}
	}
}

func (x *session) carryOut(o order) error {
	if err := x.output(o); err != nil || x.ctx.Err() != nil {
		return err
	}
	switch o.ev {
	case telnet.Negotiate:
		return x.mark()
	case telnet.Command:
		x.line.shortBreak()
	case telnet.Sub:
		x.line.command(o.cmd[0], o.cmd[1:])
	}
	return nil
}

// output writes an order's data, unless a purge has overtaken it.
func (x *session) output(o order) error {
	for b := o.data; len(b) > 0 && o.seq > x.purgeTo.Load(); {
		n, err := x.port.Write(b)
		b = b[n:]
		x.touch()
		purged := errors.Is(err, os.ErrDeadlineExceeded) && o.seq <= x.purgeTo.Load()
		if err != nil && !purged {
			return err
		}
	}
	return nil
}

// mark answers a timing mark (RFC 860) when all before it has left the port.
func (x *session) mark() error {
	if d, ok := x.port.(port.Drainer); ok {
		err := d.Drain(x.ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) && x.ctx.Err() == nil {
			return err
		}
	}
	return x.tc.Send(telnet.IAC, telnet.WILL, telnet.TimingMark)
}

// send copies from the port to the client.
func (x *session) send() {
	var buf []byte
	for full := false; ; {
		buf = enough(buf, full)
		n, err := x.port.Read(buf)
		full = n == len(buf)
		if n > 0 {
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
