package rfc2217_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// pipeListener hands out net.Pipes, for servers under testing/synctest.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// connect returns the client's end of a new connection.
func (l *pipeListener) connect() net.Conn {
	near, far := net.Pipe()
	l.conns <- far
	return near
}

// bubble serves a virtual pair on a pipeListener, for use under synctest.
func bubble(t *testing.T, s *rfc2217.Server, opts ...virtual.Option) (*pipeListener, *virtual.Port) {
	t.Helper()
	shared, far := virtual.Pair(opts...)
	s.Port = shared
	return serveBubble(t, s), far
}

// serveBubble has the server serve connections of the pipeListener.
func serveBubble(t *testing.T, s *rfc2217.Server) *pipeListener {
	t.Helper()
	l := newPipeListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v; want net.ErrClosed", err)
		}
	})
	return l
}

// dialPipe is Dial over a pipeListener.
func dialPipe(t *testing.T, l *pipeListener, cfg rfc2217.Config) *rfc2217.Port {
	t.Helper()
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return l.connect(), nil }
	p, err := rfc2217.Dial(context.Background(), "pipe", &cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
