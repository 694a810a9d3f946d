//go:build !linux && !darwin && !freebsd && !openbsd && !windows

package console

import (
	"errors"
	"os"
)

// oneKeyAtATime is not supported.
func oneKeyAtATime(*os.File, bool) (restore func(), err error) { return nil, errors.ErrUnsupported }

// columns returns 0: the width of a terminal is not known here.
func columns(*os.File) int { return 0 }
