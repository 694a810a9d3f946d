package script

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
)

// RunError is the failure of a running script, in any of the languages: where in
// the script, in what, and why. No secret shows in it.
//
// It matches its Code and its cause with errors.Is, so that
// errors.Is(err, ras.ErrNoCarrier) and errors.Is(err, port.ErrCarrierLost) both
// hold for a carrier that was lost. A language that has more to report embeds
// it in an error of its own, from which errors.As finds it.
type RunError struct {
	File      string   // the name that was given to the parser
	Line, Col int      // from 1; 0 if the failure has no such place
	Op        string   // what the script was doing: `waitfor "ogin:"`; may be empty
	Tail      string   // the end of what was received and not used, secrets masked
	Code      ras.Code // what a RAS host gets
	Err       error    // the cause; nil if the code is all there is
}

// Error returns "FILE:LINE: OP: CAUSE", with the end of what was received.
func (e *RunError) Error() string {
	var b strings.Builder
	b.WriteString(lint.Visible(e.File))
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Op != "" {
		b.WriteString(lint.Visible(e.Op) + ": ") // both can be a script's own text
	}
	// What a Dialog was doing is left out: Op names it in the script's terms.
	cause, tail := e.Err, e.Tail
	var dialog *Error
	if d, ok := cause.(*Error); ok {
		dialog, cause = d, d.Err
	}
	if cause == nil {
		cause = e.Code
	}
	if tail == "" && dialog != nil {
		tail = dialog.Tail
	}
	b.WriteString(cause.Error())
	if !errors.As(cause, new(*TimeoutError)) && !errors.As(cause, new(*Error)) {
		b.WriteString(received(tail)) // these have their own
	}
	return b.String()
}

// Unwrap returns the code and the cause.
func (e *RunError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Timeout reports whether a time limit passed, for net.Error.
func (e *RunError) Timeout() bool { return e.Code.Timeout() }

// IsTimeout reports whether the limit of a wait of a Dialog is what ended it. The
// limit of the whole run and the end of a context are none.
func IsTimeout(err error) bool { return errors.As(err, new(*TimeoutError)) }
