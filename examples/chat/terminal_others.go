//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
)

// terminal is a terminal whose settings were changed.
type terminal struct{}

func getTerminal(*os.File) (*terminal, error) {
	return nil, fmt.Errorf("this program runs on Linux alone: %w", errors.ErrUnsupported)
}

func (*terminal) makeRaw() error { return errors.ErrUnsupported }
func (*terminal) restore() error { return errors.ErrUnsupported }
