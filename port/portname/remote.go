package portname

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

// bounded returns a context for a connection.
func (c *Config) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Timeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.Timeout)
}

// parseURL reads SCHEME://HOST:PORT[?OPTIONS].
func parseURL(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err != nil || u.Port() == "" || u.Hostname() == "" || u.Path != "" || u.User != nil || u.Fragment != "" {
		scheme, _, _ := strings.Cut(name, ":")
		return nil, badName("write it as %s://host:port", scheme)
	}
	return u, nil
}

func openTCP(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	u, err := parseURL(name)
	if err != nil {
		return nil, err
	}
	return dialRaw(ctx, "tcp", u.Host, name, u.Query(), cfg)
}

func openUnix(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	_, rest, _ := strings.Cut(name, ":")
	path, query, _ := strings.Cut(rest, "?")
	options, err := url.ParseQuery(query)
	if path = strings.TrimPrefix(path, "//"); path == "" || err != nil {
		return nil, badName("write it as unix:/path/of/the/socket")
	}
	return dialRaw(ctx, "unix", path, name, options, cfg)
}

// dialRaw makes a connection without a protocol.
func dialRaw(ctx context.Context, network, addr, name string, options url.Values, cfg *Config) (port.Port, error) {
	telnetIsData := false
	for key := range options {
		if key != "telnet" || options.Get(key) != "data" {
			return nil, badName("option %s: use telnet=data, or none", key)
		}
		telnetIsData = true
	}
	if m := cfg.Remote.Mode; m != (port.Mode{}) {
		return nil, fmt.Errorf("a raw connection has no mode, and %v was asked for: use rfc2217://, or set it on the server: %w", m, errors.ErrUnsupported)
	}
	dial := cfg.Remote.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := cfg.bounded(ctx)
	defer cancel()
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if !telnetIsData {
		conn = &rawConn{Conn: conn, name: name}
	}
	return port.FromStream(conn, name), nil
}

// rawConn detects a peer that uses Telnet by its first two bytes: a server
// that begins with a negotiation (RFC 854).
type rawConn struct {
	net.Conn
	name  string
	known atomic.Bool // the first two bytes were something else

	mu   sync.Mutex // held by a Read of the first two bytes
	seen int        // of them
	iac  bool       // the first one was IAC
	err  error
}

// Interruptible reports whether deadlines free the calls of the connection.
func (c *rawConn) Interruptible() bool {
	switch c.Conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

const (
	iac  = 255
	will = 251
	dont = 254
)

// ErrTelnet matches the error of a Read from a raw connection whose peer speaks
// Telnet.
var ErrTelnet = errors.New("the peer speaks Telnet")

// Read returns ErrTelnet instead of the first bytes if they are a negotiation.
func (c *rawConn) Read(b []byte) (int, error) {
	if c.known.Load() {
		return c.Conn.Read(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(b)
	for _, v := range b[:n] {
		c.seen++
		if c.seen == 1 {
			c.iac = v == iac
			continue
		}
		if c.seen == 2 && c.iac && will <= v && v <= dont {
			_, rest, _ := strings.Cut(c.name, "://")
			c.err = fmt.Errorf("%w: use telnet://%s or rfc2217://%s, or %s?telnet=data if these bytes are data", ErrTelnet, rest, rest, c.name)
			return 0, c.err
		}
		c.known.Store(true)
		break
	}
	return n, err
}

func openTelnet(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	u, err := parseURL(name)
	if err != nil {
		return nil, err
	}
	remote := *cfg.Remote
	if strings.EqualFold(u.Scheme, "telnet") {
		remote.Plain = rfc2217.PlainOnly
		if remote.Mode != (port.Mode{}) {
			return nil, fmt.Errorf("a plain Telnet port has no mode, and %v was asked for: use rfc2217://, or set it on the server: %w", remote.Mode, errors.ErrUnsupported)
		}
	}
	if err := remoteOptions(&remote, u.Query()); err != nil {
		return nil, err
	}
	ctx, cancel := cfg.bounded(ctx)
	defer cancel()
	p, err := rfc2217.Dial(ctx, u.Host, &remote)
	if err != nil {
		var op *port.OpError
		if errors.As(err, &op) && errors.Is(err, port.ErrCarrierLost) && strings.Contains(err.Error(), "speaks TLS") {
			_, rest, _ := strings.Cut(op.Port, "://")
			err = &port.OpError{Op: op.Op, Port: op.Port, Err: fmt.Errorf("%w; use rfc2217+tls://%s", op.Err, rest)}
		}
		return nil, err
	}
	return p, nil
}

// remoteOptions reads what follows the question mark of an rfc2217 port.
func remoteOptions(cfg *rfc2217.Config, q url.Values) error {
	for key, values := range q {
		value := values[len(values)-1]
		var err error
		switch key {
		case "ack":
			cfg.AckTimeout, err = time.ParseDuration(value)
		case "keepalive":
			cfg.KeepAlive, err = time.ParseDuration(value)
		case "ignoreacks":
			cfg.IgnoreAcks, err = isOn(value)
		case "plain":
			var plain bool
			if plain, err = isOn(value); plain {
				cfg.Plain = rfc2217.AllowPlain
			}
		default:
			err = errors.New("use ack, keepalive, ignoreacks or plain")
		}
		if err != nil {
			return badName("option %s: %v", key, err)
		}
	}
	return nil
}

// isOn reads a switch, which is on when it is just named.
func isOn(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	return strconv.ParseBool(value)
}
