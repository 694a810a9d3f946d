//go:build unix && !solaris && !illumos && !aix

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockStore locks the store for this process until the file is closed.
func lockStore(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another server uses this store: %w", path, err)
	}
	return f, nil
}
