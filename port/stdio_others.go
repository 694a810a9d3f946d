//go:build !linux

package port

import (
	"errors"
	"fmt"
	"os"
)

func adopt(_, _ *os.File, _ *StdioConfig) (device, error) {
	return nil, fmt.Errorf("open files can be made a port on Linux only: name the device instead: %w", errors.ErrUnsupported)
}
