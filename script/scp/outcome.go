package scp

import (
	"errors"
	"fmt"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Outcome is how a script ended.
type Outcome uint8

// The outcomes. A host starts PPP after Completed and at no other.
const (
	Completed Outcome = iota // the end of main was reached, or the user went on after a halt
	Halted                   // halt, and no user to continue
	Failed                   // a run-time error, a lost line, a limit, a cancel
	Rejected                 // the script has mistakes; nothing was sent
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	if int(o) >= len(outcomes) {
		return "unknown"
	}
	return outcomes[o]
}

var outcomes = [...]string{"completed", "halted", "failed", "rejected"}

// OutcomeOf returns the outcome that an error of Parse or of a run stands for;
// nil is Completed.
func OutcomeOf(err error) Outcome {
	var rejected *ParseError
	switch {
	case err == nil:
		return Completed
	case errors.Is(err, ErrHalted):
		return Halted
	case errors.As(err, &rejected):
		return Rejected
	}
	return Failed
}

// ErrHalted says that a script came to a halt command and that no user
// continued. It matches ras.ErrInteractiveMode.
var ErrHalted error = &fault{"the script halted and there is no user to continue", ras.ErrInteractiveMode}

// ErrLimit says that a script went beyond one of the limits of its Program. It
// matches ras.ErrScriptSyntax.
var ErrLimit error = &fault{"limit of the script exceeded", ras.ErrScriptSyntax}

// fault is what went wrong in the script itself.
type fault struct {
	text string
	code ras.Code
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.code }

// wrong returns a fault of the script's own making.
func wrong(format string, args ...any) error {
	return &fault{fmt.Sprintf(format, args...), ras.ErrScriptSyntax}
}

// overLimit returns an error that matches ErrLimit.
func overLimit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}

// Error is a failure of a running script.
type Error struct {
	File      string // the name that was given to Parse
	Line, Col int    // of the command or the operator, from 1
	Command   string // what it was doing: `waitfor "ogin:"`; may be empty
	Err       error  // the cause; ras.CodeOf tells its code
}

// Error returns "FILE:LINE: COMMAND: CAUSE".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.Command != "" {
		s += e.Command + ": "
	}
	return s + causeText(e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// causeText is the text of err without what a dialog says about its operation,
// since the command says that better.
func causeText(err error) string {
	d, ok := err.(*script.Error)
	if !ok {
		return err.Error()
	}
	if d.Tail == "" {
		return d.Err.Error()
	}
	const shown = 200
	return fmt.Sprintf("%v; received last: %q", d.Err, d.Tail[max(0, len(d.Tail)-shown):])
}
