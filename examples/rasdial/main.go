package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rasline/rasline/examples/internal/console"
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
	exitUsage   = 2
	exitNotOpen = 3
)

// run is the program: it returns the exit status.
func run(ctx context.Context, args []string, std streams) int {
	var text bytes.Buffer
	opts, err := parseOptions(args, &text)
	switch {
	case errors.Is(err, flag.ErrHelp):
		text.WriteTo(std.err)
		return exitOK
	case err != nil:
		refuse(std.err, args, exitUsage, text.String())
		return exitUsage
	case opts.document != "":
		err = opts.program.Write(std.out, opts.document)
	case opts.listPorts:
		var ports []port.Info
		if ports, err = port.List(ctx); err == nil && len(ports) == 0 {
			refuse(std.err, args, exitOK, "rasdial: this machine has no serial ports\n")
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
		opts.program.Refuse(&text, err)
		refuse(std.err, args, exitFailed, text.String())
		return exitFailed
	}
	return exitOK
}

// refuse shows why there is nothing to dial: text, or with -log json a record of each
// of its lines. The flags may not have been read as far as -log.
func refuse(w io.Writer, args []string, status int, text string) {
	json := false
	for i, arg := range args {
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		json = json || strings.HasPrefix(arg, "-") && name == "log" && value == "json"
	}
	if !json {
		io.WriteString(w, text)
		return
	}
	log := slog.New(slog.NewJSONHandler(w, nil))
	for line := range strings.Lines(text) {
		log.Error("rasdial", "status", status, "error", strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "rasdial: "))
	}
}
