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
	"os"
	"os/exec"
	"os/signal"

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

func execute(prefix *winetest.Prefix, args []string) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := prefix.Command(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return exitCode(err), err
}

func exitCode(err error) int {
	if err != nil {
		return 1
	}
	return 0
}
