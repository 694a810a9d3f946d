package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

// connectLimit bounds the connection to a port on another host.
const connectLimit = 30 * time.Second

// errBadPort marks a -port that cannot be understood.
var errBadPort = errors.New("bad port")

// openPort opens what -port names. The port is exact if nobody replays what was
// read from it and not used.
func (d *dialer) openPort(ctx context.Context) (p port.Port, exact bool, err error) {
	name := d.opts.port
	scheme, rest, remote := strings.Cut(name, "://")
	switch {
	case name == "":
		return d.openDemo(ctx), false, nil
	case name == "-":
		p, err := port.Stdio(d.std.in, d.std.out, nil)
		if err != nil {
			return nil, false, err
		}
		if err := d.setStdioMode(p); err != nil {
			p.Close()
			return nil, false, err
		}
		return p, true, nil
	case !remote:
		p, err := port.Open(ctx, name, &port.Config{Mode: d.opts.mode})
		if err != nil {
			return nil, false, err
		}
		return p, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	switch scheme {
	case "tcp":
		p, err = dialTCP(ctx, rest)
	case "telnet", "rfc2217":
		p, err = d.dialTelnet(ctx, scheme, name)
	default:
		err = fmt.Errorf("%w %s: use a device, tcp://, telnet://, rfc2217:// or -", errBadPort, name)
	}
	if err != nil {
		return nil, false, err
	}
	return p, false, nil
}

func (d *dialer) setStdioMode(p *port.Serial) error {
	if d.opts.mode == (port.Mode{}) {
		return nil
	}
	return p.SetMode(d.opts.mode)
}

func dialTCP(ctx context.Context, addr string) (port.Port, error) {
	var dialer net.Dialer
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("%w tcp://%s: write it as tcp://host:port", errBadPort, addr)
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &port.OpError{Op: "open", Port: "tcp://" + addr, Err: fmt.Errorf("%w; check the address, and that the server runs", err)}
	}
	return conn, nil
}

func (d *dialer) dialTelnet(ctx context.Context, scheme, name string) (port.Port, error) {
	u, err := url.Parse(name)
	if err != nil || u.Port() == "" || u.Path != "" {
		return nil, fmt.Errorf("%w %s: write it as %s://host:port", errBadPort, name, scheme)
	}
	cfg := &rfc2217.Config{Mode: d.opts.mode}
	if scheme == "telnet" {
		cfg.Plain = rfc2217.PlainOnly
	}
	if err := remoteOptions(cfg, u.Query()); err != nil {
		return nil, err
	}
	p, err := rfc2217.Dial(ctx, u.Host, cfg)
	if err != nil {
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
			cfg.IgnoreAcks, err = yes(value)
		case "plain":
			var plain bool
			if plain, err = yes(value); plain {
				cfg.Plain = rfc2217.AllowPlain
			}
		default:
			err = errors.New("use ack, keepalive, ignoreacks or plain")
		}
		if err != nil {
			return fmt.Errorf("%w option %s: %w", errBadPort, key, err)
		}
	}
	return nil
}

// yes reads a switch, which is on when it is just named.
func yes(value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	return strconv.ParseBool(value)
}

// userTerminal is what -terminal gives the script: the standard streams, or the
// controlling terminal when those are the line.
func (d *dialer) userTerminal() (io.ReadWriteCloser, error) {
	if !d.opts.terminal {
		return nil, nil
	}
	in, out := d.std.in, d.std.out
	if d.opts.port == "-" {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("-terminal: standard input is the line, and there is no other terminal: %w", err)
		}
		defer tty.Close() // Stdio works on duplicates
		in, out = tty, tty
	}
	p, err := port.Stdio(in, out, &port.StdioConfig{Name: "terminal"})
	if errors.Is(err, errors.ErrUnsupported) {
		return plainTerminal{in, out}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-terminal: %w", err)
	}
	return p, nil
}

// plainTerminal is a terminal without deadlines.
type plainTerminal struct {
	io.Reader
	io.Writer
}

func (plainTerminal) Close() error { return nil }
