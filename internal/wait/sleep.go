package wait

import (
	"context"
	"time"
)

// Sleep returns nil after d, or the cause for which ctx ended if that is
// earlier. A d of 0 or less does not block, and then a context that has ended
// still counts.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
