package port

import (
	"errors"
	"fmt"
)

// lockFile does not exist on Windows, where opening a port excludes others.
type lockFile struct{}

func takeLockFile(dir, _ string) (*lockFile, error) {
	if dir == "" {
		return nil, nil
	}
	return nil, fmt.Errorf("there are no UUCP lock files on Windows, which keeps others away by itself: leave LockDir empty: %w",
		errors.ErrUnsupported)
}

func (*lockFile) release() {}
