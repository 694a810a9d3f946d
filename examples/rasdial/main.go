package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/rasline/rasline/examples/internal/console"
	"github.com/rasline/rasline/internal/flagdoc"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/dll"
)

func main() {
	dll.Main() // plays the child process in which a DLL runs, on Windows

	// The first signal ends the run cleanly, a second one the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// streams are what the program reads and writes.
type streams struct {
	in, out, err *os.File
}

// The exit statuses.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = flagdoc.Misuse
	exitNotOpen = 3
)

// run is the program: it returns the exit status.
func run(ctx context.Context, args []string, std streams) int {
	opts, err := parseOptions(args, std.err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case opts.document != "":
		err = opts.program.Write(std.out, opts.document)
	case opts.listPorts:
		var ports []port.Info
		if ports, err = port.List(ctx); err == nil && len(ports) == 0 {
			opts.program.Refuse(std.err, exitOK, errors.New("this machine has no serial ports"))
		}
		if err == nil {
			err = console.Ports(std.out, ports)
		}
	default:
		d := newDialer(opts, std)
		defer d.screen.Close()
		return d.run(ctx)
	}
	if err != nil {
		opts.program.Refuse(std.err, exitFailed, err)
		return exitFailed
	}
	return exitOK
}
