package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/rfc2217"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitNotOpen = 3
)

func main() {
	// The first signal ends the program cleanly, a second one immediately.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it serves until ctx ends and returns the exit status. The
// first line on stdout has the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return exitUsage
	}
	fail := func(status int, err error) int {
		fmt.Fprintf(stderr, "portserver: %v\n", err)
		return status
	}
	secure, err := opts.tls()
	if err != nil {
		return fail(exitUsage, err)
	}
	p, err := port.Open(ctx, opts.port, &port.Config{Mode: opts.mode})
	if err != nil {
		return fail(exitNotOpen, err)
	}
	shared := &shared{name: opts.port, mode: opts.mode, port: p}
	defer func() { shared.port.Close() }() // the one that is open then
	l, err := opts.open()
	if err != nil {
		return fail(exitFailed, err)
	}
	announce(stdout, stderr, opts, l.Addr())
	if err := serve(ctx, opts, shared, l, secure, stderr); err != nil {
		return fail(exitFailed, err)
	}
	return exitOK
}

// shared is the port that is open now.
type shared struct {
	name string
	mode port.Mode
	port *port.Serial
}

// reopen opens the device again. Only the server calls it, one call at a time.
func (s *shared) reopen(ctx context.Context, old port.Port) (port.Port, error) {
	old.Close()
	p, err := port.Open(ctx, s.name, &port.Config{Mode: s.mode})
	if err != nil {
		return nil, err
	}
	s.port = p
	return p, nil
}

// announce prints the address of the port, and a warning if hosts other than
// this one can reach it.
func announce(stdout, stderr io.Writer, opts *options, addr net.Addr) {
	fmt.Fprintf(stdout, "portserver: %s is at %v\n", opts.port, addr)
	if opts.local {
		return
	}
	who := "everybody there"
	switch {
	case opts.clientCA != "":
		who = "everybody there with a certificate of " + opts.clientCA
	case opts.cert == "":
		who = "everybody there, unencrypted"
	}
	if len(opts.allow) > 0 {
		who += fmt.Sprintf(" whose address is in %v", opts.allow)
	}
	fmt.Fprintf(stderr, "portserver: warning: %v can be reached from other hosts; %s has the port\n", addr, who)
}

// serve shares the port on l until ctx ends.
func serve(ctx context.Context, opts *options, shared *shared, l net.Listener, secure *tls.Config, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	s := &rfc2217.Server{
		Port:             shared.port,
		Mode:             opts.mode,
		KeepLines:        opts.keepLines,
		KeepState:        opts.keepState,
		Raw:              opts.raw,
		Authorize:        opts.authorize,
		Reopen:           shared.reopen,
		HandshakeTimeout: opts.handshake,
		IdleTimeout:      opts.idle,
		DrainTimeout:     opts.drain,
		Log:              log,
	}
	unhook := context.AfterFunc(ctx, func() { s.Close() })
	defer unhook()
	err := s.Serve(l)
	s.Close()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
