package rfc2217

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// Server shares ports over the network, each with one client at a time; others
// get a sentence and are closed. Clients that speak RFC 2217 control the line,
// plain Telnet clients have its data.
//
// The fields must not change after the first call of Serve. The methods may be
// called from several goroutines at once.
type Server struct {
	// Port is what Serve shares. The server reads and writes it and moves its
	// deadlines while a client is connected; it never closes it. Nobody else
	// should use it meanwhile.
	Port port.Port

	// Signature is told to a client that asks. Default: "rasline".
	Signature string

	// KeepLines leaves DTR and RTS alone. Default: they are asserted when a
	// client comes and cleared when it goes, so that a modem hangs up.
	KeepLines bool

	// HandshakeTimeout bounds how long a client may take for its TLS handshake
	// and its first answer in Telnet. 0: 10 seconds; negative: none.
	HandshakeTimeout time.Duration

	// IdleTimeout ends a connection over which no byte has passed for so long,
	// also if the client accepts none. 0, or negative: none.
	IdleTimeout time.Duration

	// KeepAlive bounds how long a client that has vanished holds the port; see
	// Config.KeepAlive. 0: 30 seconds; negative: none.
	KeepAlive time.Duration

	// Poll is the interval at which, while a client is connected, the port's
	// error counters are read, and its modem lines, for ports that cannot wait
	// for a change and for changes between two waits. 0, or negative: 250 ms.
	Poll time.Duration

	// Log receives a record for each client that comes, goes or is turned
	// away. Default: none.
	Log *slog.Logger

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners map[net.Listener]struct{}
	busy      map[port.Port]bool
	sessions  map[*session]struct{}
	refusals  int           // clients being turned away
	idle      chan struct{} // if not nil: closed when the last session ends
	stop      context.CancelFunc
	ctx       context.Context
	wg        sync.WaitGroup // sessions and clients being turned away
}

const (
	defaultHandshake = 10 * time.Second
	defaultPoll      = 250 * time.Millisecond
	refusalTimeout   = 2 * time.Second
	maxRefusals      = 16 // beyond them a client is closed without a sentence
)

// Serve accepts clients for s.Port on l until l fails or the server is closed.
// It closes l. The error is never nil: net.ErrClosed after Close or Shutdown,
// otherwise the cause; among the causes is the end of the port itself.
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
	ctx, err := s.addListener(l)
	if err != nil {
		return err
	}
	defer s.removeListener(l)
	gone := make(chan error, 1)
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(conn, l, p, gone)
			continue
		}
		if pause = backOff(err, pause); pause == 0 || ctx.Err() != nil {
			return serveError(ctx, l, err, gone)
		}
		wait.Sleep(ctx, pause)
	}
}

// serveError returns why serving has ended when Accept failed with err: the server
// was closed, the port has gone, or the listener is broken.
func serveError(ctx context.Context, l net.Listener, err error, gone <-chan error) error {
	if ctx.Err() != nil {
		return net.ErrClosed
	}
	select {
	case cause := <-gone:
		return fmt.Errorf("rfc2217: serve %v: %w", l.Addr(), cause)
	default:
		return fmt.Errorf("rfc2217: accept on %v: %w", l.Addr(), err)
	}
}

// backOff returns how long to wait after an error of Accept, such as too many
// open files, or 0 if it is final.
func backOff(err error, last time.Duration) time.Duration {
	var t interface{ Temporary() bool }
	if !errors.As(err, &t) || !t.Temporary() {
		return 0
	}
	return min(max(2*last, 5*time.Millisecond), time.Second)
}

func (s *Server) addListener(l net.Listener) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if s.ctx == nil {
		s.ctx, s.stop = context.WithCancel(context.Background())
		s.listeners = make(map[net.Listener]struct{})
		s.busy = make(map[port.Port]bool)
		s.sessions = make(map[*session]struct{})
	}
	s.listeners[l] = struct{}{}
	return s.ctx, nil
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// admit gives a new client the port, or turns it away. If the port itself
// comes to its end, gone gets the cause and l is closed.
func (s *Server) admit(conn net.Conn, l net.Listener, p port.Port, gone chan<- error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		conn.Close()
		return
	case s.busy[p]:
		s.refuse(conn)
		return
	}
	s.busy[p] = true
	x := newSession(s, conn, p)
	s.sessions[x] = struct{}{}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.log("client connected", conn, nil)
		err := x.run()
		s.release(x)
		s.log("client gone", conn, err)
		if errors.Is(err, port.ErrRemoved) || errors.Is(err, errPortClosed) {
			select {
			case gone <- err:
				l.Close()
			default:
			}
		}
	}()
}

func (s *Server) release(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
	delete(s.busy, x.port)
	if len(s.sessions) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// refuse tells a client that somebody else has the port. s.mu is held.
func (s *Server) refuse(conn net.Conn) {
	s.log("client turned away: the port is in use", conn, nil)
	if s.refusals >= maxRefusals {
		conn.Close()
		return
	}
	s.refusals++
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		unhook := context.AfterFunc(s.ctx, func() { conn.Close() })
		sendRefusal(conn)
		unhook()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refusals--
	}()
}

// sendRefusal sends the sentence and takes what the client sends until it closes:
// a close with bytes unread would make its system throw the sentence away.
func sendRefusal(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(refusalTimeout))
	if _, err := io.WriteString(conn, "The port is in use. Try again later.\r\n"); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
}

func (s *Server) log(text string, conn net.Conn, err error) {
	if s.Log == nil {
		return
	}
	attrs := []any{"client", conn.RemoteAddr().String(), "listener", conn.LocalAddr().String()}
	if err != nil {
		attrs = append(attrs, "reason", err)
	}
	s.Log.Info(text, attrs...)
}

// Close closes the listeners and all clients, and returns when the last of them
// is gone and the ports are left alone. A second Close does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	s.stopAccepting()
	if s.stop != nil {
		s.stop()
	}
	for x := range s.sessions {
		x.end(net.ErrClosed)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// Shutdown closes the listeners and waits until the last client has gone by
// itself, or until ctx ends; then it closes those that are left and returns the
// context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopAccepting()
	var idle chan struct{}
	if len(s.sessions) > 0 {
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

// stopAccepting stops accepting. s.mu is held.
func (s *Server) stopAccepting() {
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
}
