//go:build !linux

package pty

import (
	"errors"
	"fmt"
)

func (*Pair) open() error {
	return fmt.Errorf("pairs are made on Linux only: use package virtual, which needs no kernel: %w", errors.ErrUnsupported)
}

const noControllingTerminal = 0 // no pair is made
