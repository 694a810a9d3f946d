package runscript

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// Script is a script that Parse has found to be correct. It does not change, and
// any number of runs may continue at the same time. It is a script.Executor itself,
// with the zero Config.
type Script struct {
	src      *lint.Source
	lines    []line
	labels   map[string]int // the line after each
	warnings []lint.Finding
	login    place // of the first $(LOGIN), if there is one
	pass     place // of the first $(PASS), if there is one
}

// place is a line and a column, from 1; the zero place is none.
type place struct{ line, col int }

// DefaultTimeout is the limit of a script that sets none.
const DefaultTimeout = 120 * time.Second

// Config holds the settings of a run. The zero Config and a nil one work.
type Config struct {
	// Timeout limits the whole script until its own timeout. Default, and for
	// 0: DefaultTimeout. Negative: no limit.
	Timeout time.Duration

	// Env gives the values for $(NAME), other than LOGIN and PASS. Default: no
	// name has a value.
	Env func(name string) (value string, ok bool)

	// Terminal receives what print shows and, while verbose is on, what the
	// script receives, with secrets masked. A write to it that fails does not
	// end the script. Default: the call's Terminal, and if there is none, none.
	Terminal io.Writer

	// SendPause is a pause before each send. The program makes one of 0.2
	// seconds. Default, and for 0 or less: none.
	SendPause time.Duration

	// FreshWait makes a pattern begin in what its own expect receives. Default:
	// it may begin in what an earlier one has consumed since the last send, as
	// in the program.
	FreshWait bool

	// Shell runs the commands of ! and !<, whose standard output is sent to the
	// line, and returns their status. Default: such a command fails the script.
	Shell func(ctx context.Context, command string, stdout io.Writer) (status int, err error)

	// Open returns the script that call names. Default: call fails the script.
	Open func(name string) ([]byte, error)

	// LogFile receives the lines of log. Default: they are dropped.
	LogFile io.Writer

	// MaxSteps is how many commands may run between two that wait. Default, and
	// for 0: 1,000,000. Negative: no limit.
	MaxSteps int

	// Log receives debug records of the dialog, with secrets masked. Default:
	// no log.
	Log *slog.Logger
}

// Warnings returns what Parse found that is allowed and yet doubtful, in the
// order of the places.
func (s *Script) Warnings() []lint.Finding { return slices.Clone(s.warnings) }

// Executor returns an executor that runs the script with settings of its own; a
// nil cfg means the zero Config. It behaves as Execute does.
func (s *Script) Executor(cfg *Config) script.Executor {
	e := &executor{Script: s}
	if cfg != nil {
		e.cfg = *cfg
	}
	e.cfg.Timeout = max(0, cmp.Or(e.cfg.Timeout, DefaultTimeout))
	e.cfg.MaxSteps = cmp.Or(e.cfg.MaxSteps, 1_000_000)
	if e.cfg.Env == nil {
		e.cfg.Env = func(string) (string, bool) { return "", false }
	}
	return e
}

// executor is a Script with settings.
type executor struct {
	*Script
	cfg Config // complete
}

// Execute runs the script on the call. The error is a *script.RunError, which an
// exit with a value embeds in an *ExitError.
func (s *Script) Execute(ctx context.Context, call *ras.Call) error {
	return s.Executor(nil).Execute(ctx, call)
}

// Check returns a *script.RunError for a script that uses $(LOGIN) or $(PASS)
// without a value for it: an empty name locks accounts.
func (s *Script) Check(p *ras.DialParams) error {
	for _, use := range []struct {
		at          place
		name, field string
	}{{s.login, "LOGIN", "UserName"}, {s.pass, "PASS", "Password"}} {
		if use.at == (place{}) {
			continue
		}
		if err := script.CheckParam(p, use.field); err != nil {
			return &script.RunError{File: s.src.Name(), Line: use.at.line, Col: use.at.col,
				Op: "the script uses $(" + use.name + ")", Code: ras.ErrInvalidParameter, Err: err}
		}
	}
	return nil
}

// Check is that of the Script, and also reports a ! or a call that the settings do
// not allow, if the script reaches it whatever is received. One that depends on
// that may never run, and fails where it does.
func (e *executor) Check(p *ras.DialParams) error {
	if err := e.Script.Check(p); err != nil {
		return err
	}
	for i := range e.lines {
		c := &e.lines[i].cmd
		if err := e.off(c); err != nil {
			return &script.RunError{File: e.src.Name(), Line: c.place.line, Col: c.place.col, Op: c.operation(), Code: ras.ErrNotSupported, Err: err}
		}
		if c.verb == "goto" || c.verb == "gosub" || c.verb == "exit" || c.verb == "if" ||
			slices.ContainsFunc(c.arms, func(a arm) bool { return a.cmd != nil }) {
			return nil
		}
	}
	return nil
}

// off returns why the settings do not allow a command, or nil.
func (e *executor) off(c *command) error {
	switch {
	case c.verb == "!" && e.cfg.Shell == nil:
		return fmt.Errorf("commands of the shell are off: %w", errors.ErrUnsupported)
	case c.verb == "call" && e.cfg.Open == nil:
		return fmt.Errorf("calls of other scripts are off: %w", errors.ErrUnsupported)
	}
	return nil
}

// ExitError is the failure of a script that ended with exit and a value other
// than 0.
type ExitError struct {
	script.RunError

	Status int // the value
}

// Unwrap returns the RunError.
func (e *ExitError) Unwrap() error { return &e.RunError }

// TimeoutError is the cause of a failure by a limit of the script: that of an
// expect, or that of the whole script. It matches ras.ErrRequestTimeout and
// os.ErrDeadlineExceeded.
type TimeoutError struct {
	Script bool          // the limit of the whole script passed
	Limit  time.Duration // the limit
}

// Error names the limit.
func (e *TimeoutError) Error() string {
	if e.Script {
		return fmt.Sprintf("the script's limit of %v has passed: set another with timeout", e.Limit)
	}
	return fmt.Sprintf("nothing that is expected was received within %v", e.Limit)
}

// Unwrap returns the errors that it matches.
func (e *TimeoutError) Unwrap() []error {
	return []error{ras.ErrRequestTimeout, os.ErrDeadlineExceeded}
}

// Timeout returns true; net.Error asks for it.
func (e *TimeoutError) Timeout() bool { return true }
