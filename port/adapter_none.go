//go:build !linux && !windows && !darwin && !freebsd && !openbsd

package port

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// openAdapter fails: go.bug.st/serial does not compile for this system.
func openAdapter(context.Context, string, *Config) (systemPort, error) {
	return nil, fmt.Errorf("serial devices are not supported on %s: use a port of another host (package rfc2217): %w",
		runtime.GOOS, errors.ErrUnsupported)
}
