package rfc2217

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// Server shares ports over the network, each with one client at a time; others
// are sent a sentence and closed. Clients that speak RFC 2217 control the line,
// plain Telnet clients have its data.
//
// Nothing happens to a port before a client has proved itself. On a listener of
// crypto/tls the TLS handshake is first, with client certificates if the
// listener demands them. Then the client must answer the server's negotiation
// in Telnet. Until then no modem line is moved, no byte is read from the port,
// and what the client sends is held and, if the answer does not arrive within
// HandshakeTimeout, dropped. Clients that send a request of HTTP or a TLS record
// are refused. At most 32 clients can be in that state; beyond them, the oldest
// one of the address (IPv6: of the /64 network) that has most is closed.
//
// The client begins with the mode of the server and empty queues, and when it
// has left, what it had sent is written for as long as the port accepts it; then
// the mode is restored and the queues are emptied.
//
// The fields must not change after the first call of Serve. The methods may be
// called from several goroutines at the same time.
type Server struct {
	// Port is what Serve shares. While a client is connected the server reads
	// and writes it and moves its deadlines; it never closes it. No other
	// goroutine should use it meanwhile.
	Port port.Port

	// Mode is the mode of the port when a client connects; zero fields are as
	// they were when ServePort was called. It is restored when the client has
	// left.
	Mode port.Mode

	// KeepState makes mode and queues survive from one client to the next.
	// What the device sends while no client is connected is then kept as far
	// as the port's queue holds it.
	KeepState bool

	// KeepLines leaves DTR and RTS alone. Default: they are asserted when a
	// client has proved itself and cleared when it leaves, so that a modem
	// hangs up.
	KeepLines bool

	// Raw serves clients that speak no Telnet at all: bytes pass as they are,
	// and the client has the port as soon as it is connected (and its TLS
	// handshake is complete). Without TLS or a Unix-domain socket any program
	// and any web page that can reach the address can then send to the port,
	// except for what begins with a request of HTTP.
	Raw bool

	// Authorize, if not nil, decides after the TLS handshake whether a client
	// is served; conn is what the listener returned, for example a *tls.Conn.
	// The text of the error is sent to the client. It may be called from
	// several goroutines at the same time.
	Authorize func(conn net.Conn) error

	// Reopen, if not nil, opens a port again that has failed, for example
	// because the device was removed or the line was hung up; old is the
	// failed port, which Reopen closes. If it fails it is called again after
	// a pause of 1 to 30 seconds. The context ends with the server. Default:
	// Serve ends with the cause of the failure.
	Reopen func(ctx context.Context, old port.Port) (port.Port, error)

	// Signature is sent to a client that requests it. Default: "rasline".
	Signature string

	// HandshakeTimeout bounds how long a client may take for its TLS handshake
	// and its first answer in Telnet. 0: 10 seconds; negative: none.
	HandshakeTimeout time.Duration

	// IdleTimeout ends a connection over which no byte has passed for so long,
	// also if the client accepts none. 0, or negative: none.
	IdleTimeout time.Duration

	// DrainTimeout bounds how long the port may accept none of what a client
	// had sent before it left; the rest is then dropped, and the log has its
	// length. As long as bytes move the server continues. The time in which the
	// line sends 512 characters is added to it. 0: 10 seconds; negative: none.
	DrainTimeout time.Duration

	// KeepAlive bounds how long a client that has vanished holds the port; see
	// Config.KeepAlive. 0: 30 seconds; negative: none.
	KeepAlive time.Duration

	// Poll is the interval at which, while a client is connected, the port's
	// error counters are read, and its modem lines, for ports that cannot wait
	// for a change and for changes between two waits. 0, or negative: 250 ms.
	Poll time.Duration

	// SocketBuffer is the size of the system's buffers for a TCP connection in
	// each direction; see Config.SocketBuffer. 0: 64 KiB; negative: the
	// system's default.
	SocketBuffer int

	// Log receives a record for each client that connects or leaves, and for
	// clients that are refused, of those at most one a second with the number
	// of others. Default: none.
	Log *slog.Logger

	ctx  context.Context // ends with Close; set by the first Serve
	stop context.CancelFunc
	wg   sync.WaitGroup // connections, and ports being opened again

	mu        sync.Mutex // guards what follows
	closed    bool
	ports     map[port.Port]*sharedPort
	sessions  map[*session]struct{} // all connections
	strangers map[*session]struct{} // those of them that have not claimed a port
	active    int                   // those that have
	idle      chan struct{}         // if not nil: closed when active becomes 0
	freed     wait.Notifier         // of a session that leaves or has left

	logMu   sync.Mutex // guards what follows
	logged  time.Time  // when a refusal was logged last
	skipped int        // refusals since then
}

const (
	defaultPoll  = 250 * time.Millisecond
	defaultDrain = 10 * time.Second
)

func (s *Server) drainTimeout() time.Duration {
	if s.DrainTimeout == 0 {
		return defaultDrain
	}
	return s.DrainTimeout
}

// Serve accepts clients for s.Port on l until l fails or the server is closed.
// It closes l. The error is never nil: net.ErrClosed after Close or Shutdown,
// otherwise the cause, which may be the failure of the port.
func (s *Server) Serve(l net.Listener) error {
	if s.Port == nil {
		l.Close()
		return errors.New("rfc2217: serve: set Server.Port first")
	}
	return s.ServePort(l, s.Port)
}

// ServePort is Serve for the port p. Call it several times, each in a goroutine
// of its own, to serve a set of ports, one or more listeners each.
func (s *Server) ServePort(l net.Listener, p port.Port) error {
	defer l.Close()
	shared, err := s.addListener(l, p)
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(shared.listeners, l)
	}()
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(conn, shared, l.Addr())
			continue
		}
		// Too many open files and the like pass.
		var t interface{ Temporary() bool }
		if s.ctx.Err() == nil && errors.As(err, &t) && t.Temporary() {
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.sleep(pause)
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.closed:
			return net.ErrClosed
		case shared.dead != nil && s.Reopen == nil:
			return fmt.Errorf("rfc2217: serve %v: %w", l.Addr(), shared.dead)
		}
		return fmt.Errorf("rfc2217: accept on %v: %w", l.Addr(), err)
	}
}

func (s *Server) sleep(d time.Duration) error { return wait.Sleep(s.ctx, d) }

func (s *Server) addListener(l net.Listener, p port.Port) (*sharedPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if s.ctx == nil {
		s.ctx, s.stop = context.WithCancel(context.Background())
		s.ports = make(map[port.Port]*sharedPort)
		s.sessions = make(map[*session]struct{})
		s.strangers = make(map[*session]struct{})
	}
	shared := s.ports[p]
	if shared == nil {
		shared = &sharedPort{port: p, listeners: make(map[net.Listener]struct{})}
		shared.readMode()
		s.ports[p] = shared
	}
	shared.listeners[l] = struct{}{}
	return shared, nil
}

// admit starts the goroutine of a new connection. If there are too many that
// have not proved themselves, one of the address that has most of them is
// closed: so one host cannot keep others out.
func (s *Server) admit(conn net.Conn, shared *sharedPort, at net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return
	}
	if len(s.strangers) >= maxStrangers {
		byHost := make(map[string]int)
		for x := range s.strangers {
			byHost[hostOf(x.conn)]++
		}
		var oldest *session
		for x := range s.strangers {
			if oldest == nil || byHost[hostOf(x.conn)] > byHost[hostOf(oldest.conn)] ||
				byHost[hostOf(x.conn)] == byHost[hostOf(oldest.conn)] && x.begun.Before(oldest.begun) {
				oldest = x
			}
		}
		delete(s.strangers, oldest)
		oldest.end(errEvicted)
	}
	x := newSession(s, conn, shared, at)
	s.sessions[x] = struct{}{}
	s.strangers[x] = struct{}{}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.serve(x)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sessions, x)
		delete(s.strangers, x)
	}()
}

// hostOf returns what the connections of one host have in common: its address,
// or the network of 64 bits of an IPv6 address, since a host can use all
// addresses of its network (RFC 4291, section 2.5.1). Link-local addresses of
// many hosts share a network.
func hostOf(conn net.Conn) string {
	addr := conn.RemoteAddr().String()
	if from, err := netip.ParseAddrPort(addr); err == nil {
		a := from.Addr().Unmap()
		if a.Is4() || a.IsLinkLocalUnicast() {
			return a.String()
		}
		return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
	}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

func (s *Server) log(text string, x *session, attrs ...any) {
	if s.Log != nil {
		s.Log.Info(text, append([]any{"client", x.conn.RemoteAddr().String(), "listener", x.listener.String()}, attrs...)...)
	}
}

// logRefusal logs at most one refused client a second.
func (s *Server) logRefusal(x *session, cause error) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if !s.logged.IsZero() && time.Since(s.logged) < time.Second {
		s.skipped++
		return
	}
	attrs := []any{"reason", cause}
	if s.skipped > 0 {
		attrs = append(attrs, "others", s.skipped)
	}
	s.logged, s.skipped = time.Now(), 0
	s.log("client turned away", x, attrs...)
}

// Close closes the listeners and all clients, and returns when the last of them
// has been closed and the ports are no longer used. A second Close does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	s.stopAccepting()
	for x := range s.sessions {
		x.end(net.ErrClosed)
	}
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Shutdown closes the listeners and waits until the last client that has a port
// has left by itself, or until ctx ends; then it closes those that are left and
// returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopAccepting()
	var idle chan struct{}
	if s.active > 0 {
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle = s.idle
	}
	s.mu.Unlock()
	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.Close()
	return err
}

// stopAccepting closes the listeners. s.mu is held.
func (s *Server) stopAccepting() {
	s.closed = true
	for _, shared := range s.ports {
		for l := range shared.listeners {
			l.Close()
		}
	}
}
