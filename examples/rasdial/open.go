package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
)

// openPort opens what -port names. The port is exact if nobody replays what was
// read from it and not used.
func (d *dialer) openPort(ctx context.Context) (p port.Port, exact bool, err error) {
	switch d.opts.port {
	case "":
		return d.openDemo(ctx), false, nil
	case "-":
		p, err := port.Stdio(d.std.in, d.std.out, nil)
		if err != nil {
			return nil, false, err
		}
		if err := p.SetMode(d.opts.mode); err != nil && d.opts.mode != (port.Mode{}) {
			p.Close()
			return nil, false, err
		}
		return p, true, nil
	}
	p, err = portname.Open(ctx, d.opts.port, &portname.Config{Port: &port.Config{Mode: d.opts.mode}})
	return p, false, err
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
