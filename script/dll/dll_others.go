//go:build !windows

package dll

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func supported() error {
	return fmt.Errorf("custom-scripting DLLs run on Windows and not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// library is a DLL that this process has loaded, of which there are none here.
type library struct{}

func (*library) unload() error { return nil }

func (d *DLL) runHere(context.Context, *job, *line) (*result, error) { return nil, supported() }

func (d *DLL) runIsolated(context.Context, *job, *line) (*result, error) { return nil, supported() }

func childMain() {}
