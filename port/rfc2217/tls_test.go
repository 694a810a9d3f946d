package rfc2217_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// serveTLS is serve with TLS.
func serveTLS(t testing.TB, s *rfc2217.Server, p port.Port, cfg *tls.Config) string {
	t.Helper()
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- s.ServePort(tls.NewListener(tight{l}, cfg), p) }()
	t.Cleanup(func() { s.Close(); <-served })
	return l.Addr().String()
}

// tight is a listener whose connections hold few bytes under way, so that one
// that is full stays full however slow the machine is.
type tight struct{ net.Listener }

func (l tight) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return squeeze(c), nil
}

// squeeze makes the buffers of c small, and hides them from others.
func squeeze(c net.Conn) net.Conn {
	tcp := c.(*net.TCPConn)
	tcp.SetReadBuffer(16 << 10)
	tcp.SetWriteBuffer(16 << 10)
	return struct{ net.Conn }{c}
}

// TestTLSConforms runs the suite over TLS, which does not survive a write that
// times out, so that the port must not let it come to that.
func TestTLSConforms(t *testing.T) {
	own := tlstest.Local(t)
	server, client := own.Server(), own.Client()
	conforms(t, func(t *testing.T) (a, b port.Port) {
		shared, far := virtual.Pair()
		addr := serveTLS(t, &rfc2217.Server{Poll: 5 * time.Millisecond}, shared, server)
		near := dial(t, addr, &rfc2217.Config{
			AckTimeout: 2 * time.Second,
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				cfg := client.Clone()
				cfg.ServerName = "127.0.0.1"
				return tls.Client(squeeze(c), cfg), nil
			},
		})
		return near, far
	})
}

func TestTLSRefusesStrangers(t *testing.T) {
	own := tlstest.Local(t)
	server, client := own.Server(), own.Client()
	shared, _ := virtual.Pair()
	addr := serveTLS(t, &rfc2217.Server{}, shared, server)
	stranger := client.Clone()
	stranger.Certificates = nil
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"no certificate": (&tls.Dialer{Config: stranger}).DialContext,
		"no TLS":         nil,
	} {
		p, err := rfc2217.Dial(bounded(t), addr, &rfc2217.Config{Dial: dial, AckTimeout: time.Second})
		if err == nil {
			p.Close()
		}
		if !errors.Is(err, port.ErrCarrierLost) && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Dial with %s: %v; want it to fail", name, err)
		}
	}
}
