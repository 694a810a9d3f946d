package rfc2217

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"time"

	"github.com/rasline/rasline/internal/telnet"
	"github.com/rasline/rasline/port"
)

// refusal is why a client does not get the port. Its text is sent to the client.
type refusal struct {
	text string
	err  error // may be nil
}

// Error returns the text.
func (e *refusal) Error() string { return e.text }

// Unwrap returns the cause.
func (e *refusal) Unwrap() error { return e.err }

var (
	errHandshakeTimeout = errors.New("no answer in Telnet within the handshake limit")
	errEvicted          = &refusal{text: "Too many connections. Try again later."}
	errEarlyData        = &refusal{text: "Too much data before an answer in Telnet (RFC 854)."}
	errHTTP             = &refusal{text: "This is a serial port and no web server."}
	errTLS              = &refusal{text: "This port does not speak TLS."}
	errBusy             = &refusal{text: "The port is in use. Try again later."}
	errDraining         = &refusal{text: "The port is in use: it still sends what its last client has left. Try again later."}
	errIdle             = &refusal{text: "No byte has passed within the idle limit."}
	errLeftUnproved     = errors.New("the client left without an answer in Telnet")
)

const (
	defaultHandshake = 10 * time.Second
	maxStrangers     = 32              // connections that have not proved themselves
	refusalTimeout   = 2 * time.Second // for the sentence that refuses a client
	releaseTimeout   = 5 * time.Second // for a port whose client is leaving
	busyTimeout      = 250 * time.Millisecond
	protocolBytes    = 64 // by which a protocol is recognized
)

// prove performs what a client must do before it can claim the port: the TLS
// handshake and what Server.Authorize demands. It then sends the greeting; the
// answer to it claims the port.
func (x *session) prove() error {
	timeout := x.srv.HandshakeTimeout
	if timeout == 0 {
		timeout = defaultHandshake
	}
	ctx := x.ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if h, ok := x.conn.(interface {
		HandshakeContext(context.Context) error
	}); ok {
		if err := h.HandshakeContext(ctx); err != nil {
			var notTLS tls.RecordHeaderError
			if errors.As(err, &notTLS) && notTLS.Conn != nil {
				io.WriteString(notTLS.Conn, "This port speaks TLS only.\r\n")
			}
			return fmt.Errorf("TLS handshake: %w", err)
		}
	}
	if x.srv.Authorize != nil {
		if err := x.srv.Authorize(x.conn); err != nil {
			return &refusal{text: err.Error(), err: err}
		}
	}
	if err := x.srv.awaitFree(x, false); err != nil { // saves the client the negotiation
		return err
	}
	if x.srv.Raw {
		x.tc.SetRaw()
		return x.claim()
	}
	// Begin the negotiation (RFC 2217, section 1): the shared port's device
	// echoes, not the client, and COM-PORT is accepted. No data is sent until the
	// client has answered whether it accepts binary, or has answered the timing mark
	// that is sent last: how it would read the data is not known before.
	x.tc.Options(func(o *telnet.Options) {
		o.Allow(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo, telnet.ComPort)
		o.Allow(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	})
	x.options()
	x.tc.SetHold(telnet.HoldNegotiation, true)
	x.tc.Request(telnet.Us, telnet.Binary, telnet.SGA, telnet.Echo)
	x.tc.Request(telnet.Peer, telnet.Binary, telnet.SGA, telnet.ComPort)
	x.tc.Send(telnet.IAC, telnet.DO, telnet.TimingMark)
	if timeout > 0 {
		x.setReadDeadline(x.begun.Add(timeout))
	}
	return nil
}

// claim makes the session the one that has the port.
func (x *session) claim() error {
	x.setReadDeadline(time.Time{})
	// Wait for a client that is leaving, and for a moment for any other: its end
	// may not have been noticed yet.
	s := x.srv
	if err := s.awaitFree(x, true); err != nil {
		return err
	}
	s.log("client connected", x)
	if !x.srv.Raw {
		release := time.AfterFunc(negotiationTimeout, func() { x.tc.SetHold(telnet.HoldNegotiation, false) })
		context.AfterFunc(x.ctx, func() { release.Stop() })
	}
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return x.cause
	}
	x.port = x.shared.port
	x.mu.Unlock()
	x.touch()
	l := &x.line
	l.mode = port.Mode{Baud: 9600, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone}
	l.outputs = port.Outputs
	if err := l.reset(); err != nil {
		return err
	}
	l.stats = l.counts()
	if err := l.setOutputs(port.Outputs); err != nil {
		return err
	}
	x.working = true
	x.wg.Go(x.send)
	x.wg.Go(x.line.watch)
	x.wg.Go(x.control)
	x.wg.Go(x.write)
	return nil
}

// requestLine matches the front of a request in HTTP. A browser sends methods in
// capitals to other sites. To its own site, which a page can make any address by
// rebinding its host name, it sends any token (RFC 9110, section 5.6.2); such a
// line is distinguished from text by its version, which is at its end.
var requestLine = regexp.MustCompile(
	"^[A-Z]{3,16} (/|\\*|https?:|[a-z0-9.-]+:\\d)|" +
		"^[-!#$%&'*+.^_`|~0-9A-Za-z]+ [^ \r\n]+ HTTP/\\d")

// checkProtocol refuses clients that speak HTTP or TLS, by the first bytes that
// they send. A web browser can be made to connect to any address that its user
// can reach, and to send there what a page wants (a POST request), but always
// with a request line or a TLS record first.
func checkProtocol(first []byte) error {
	switch {
	case requestLine.Match(first):
		return errHTTP
	case bytes.HasPrefix(first, []byte{0x16, 0x03}):
		return errTLS
	}
	return nil
}

// say sends a line of text as the last data of a connection, and accepts what the
// client sends until it closes: a close with bytes unread would make the client's
// system drop the sentence.
func (x *session) say(text string) {
	end := time.Now().Add(refusalTimeout)
	defer context.AfterFunc(x.srv.ctx, func() { x.conn.Close() })()
	x.tc.SetWriteDeadline(end)
	if err := x.tc.SendText(text + "\r\n"); err != nil {
		return
	}
	half, ok := x.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	x.conn.SetReadDeadline(end)
	io.Copy(io.Discard, io.LimitReader(x.conn, 64<<10))
}

// serve serves one connection from its first byte to its last.
func (s *Server) serve(x *session) {
	tune(x.conn, s.KeepAlive, s.SocketBuffer)
	err := x.prove()
	if err == nil {
		err = x.receive()
	}
	if !x.claimed.Load() {
		if err == nil {
			err = errLeftUnproved
		}
		s.logRefusal(x, err)
		var r *refusal
		switch {
		case errors.As(err, &r):
			x.say(r.text)
		case err == errHandshakeTimeout, err == errLeftUnproved && !x.isOver():
			// A client that left may have closed its side only.
			x.say("No answer in Telnet (RFC 854). This port speaks RFC 2217.")
		}
		x.end(err)
		x.tc.Close()
		return
	}
	dropped, err := x.finish(err)
	var attrs []any
	if err != nil {
		attrs = append(attrs, "reason", err)
	}
	if dropped > 0 {
		attrs = append(attrs, "dropped", dropped)
	}
	s.log("client gone", x, attrs...)
	s.release(x, err)
	if r, ok := err.(*refusal); ok && !x.comPort.Load() {
		x.say("\r\n" + r.text)
	} else if f := new(portFailure); errors.As(err, &f) && !x.comPort.Load() {
		x.say("\r\nThe port has failed: " + f.Error() + ".")
	}
	x.tc.Close()
}

// awaitFree returns when the port of x can be claimed, or is claimed if claim is
// set, or the reason why it cannot.
func (s *Server) awaitFree(x *session, claim bool) error {
	patience, late := time.NewTimer(busyTimeout), time.NewTimer(releaseTimeout)
	defer patience.Stop()
	defer late.Stop()
	for {
		s.mu.Lock()
		y := x.shared.busy
		changed := s.freed.Changed()
		switch {
		case s.closed:
			s.mu.Unlock()
			return net.ErrClosed
		case x.shared.dead != nil:
			defer s.mu.Unlock()
			cause := x.shared.dead
			return &refusal{text: fmt.Sprintf("The port is not available: %v. Try again later.", cause), err: cause}
		case y == nil && claim:
			x.shared.busy = x
			delete(s.strangers, x)
			s.active++
			x.claimed.Store(true)
			fallthrough
		case y == nil || y.leaving && !claim:
			s.mu.Unlock()
			return nil
		}
		leaving := y.leaving
		s.mu.Unlock()
		if leaving {
			y.end(nil)
		}
		select {
		case <-changed:
		case <-patience.C:
			if !leaving {
				if y.draining.Load() {
					return errDraining
				}
				return errBusy
			}
		case <-late.C:
			return errBusy
		case <-x.ctx.Done():
			return x.ctx.Err()
		}
	}
}

// release gives the port of x back. err is why the session ended; if the port
// itself has failed it is opened again, or its listeners are closed.
func (s *Server) release(x *session, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.shared.busy = nil
	s.freed.Notify()
	if s.active--; s.active == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
	f := new(portFailure)
	if !errors.As(err, &f) || x.shared.dead != nil {
		return
	}
	x.shared.dead = err
	if s.Reopen != nil && !s.closed {
		s.wg.Add(1)
		go s.reopen(x.shared)
		return
	}
	for l := range x.shared.listeners {
		l.Close()
	}
}

// reopen replaces a port that has failed, and tries until it succeeds or the
// server is closed.
func (s *Server) reopen(shared *sharedPort) {
	defer s.wg.Done()
	old := shared.port
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		p, err := s.Reopen(s.ctx, old)
		if err == nil {
			s.mu.Lock()
			shared.port, shared.dead = p, nil
			shared.readMode()
			s.mu.Unlock()
			if s.Log != nil {
				s.Log.Info("port opened again")
			}
			return
		}
		if s.Log != nil && pause == time.Second {
			s.Log.Warn("port cannot be opened again, trying on", "reason", err)
		}
		if sleepErr := s.sleep(pause); sleepErr != nil {
			return
		}
		s.mu.Lock()
		shared.dead = err
		s.mu.Unlock()
	}
}

// sharedPort is a port with its listeners.
type sharedPort struct {
	// Guarded by the server's mu. A session may use port while it is busy.
	port      port.Port
	busy      *session // the one that has the port
	dead      error    // why the port has failed, until it is opened again
	listeners map[net.Listener]struct{}
	mode      port.Mode // as it was found, and is after each session
}

// readMode notes the mode that the port is in.
func (p *sharedPort) readMode() {
	p.mode = port.Mode{}
	if m, ok := p.port.(port.ModeSetter); ok {
		if mode, err := m.Mode(); err == nil {
			p.mode = mode
		}
	}
}
