package portname

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

// openTLS opens rfc2217+tls://HOST:PORT[?OPTIONS].
func openTLS(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	u, err := parseURL(name)
	if err != nil {
		return nil, err
	}
	options := u.Query()
	secure, err := tlsConfig(cfg.TLS, options)
	if err != nil {
		return nil, err
	}
	if secure.ServerName == "" {
		secure.ServerName = u.Hostname()
	}
	remote := *cfg.Remote
	if err := remoteOptions(&remote, options); err != nil {
		return nil, err
	}
	dial := remote.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	remote.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := tls.Client(conn, secure)
		if err := c.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return c, nil
	}
	ctx, cancel := cfg.bounded(ctx)
	defer cancel()
	p, err := rfc2217.Dial(ctx, u.Host, &remote)
	if err != nil {
		var op *port.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, &port.OpError{Op: "open", Port: "rfc2217+tls://" + u.Host, Err: explainTLS(err)}
	}
	return p, nil
}

// openUnixServer opens rfc2217+unix:/PATH[?OPTIONS].
func openUnixServer(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	_, rest, _ := strings.Cut(name, ":")
	path, query, _ := strings.Cut(rest, "?")
	options, err := url.ParseQuery(query)
	if path = strings.TrimPrefix(path, "//"); path == "" || err != nil {
		return nil, badName("write it as rfc2217+unix:/path/of/the/socket")
	}
	remote := *cfg.Remote
	if err := remoteOptions(&remote, options); err != nil {
		return nil, err
	}
	ctx, cancel := cfg.bounded(ctx)
	defer cancel()
	p, err := rfc2217.Dial(ctx, "unix:"+path, &remote)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// tlsConfig returns a copy of base, which may be nil, with the options of TLS,
// which it removes.
func tlsConfig(base *tls.Config, options url.Values) (*tls.Config, error) {
	c := base.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	file := func(key string) string {
		value := options.Get(key)
		delete(options, key)
		return value
	}
	ca, cert, key, server := file("ca"), file("cert"), file("key"), file("name")
	if server != "" {
		c.ServerName = server
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("option ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("option ca: %s has no certificate in PEM", ca)
		}
	}
	switch {
	case cert == "" && key != "":
		return nil, badName("option key: give cert as well")
	case cert == "":
		return c, nil
	case key == "":
		key = cert // both in one file
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("options cert and key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// explainTLS adds advice to an error of TLS.
func explainTLS(err error) error {
	var (
		notTLS    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	// The alerts of the peer have no exported type.
	text := err.Error()
	switch {
	case errors.As(err, &notTLS):
		return fmt.Errorf("%w; the server does not speak TLS: use rfc2217://", err)
	case errors.As(err, &authority):
		return fmt.Errorf("%w; if it is the right server, give the file of that authority, or of the server's own certificate, as ?ca=FILE", err)
	case errors.As(err, &hostname):
		return fmt.Errorf("%w; use a name of the certificate, or give it as ?name=NAME", err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w; the server needs a new certificate, or this host the right time", err)
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "tls: bad certificate"),
		strings.Contains(text, "tls: unknown certificate"), strings.Contains(text, "tls: handshake failure"):
		return fmt.Errorf("%w; the server requires a client certificate that it trusts: give its files as ?cert=FILE&key=FILE", err)
	}
	return err
}
