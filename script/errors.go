package script

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
)

// TimeoutError is the error of a wait whose limit passed before one of its patterns
// arrived.
// It matches ras.ErrRequestTimeout and os.ErrDeadlineExceeded.
type TimeoutError struct {
	Want    []string      // the awaited patterns as messages show them
	Tail    string        // the end of what arrived meanwhile, secrets masked
	Elapsed time.Duration // since the start of the wait
	Limit   time.Duration // the limit that passed
	Idle    bool          // whether it was the limit for silence, not the total
	Damaged uint64        // Line.Errors()
	Line    port.Stats    // what the port has counted since it was opened, if it counts
}

// Error names what was awaited, for how long, and what arrived.
func (e *TimeoutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", waiting(e.Want))
	if e.Idle {
		fmt.Fprintf(&b, "no data for %v", e.Limit)
	} else {
		fmt.Fprintf(&b, "timed out after %v", e.Elapsed.Round(time.Millisecond))
	}
	if e.Tail == "" {
		b.WriteString("; nothing was received")
	}
	b.WriteString(received(e.Tail))
	b.WriteString(damage(e.Line))
	return b.String()
}

// Unwrap returns the errors that it matches.
func (e *TimeoutError) Unwrap() []error {
	return []error{ras.ErrRequestTimeout, os.ErrDeadlineExceeded}
}

// Timeout returns true, for net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Error is the error of a Dialog and of Run, other than a timeout.
type Error struct {
	Op   string     // what the script was doing: `wait for "ogin:"`, "send", "script"
	Tail string     // the end of what was received in the wait, secrets masked
	Line port.Stats // what the port had counted when a wait failed, if it counts
	Err  error      // the cause; a ras.Code is among what it wraps, or ras.CodeOf finds one
}

// Error returns "OP: CAUSE", with the end of what was received.
func (e *Error) Error() string {
	return e.Op + ": " + e.Err.Error() + received(e.Tail) + damage(e.Line)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// MatchTooLongError means that a wait found a match whose text is longer than
// DialogConfig.MaxBefore. Everything up to its end has been consumed.
type MatchTooLongError struct {
	MaxBefore int
}

// Error names the limit.
func (e *MatchTooLongError) Error() string {
	return fmt.Sprintf("the match is longer than %d bytes: set DialogConfig.MaxBefore, or use ReadUntil and a pattern for the end alone", e.MaxBefore)
}

// damage returns what a message adds about errors that the port has counted.
func damage(s port.Stats) string {
	var counts []string
	for _, c := range []struct {
		n    uint64
		what string
	}{{s.Framing, "framing"}, {s.Parity, "parity"}, {s.Overrun, "overrun"}, {s.Buffer, "buffer"}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(counts) == 0 {
		return ""
	}
	return fmt.Sprintf("; the port has counted %s errors: check speed, parity and flow control", strings.Join(counts, ", "))
}

func waiting(want []string) string {
	if len(want) == 0 {
		return "listen"
	}
	return "wait for " + strings.Join(want, " or ")
}

const shownTail = 200 // bytes of a tail that an error's text shows

func received(tail string) string {
	if tail == "" {
		return ""
	}
	if n := len(tail); n > shownTail {
		tail = tail[n-shownTail:]
	}
	return fmt.Sprintf("; received last: %q", tail)
}

// The types of package lint, in which the parsers of this module report what
// they find.
type (
	Finding    = lint.Finding
	Severity   = lint.Severity
	ParseError = lint.ParseError
)

// The severities of package lint.
const (
	SeverityError   = lint.SeverityError
	SeverityWarning = lint.SeverityWarning
)
