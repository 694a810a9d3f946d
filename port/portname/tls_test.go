package portname

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/tlstest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
	"github.com/rasline/rasline/port/virtual"
)

// serveTLS shares a virtual port, with TLS if cfg is not nil.
func serveTLS(t *testing.T, cfg *tls.Config) (addr string, far *virtual.Port) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	shared, far := virtual.Pair()
	server := &rfc2217.Server{Port: shared}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served; far.Close() })
	return addr, far
}

func TestTLS(t *testing.T) {
	server, client := tlstest.Local(t), tlstest.New(t, "client", time.Now().Add(time.Hour))
	addr, far := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{server.Pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: client.Pool})
	clientCert, clientKey := client.Files(t)
	name := "rfc2217+tls://" + addr + "?ca=" + server.File(t) + "&cert=" + clientCert + "&key=" + clientKey + "&ack=10s"
	p, err := Open(t.Context(), name, &Config{Port: &port.Config{Mode: port.Mode{Baud: 2400}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if m, err := p.(port.ModeSetter).Mode(); err != nil || m.Baud != 2400 {
		t.Errorf("mode %v, %v; want 2400", m, err)
	}
	if _, err := far.Write([]byte("secret")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(p, got); err != nil || string(got) != "secret" {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestTLSErrors has everything wrong that can be: the error is what crypto/tls
// found, and what to do.
func TestTLSErrors(t *testing.T) {
	later := time.Now().Add(time.Hour)
	server, client := tlstest.Local(t), tlstest.New(t, "client", later)
	expired, wrongHost := tlstest.New(t, "127.0.0.1", time.Now().Add(-time.Hour)), tlstest.New(t, "other.example", later)
	serve := func(cert *tlstest.Certificate, auth tls.ClientAuthType) string {
		addr, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert.Pair}, ClientAuth: auth, ClientCAs: client.Pool})
		return addr
	}
	good, old, misnamed := server.File(t), expired.File(t), wrongHost.File(t)
	other, otherKey := tlstest.New(t, "other.example", later).Files(t)
	plain, _ := serveTLS(t, nil)
	secure, strict := serve(server, tls.NoClientCert), serve(server, tls.RequireAndVerifyClientCert)
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		why, name string
		want      []string
	}{
		{"an unknown authority", "rfc2217+tls://" + secure, []string{"unknown authority", "?ca=FILE"}},
		{"a wrong authority", "rfc2217+tls://" + secure + "?ca=" + other, []string{"unknown authority", "?ca=FILE"}},
		{"an expired certificate", "rfc2217+tls://" + serve(expired, tls.NoClientCert) + "?ca=" + old, []string{"expired", "new certificate"}},
		{"a wrong host name", "rfc2217+tls://" + serve(wrongHost, tls.NoClientCert) + "?ca=" + misnamed, []string{"127.0.0.1", "?name=NAME"}},
		{"no client certificate", "rfc2217+tls://" + strict + "?ca=" + good, []string{"certificate required", "?cert=FILE&key=FILE"}},
		{"an unknown client certificate", "rfc2217+tls://" + strict + "?ca=" + good + "&cert=" + other + "&key=" + otherKey, []string{"certificate", "?cert=FILE&key=FILE"}},
		{"a server without TLS", "rfc2217+tls://" + plain, []string{"does not speak TLS", "use rfc2217://"}},
		{"a client without TLS", "rfc2217://" + secure, []string{"This port speaks TLS only.", "use rfc2217+tls://" + secure}},
		{"no such file", "rfc2217+tls://" + secure + "?ca=" + missing, []string{"option ca", "missing.pem"}},
		{"no certificate in a file", "rfc2217+tls://" + secure + "?ca=" + empty, []string{"no certificate in PEM"}},
		{"a key alone", "rfc2217+tls://" + secure + "?key=" + otherKey, []string{"give cert as well"}},
		{"no such key", "rfc2217+tls://" + secure + "?cert=" + other + "&key=" + missing, []string{"cert and key", "missing.pem"}},
		{"an unknown option", "rfc2217+tls://" + secure + "?cafile=x", []string{"cafile"}},
		{"no port", "rfc2217+tls://host", []string{"rfc2217+tls://host:port"}},
	}
	for _, tt := range tests {
		p, err := Open(t.Context(), tt.name, nil)
		if err == nil {
			p.Close()
			t.Errorf("%s: Open(%s) succeeded", tt.why, tt.name)
			continue
		}
		var op *port.OpError
		if !errors.As(err, &op) || op.Op != "open" {
			t.Errorf("%s: %v is no port.OpError of open", tt.why, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q in it", tt.why, err, want)
			}
		}
	}
}

// TestTLSConfig fills the configuration from Config.TLS, with the server's name
// from the option.
func TestTLSConfig(t *testing.T) {
	server := tlstest.New(t, "modems.example.net", time.Now().Add(time.Hour))
	addr, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{server.Pair}})
	p, err := Open(t.Context(), "rfc2217+tls://"+addr+"?name=modems.example.net", &Config{TLS: &tls.Config{RootCAs: server.Pool}})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// TestUnixServer reaches a server at a Unix socket.
func TestUnixServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("no Unix sockets here: %v", err)
	}
	shared, far := virtual.Pair()
	defer far.Close()
	server := &rfc2217.Server{Port: shared}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	p, err := Open(t.Context(), "rfc2217+unix:"+path+"?ack=10s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.(port.LineController).SetLines(port.DTR, 0); err != nil {
		t.Errorf("SetLines: %v", err)
	}
	p.Close()
	server.Close()
	<-served
}
