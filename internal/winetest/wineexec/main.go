// Wineexec runs a Windows test binary under wine, for go test -exec:
//
//	go build -o /tmp/wineexec ./internal/winetest/wineexec
//	/tmp/wineexec -make /tmp/wine
//	RASLINE_WINE=/tmp/wine GOOS=windows go test -exec /tmp/wineexec ./port/... ./ras/...
//	/tmp/wineexec -end /tmp/wine
//
// Without RASLINE_WINE it makes a prefix for the one run, which takes some ten
// seconds each time.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"

	"github.com/rasline/rasline/internal/winetest"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wineexec:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	switch {
	case len(args) == 2 && args[0] == "-make":
		if err := os.MkdirAll(args[1], 0o700); err != nil {
			return 1, err
		}
		_, err := winetest.NewPrefix(args[1])
		return exitCode(err), err
	case len(args) == 2 && args[0] == "-end":
		err := winetest.OpenPrefix(args[1]).Close()
		return exitCode(err), err
	case len(args) == 0:
		return 2, errors.New("usage: wineexec PROGRAM [ARG...], wineexec -make DIR, wineexec -end DIR")
	case os.Getenv("RASLINE_WINE") != "":
		return execute(winetest.OpenPrefix(os.Getenv("RASLINE_WINE")), args)
	}
	// A prefix for one program is removed afterwards.
	dir, err := os.MkdirTemp("", "wineexec")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	prefix, err := winetest.NewPrefix(dir)
	if err != nil {
		return 1, err
	}
	defer prefix.Close()
	return execute(prefix, args)
}

// tries is how often a program is run that fails without a word. A test that fails
// prints why; on a busy machine wine sometimes ends before it has started the program.
const tries = 3

func execute(prefix *winetest.Prefix, args []string) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for range tries {
		var printed atomic.Bool
		cmd := prefix.Command(ctx, args[0], args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, noting{os.Stdout, &printed}, noting{os.Stderr, &printed}
		err = cmd.Run()
		if errors.Is(err, exec.ErrWaitDelay) { // another program of wine's has the pipe still
			err = nil
		}
		if code = exitCode(err); code == 0 || printed.Load() || ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "wineexec: %s: %v, and no output\n", args[0], err)
	}
	if _, exited := err.(*exec.ExitError); exited {
		err = nil // the program has printed why
	}
	return code, err
}

// noting is a file that notes that something is written to it. It has no ReadFrom,
// which would write as well.
type noting struct {
	file    io.Writer
	printed *atomic.Bool
}

func (w noting) Write(b []byte) (int, error) {
	w.printed.Store(true)
	return w.file.Write(b)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		return 1
	}
	return 0
}
