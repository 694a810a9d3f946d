package port

import (
	"context"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// The shortest and the longest pause between two polls of an output queue.
const (
	minQueuePoll = time.Millisecond
	maxQueuePoll = 20 * time.Millisecond
)

// drainQueue polls a queue until left reports it empty. perByte is the time that
// a byte takes on the line, or 0 if that is not known.
func drainQueue(ctx context.Context, left func() (int, error), perByte time.Duration) error {
	for {
		n, err := left()
		if err != nil || n == 0 {
			return err
		}
		pause := min(max(time.Duration(n)*perByte, minQueuePoll), maxQueuePoll)
		if err := wait.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}
