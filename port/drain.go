package port

import (
	"context"
	"os"
	"sync/atomic"
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

// untilLate runs f with a context that ends when the deadline by, in nanoseconds
// since 1970 or 0 for none, has passed, wherever it moves meanwhile. The error
// is then os.ErrDeadlineExceeded.
func untilLate(by *atomic.Int64, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	late := func() bool {
		at := by.Load()
		return at != 0 && time.Now().UnixNano() >= at
	}
	if late() {
		return os.ErrDeadlineExceeded
	}
	go func() {
		for wait.Sleep(ctx, maxQueuePoll) == nil {
			if late() {
				cancel(os.ErrDeadlineExceeded)
			}
		}
	}()
	err := f(ctx)
	if err != nil && context.Cause(ctx) == os.ErrDeadlineExceeded {
		err = os.ErrDeadlineExceeded
	}
	return err
}

// setDeadlineIn stores a deadline where untilLate reads it.
func setDeadlineIn(by *atomic.Int64, t time.Time) {
	if t.IsZero() {
		by.Store(0)
	} else {
		by.Store(t.UnixNano())
	}
}
