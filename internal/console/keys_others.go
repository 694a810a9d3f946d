//go:build !linux && !darwin && !freebsd && !openbsd && !windows

package console

import (
	"errors"
	"os"
)

// oneKeyAtATime is not supported.
func oneKeyAtATime(*os.File, bool) (restore func(), err error) { return nil, errors.ErrUnsupported }
