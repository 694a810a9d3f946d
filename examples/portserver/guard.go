package main

import (
	"log/slog"
	"net"
	"net/netip"
)

// guarded is a listener that closes the connections of strangers without a
// word.
type guarded struct {
	net.Listener
	allow networks
	log   *slog.Logger
}

// Accept returns the next connection from an allowed network.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && g.allow.contains(from.Addr()) {
			return c, nil
		}
		g.log.Info("client turned away: its address is not allowed", "client", c.RemoteAddr().String())
		c.Close()
	}
}
