package chat

import (
	"context"
	"fmt"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// The exit statuses of chat(8).
const (
	// ExitFault is the status of a send that failed or took too long, and of
	// an @file that cannot be read.
	ExitFault = 1

	// ExitSignal is the status of a script that was ended from outside: the
	// context ended or the line was hung up.
	ExitSignal = 2

	// ExitTimeout is the status when an awaited text did not arrive in time.
	ExitTimeout = 3

	// ExitAbort is the status for the first string of the abort list; the
	// next ones count up from here.
	ExitAbort = 4
)

// ExitError is the error of a script that failed: a script.RunError with the exit
// status of chat(8). Its Op is what happened. Without a file, its Line is the
// number of the argument.
type ExitError struct {
	script.RunError

	Status int    // the exit status of chat(8)
	Abort  string // the abort string that was found, for a Status of 4 and up
}

// Error returns place, text, cause and exit status.
func (e *ExitError) Error() string {
	cause := ""
	if e.Err != nil {
		cause = ": " + e.Err.Error()
	}
	place := lint.Finding{File: e.File, Line: e.Line, Col: e.Col}.Place()
	return fmt.Sprintf("chat: %s: %s%s (exit status %d)", place, e.Op, cause, e.Status)
}

// Unwrap returns the RunError.
func (e *ExitError) Unwrap() error { return &e.RunError }

// verdict is a text by which modems and servers report why a call failed, in upper
// case, and what it means.
type verdict struct {
	text string
	code ras.Code
}

var verdicts = []verdict{
	{"BUSY", ras.ErrLineBusy},
	{"NO CARRIER", ras.ErrNoCarrier},
	{"NO ANSWER", ras.ErrNoAnswer},
	{"NO DIAL", ras.ErrNoDialtone},
	{"VOICE", ras.ErrVoiceAnswer},
	{"INCORRECT", ras.ErrAuthenticationFailure},
	{"INVALID", ras.ErrAuthenticationFailure},
	{"DENIED", ras.ErrAuthenticationFailure},
	{"FAILED", ras.ErrAuthenticationFailure},
	{"BAD LOGIN", ras.ErrAuthenticationFailure},
	{"BAD PASSWORD", ras.ErrAuthenticationFailure},
	{"DISCONNECT", ras.ErrRemoteDisconnection},
	{"HANGUP", ras.ErrRemoteDisconnection},
}

// ended returns the cause for which the run was ended from outside, or nil.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
