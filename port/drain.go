package port

import (
	"context"
	"time"
)

// The shortest and the longest pause between two looks at an output queue.
const (
	minQueueLook = time.Millisecond
	maxQueueLook = 20 * time.Millisecond
)

// drainQueue looks at a queue until left reports it empty. perByte is the time
// that a byte takes on the line, or 0 if nobody knows.
func drainQueue(ctx context.Context, left func() (int, error), perByte time.Duration) error {
	for {
		n, err := left()
		if err != nil || n == 0 {
			return err
		}
		wait := min(max(time.Duration(n)*perByte, minQueueLook), maxQueueLook)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// sleep waits for d, or less if ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
