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

// Notifier wakes every caller that waits for a change of some state. The zero
// Notifier is ready for use. The lock that guards the state guards the Notifier
// too: a caller that checks the state and takes the channel of Changed under
// one hold of the lock misses no change.
//
// While no caller waits, Notify allocates nothing.
type Notifier struct {
	changed chan struct{} // nil while no caller waits
}

// Changed returns a channel that the next Notify closes.
func (n *Notifier) Changed() <-chan struct{} {
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

// Notify wakes all callers that wait on the channel of Changed.
func (n *Notifier) Notify() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// Edges counts the changes of up to eight lines, one counter a line. The counts
// show a pulse that the level of the line does not show any more.
type Edges [8]uint32

// Count adds one change of every line of mask, in which line i is bit 1<<i.
func (e *Edges) Count(mask uint8) {
	for i := range e {
		if mask&(1<<i) != 0 {
			e[i]++
		}
	}
}

// Since reports whether a line of mask has changed since e was before.
func (e *Edges) Since(before *Edges, mask uint8) bool {
	for i := range e {
		if mask&(1<<i) != 0 && e[i] != before[i] {
			return true
		}
	}
	return false
}
