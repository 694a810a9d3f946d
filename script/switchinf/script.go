package switchinf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Config holds what a script's run may be given besides the call. The zero
// Config and a nil one work. The times are bounds of the language that its
// documentation leaves open.
type Config struct {
	// EmptyPause is how long COMMAND= without a text waits. Default, and for 0:
	// 2 seconds. Negative: it does not wait.
	EmptyPause time.Duration

	// SendPause is the pause after a command that does not end in <cr>, for
	// the device to digest it. Default, and for 0: 500 milliseconds.
	// Negative: none.
	SendPause time.Duration

	// Quiet is how long the line must be silent before a response counts as
	// complete, which lines that end in <ignore> or <diagnostics> ask for.
	// Default, and for 0: 1 second. Negative: a response is complete when
	// nothing more has been received.
	Quiet time.Duration

	// Timeout bounds the wait of one step for a response that fits; all that
	// LOOP= drops counts against it. Default, and for 0: 60 seconds. Negative:
	// no limit.
	Timeout time.Duration

	// X25Address, UserData and Facilities are the fields of a PAD's dialogue
	// and replace <x25address>, <userdata> and <facilities>. Default: the
	// call's phone number, and nothing.
	X25Address, UserData, Facilities string

	// DeviceLog gets the dialogue in the form of DEVICE.LOG. Default: no log.
	DeviceLog *DeviceLog

	// PortName is the port's name in DeviceLog. Default: the number of the
	// call's port handle.
	PortName string

	// Log gets debug records of what is sent and received, with secrets
	// masked. Default: no log.
	Log *slog.Logger
}

// Script returns the script of a section, whose name is compared without case.
// The error is an *Error; nothing has been sent. The executor may run any number
// of times, also several at a time; its failures are *Errors.
func (f *File) Script(section string) (script.Executor, error) {
	return f.Executor(section, nil)
}

// Executor is Script with settings; a nil cfg means the zero Config.
func (f *File) Executor(section string, cfg *Config) (script.Executor, error) {
	s := f.find(section)
	if s == nil {
		var names []string
		for _, s := range f.Sections() {
			if len(names) == shownChoices {
				names = append(names, "…")
				break
			}
			names = append(names, fmt.Sprintf("%q", s.Name))
		}
		choices := cmp.Or(strings.Join(names, ", "), "none")
		err := fmt.Errorf("there is no such section: the file has %s", choices)
		return nil, f.rejected(section, 0, ras.ErrDevicenameNotFound, err)
	}
	switch {
	case s.Kind >= KindModem:
		err := fmt.Errorf("sections of MODEM.INF are not run, dial with a modem script: %w", errors.ErrUnsupported)
		return nil, f.rejected(s.Name, s.Line, ras.ErrNotSupported, err)
	case s.errors > 0:
		err := fmt.Errorf("errors in the section, %d in all: fix them first", s.errors)
		return nil, f.rejected(s.Name, s.Line, ras.ErrScriptSyntax, err)
	case len(s.steps) == 0:
		err := errors.New("the section has no COMMAND=")
		return nil, f.rejected(s.Name, s.Line, ras.ErrNoCommandFound, err)
	}
	e := &executor{file: f, section: s}
	if cfg != nil {
		e.cfg = *cfg
	}
	// 0 is no pause from here on, and 0 of Timeout no limit.
	e.cfg.EmptyPause = max(0, cmp.Or(e.cfg.EmptyPause, 2*time.Second))
	e.cfg.SendPause = max(0, cmp.Or(e.cfg.SendPause, 500*time.Millisecond))
	e.cfg.Quiet = max(time.Millisecond, cmp.Or(e.cfg.Quiet, time.Second))
	e.cfg.Timeout = max(0, cmp.Or(e.cfg.Timeout, time.Minute))
	return e, nil
}

const shownChoices = 10

func (f *File) rejected(section string, line int, code ras.Code, err error) *Error {
	return f.failure(section, line, code, err, "")
}

// executor is a section that can be run. It does not change.
type executor struct {
	file    *File
	section *section
	cfg     Config // with its defaults
}

// Execute runs the section.
func (e *executor) Execute(ctx context.Context, call *ras.Call) error {
	if err := e.Check(call.Params); err != nil {
		return err
	}
	d := script.NewDialog(call, &script.DialogConfig{Log: e.cfg.Log, Consume: true})
	defer d.Close()
	r := &run{executor: e, call: call, dialog: d}
	for i := range e.section.steps {
		d.SetReadAhead(e.section.sendsAfter(i))
		d.SetPlace(e.file.name, e.section.steps[i].line)
		more, err := r.step(ctx, &e.section.steps[i])
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// sendsAfter reports whether a later step than i sends a text before the script
// can succeed.
func (s *section) sendsAfter(i int) bool {
	for n := range s.steps[i:] {
		step := &s.steps[i+n]
		if n > 0 && !step.command.empty() {
			return true
		}
		if len(step.responses) == 0 && !step.noResponse {
			return false
		}
		for k := range step.responses {
			if step.responses[k].action == actConnect {
				return false
			}
		}
	}
	return false
}

// Check returns an *Error for a section that sends a name, a password or an X.25
// address that is not given: an empty name locks accounts.
func (e *executor) Check(p *ras.DialParams) error {
	for i := range e.section.steps {
		s := &e.section.steps[i]
		for _, need := range []struct{ macro, field string }{
			{macroUser, "UserName"}, {macroPassword, "Password"}, {macroAddress, "PhoneNumber"},
		} {
			if !slices.ContainsFunc(s.command.parts, func(p part) bool { return p.macro == need.macro }) || need.macro == macroAddress && e.cfg.X25Address != "" {
				continue
			}
			if err := script.CheckParam(p, need.field); err != nil {
				failure := e.file.rejected(e.section.Name, s.line, ras.ErrInvalidParameter, err)
				failure.Op += ": the script sends <" + need.macro + ">"
				return failure
			}
		}
	}
	return nil
}
