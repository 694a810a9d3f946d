package rfc2217_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

func TestServeWithoutPort(t *testing.T) {
	if err := new(rfc2217.Server).Serve(newPipeListener()); err == nil || !strings.Contains(err.Error(), "Server.Port") {
		t.Errorf("Serve without a port: %v; want an error that says what to set", err)
	}
}

func TestPortRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, _ := virtual.Pair()
		s := &rfc2217.Server{Port: shared}
		l := newPipeListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		p := dialPipe(t, l, rfc2217.Config{})
		shared.Unplug()
		if err := <-served; !errors.Is(err, port.ErrRemoved) {
			t.Errorf("Serve when the device was pulled: %v; want port.ErrRemoved", err)
		}
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("the client's Read: %v; want port.ErrCarrierLost", err)
		}
		s.Close()
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rfc2217.Server{}
		l, far := bubble(t, s)
		p := dialPipe(t, l, rfc2217.Config{})
		time.AfterFunc(time.Minute, func() { p.Close() })
		start := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || elapsed(start) != time.Minute {
			t.Errorf("Shutdown: %v after %v; want it to wait 1m for the client", err, elapsed(start))
		}
		// The port is the caller's again, without a deadline.
		go s.Port.Write([]byte("mine"))
		expect(t, far, "mine")
	})
	synctest.Test(t, func(t *testing.T) {
		s := &rfc2217.Server{}
		l, _ := bubble(t, s)
		p := dialPipe(t, l, rfc2217.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown with a client that stays: %v; want the context's error", err)
		}
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("the client's Read: %v; want port.ErrCarrierLost", err)
		}
		if err := s.Serve(newPipeListener()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve after Shutdown: %v; want net.ErrClosed", err)
		}
	})
}

// TestSetOfPorts serves two ports on three listeners with one server.
func TestSetOfPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &rfc2217.Server{Log: slog.New(slog.NewTextHandler(&out, nil)), Signature: "bank"}
		one, farOne := virtual.Pair()
		two, farTwo := virtual.Pair()
		var ls []*pipeListener
		for _, p := range []port.Port{one, two, two} {
			l := newPipeListener()
			ls = append(ls, l)
			go s.ServePort(l, p)
		}
		a, b := dialPipe(t, ls[0], rfc2217.Config{}), dialPipe(t, ls[1], rfc2217.Config{})
		pass(t, a, farOne, "one")
		pass(t, b, farTwo, "two")
		if sig, err := a.Signature(t.Context()); sig != "bank" || err != nil {
			t.Errorf("Signature = %q, %v", sig, err)
		}
		said, _ := io.ReadAll(ls[2].connect())
		if !strings.Contains(string(said), "in use") {
			t.Errorf("a client at the other listener of a port in use was told %q", said)
		}
		s.Close()
		for _, want := range []string{"client connected", "client gone", "turned away"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log has no %q:\n%s", want, out.String())
			}
		}
	})
}

// TestPortWithoutLine shares a port that has data only: settings are
// acknowledged, for clients that insist on that, and modem lines are not reported.
func TestPortWithoutLine(t *testing.T) {
	one, two := tcpPair(t)
	p := dial(t, serve(t, &rfc2217.Server{}, one), &rfc2217.Config{Mode: port.Mode{Baud: 1200}})
	pass(t, p, two, "data")
	if m, err := p.Mode(); err != nil || m.String() != "1200,8N1,none" {
		t.Errorf("Mode = %v, %v", m, err)
	}
	if err := p.SetLines(port.DTR, 0); err != nil {
		t.Errorf("SetLines: %v", err)
	}
	if _, err := p.Lines(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Lines: %v; want errors.ErrUnsupported", err)
	}
	if err := p.Drain(bounded(t)); err != nil {
		t.Errorf("Drain: %v", err)
	}
}
