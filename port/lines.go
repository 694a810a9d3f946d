package port

import (
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// Lines is a set of modem lines, seen from the DTE: DTR and RTS are its
// outputs, the others its inputs (V.24 circuits 108/2, 105, 106, 107, 109 and
// 125).
type Lines uint8

// The modem lines.
const (
	DTR Lines = 1 << iota // data terminal ready
	RTS                   // request to send
	CTS                   // clear to send
	DSR                   // data set ready
	DCD                   // data carrier detect
	RI                    // ring indicator
)

// Outputs and Inputs divide the lines by who drives them.
const (
	Outputs = DTR | RTS
	Inputs  = CTS | DSR | DCD | RI
)

var lineNames = [...]string{"DTR", "RTS", "CTS", "DSR", "DCD", "RI"}

// Has reports whether all lines of mask are in l.
func (l Lines) Has(mask Lines) bool { return l&mask == mask }

// With returns l with the lines of mask taken from values.
func (l Lines) With(mask, values Lines) Lines { return l&^mask | values&mask }

// String names the lines in l, joined by "|"; the empty set is "none".
func (l Lines) String() string {
	var names []string
	for i, name := range lineNames {
		if l&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "|")
}

// linePoll is the pause between two polls of lines whose changes the driver does
// not report.
const linePoll = 20 * time.Millisecond

// lineState is what can be known about the lines at one moment.
type lineState struct {
	lines  Lines
	counts wait.Edges // where a driver counts them
}

// differs reports whether a line of mask has changed, even if it changed back.
func (s *lineState) differs(from *lineState, mask Lines) bool {
	return (s.lines^from.lines)&mask != 0 || s.counts.Since(&from.counts, uint8(mask))
}

// waitLines polls the lines at every wake-up and at every pause until one of
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
