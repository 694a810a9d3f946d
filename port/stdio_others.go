//go:build !linux

package port

import (
	"errors"
	"fmt"
	"os"
)

func adopt(_, _ *os.File, _ *StdioConfig) (systemPort, error) {
	return nil, fmt.Errorf("Stdio is supported only on Linux: open the device by its name: %w", errors.ErrUnsupported)
}
