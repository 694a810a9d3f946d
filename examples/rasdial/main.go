package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"

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
	exitUsage   = 2
	exitNotOpen = 3
)

// run is the program: it returns the exit status.
func run(ctx context.Context, args []string, std streams) int {
	opts, err := parseOptions(args, std.err)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitUsage
	}
	if opts.document != "" {
		return opts.writeDocument(std)
	}
	if opts.listPorts {
		return listPorts(ctx, std)
	}
	d := newDialer(opts, std)
	defer d.screen.Close()
	return d.run(ctx)
}
