//go:build !windows

package dll

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/rasline/rasline/ras"
)

func supported() error {
	return fmt.Errorf("custom-scripting DLLs run on Windows and not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (d *DLL) startChild() (process, error) { return nil, loadError(ras.ErrNotSupported, supported()) }

func systemText(ras.Code) error { return nil }

func childMain() {}
