package main

import (
	"context"

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
