//go:build !windows || !cgo

package dllexport

import (
	"errors"
	"fmt"
	"runtime"
)

func supported() error {
	if runtime.GOOS == "windows" {
		return fmt.Errorf("dllexport: a DLL needs cgo: build with CGO_ENABLED=1 and -buildmode=c-shared: %w", errors.ErrUnsupported)
	}
	return fmt.Errorf("dllexport: custom-scripting DLLs exist on Windows and not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func modulePath() string { return "" }
