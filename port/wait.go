package port

import (
	"context"
	"time"
)

// linePoll is the pause between two looks at lines whose changes no driver
// reports.
const linePoll = 20 * time.Millisecond

// lineState is what can be known about the lines at one moment.
type lineState struct {
	lines  Lines
	counts [6]uint32 // changes of each line so far, where a driver counts them
}

// differs reports whether a line of mask has changed, even if it changed back.
func (s *lineState) differs(from *lineState, mask Lines) bool {
	if (s.lines^from.lines)&mask != 0 {
		return true
	}
	for i := range s.counts {
		if mask&(1<<i) != 0 && s.counts[i] != from.counts[i] {
			return true
		}
	}
	return false
}

// waitLines looks at the lines at every wake-up and at every pause until one of
// mask has changed from what it was before. A nil wake is never ready.
func waitLines(ctx context.Context, mask Lines, before lineState, state func() (lineState, error),
	wake <-chan struct{}, pause func() time.Duration) (Lines, error) {

	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		now, err := state()
		if err != nil || now.differs(&before, mask) {
			return now.lines, err
		}
		select {
		case <-ctx.Done():
			return now.lines, ctx.Err()
		case <-wake:
		case <-timer.C:
			timer.Reset(pause())
		}
	}
}
