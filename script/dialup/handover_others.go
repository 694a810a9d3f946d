//go:build !unix

package dialup

import (
	"errors"
	"os"
)

const noControllingTerminal = 0

func hangUpProcess(*os.Process) error { return errors.ErrUnsupported }
