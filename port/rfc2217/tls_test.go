package rfc2217_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// tlsConfigs returns the configurations of a server and a client that each
// demand the other's certificate.
func tlsConfigs(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	pair := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	server = &tls.Config{Certificates: pair, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	client = &tls.Config{Certificates: pair, RootCAs: pool}
	return server, client
}

// identity returns a certificate and the pool that trusts it.
func identity(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	server, _ := tlsConfigs(t)
	return server.Certificates[0], server.ClientCAs
}

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
	server, client := tlsConfigs(t)
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel() // most of the time is the suite's pauses
			c.Run(t, func(t *testing.T) (a, b port.Port) {
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
		})
	}
}

func TestTLSRefusesStrangers(t *testing.T) {
	server, client := tlsConfigs(t)
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
