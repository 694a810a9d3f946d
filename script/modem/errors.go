package modem

import (
	"errors"
	"fmt"

	"github.com/rasline/rasline/ras"
)

// CommandError reports that a command failed.
type CommandError struct {
	Command string   // the command line with AT, secrets masked
	Lines   []string // what was received before the result, secrets masked
	Err     error    // why: an *OutcomeError, a *script.TimeoutError, the line's error
}

// Error returns "COMMAND: CAUSE".
func (e *CommandError) Error() string { return e.Command + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// OutcomeError reports that the modem gave another result than the hoped-for one.
// It matches the outcome's RAS code.
type OutcomeError struct {
	Result Result
}

// Error returns the modem's text and what it means.
func (e *OutcomeError) Error() string {
	text := e.Result.Text
	if text == "" {
		text = e.Result.Outcome.String()
	}
	return fmt.Sprintf("%s: %s", text, e.Result.Outcome.Explain())
}

// Unwrap returns the RAS code and, for the error of a cellular module, the
// *CMEError.
func (e *OutcomeError) Unwrap() []error {
	if cme := cmeError(e.Result.Text); cme != nil {
		return []error{e.Result.Outcome.Code(), cme}
	}
	return []error{e.Result.Outcome.Code()}
}

// OutcomeOf returns the outcome that err represents, or Unknown if it is not a
// modem's result; TimedOut represents any timeout.
func OutcomeOf(err error) Outcome {
	var o *OutcomeError
	switch {
	case errors.As(err, &o):
		return o.Result.Outcome
	case errors.Is(err, ras.ErrRequestTimeout):
		return TimedOut
	}
	return Unknown
}

// commandError wraps the failure of a command line.
func (m *Modem) commandError(body string, lines []string, err error) error {
	masked := make([]string, len(lines))
	for i, l := range lines {
		masked[i] = m.mask(l)
	}
	return &CommandError{Command: m.shown(body), Lines: masked, Err: err}
}

// shown is a command line as errors show it.
func (m *Modem) shown(body string) string { return m.mask("AT" + body) }

func (m *Modem) mask(s string) string { return string(m.dialog.Call().Mask([]byte(s))) }
