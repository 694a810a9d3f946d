//go:build !linux

package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

func adopt(_, _ *os.File, _ *StdioConfig) (systemPort, error) {
	return nil, fmt.Errorf("Stdio is supported only on Linux: open the device by its name: %w", errors.ErrUnsupported)
}

// watchDevices asks for a new list every second, until ctx ends.
func watchDevices(ctx context.Context) (<-chan struct{}, error) {
	wake := make(chan struct{})
	go func() {
		defer close(wake)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			select {
			case wake <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return wake, nil
}
