package scp

import (
	"context"
	"slices"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// The limits of a run, unless the Program says otherwise.
const (
	DefaultMaxSteps  = 1_000_000
	DefaultMaxString = 1 << 20
)

// Program is a script that Parse has found to be correct. It is a
// script.Executor. Several runs may go on at once, as long as nobody sets its
// fields meanwhile.
type Program struct {
	// MaxSteps is how many commands may run between two that wait or take
	// input. Default, and for 0 or less: DefaultMaxSteps.
	MaxSteps int

	// MaxString is how many bytes a string may have; all strings together have
	// at most 16 times as many. Default, and for 0 or less: DefaultMaxString.
	MaxString int

	// Dialog holds the settings of the dialog that the script talks through:
	// its log, Strip7 for lines with parity, pacing, and Idle as a limit for
	// silence, which fails the script with ras.ErrRequestTimeout. Default:
	// those of script.DialogConfig.
	Dialog script.DialogConfig

	src      *source
	texts    []string
	code     []instr // of main
	waits    []waitSite
	slots    []typ
	warnings []Finding
}

var _ script.Executor = (*Program)(nil)

// Warnings returns what Parse found that is allowed and yet doubtful, in the
// order of the places, 100 findings at most.
func (p *Program) Warnings() []Finding { return slices.Clone(p.warnings) }

// Execute runs the script on the call. It returns nil when the end of main is
// reached, and otherwise an *Error with the place of the command that failed;
// ras.CodeOf tells the code of its cause.
//
// $USERID and $PASSWORD are call.Params' name and password; the latter, and
// every text made from it, is never shown. "set ipaddr" sets call.IPAddr.
// "set port" changes one setting and leaves the others as the port has them, or
// as 8N1 if that cannot be known; a port without such settings is reported to
// the log and the script goes on. Settings stay when the script ends.
//
// If the call has a Terminal, the user sees there what the script receives.
// After "set screen keyboard on" the user's typing goes to the line, with Enter
// as CR; after "off" it is dropped. At halt the user is told of
// it, and the script succeeds when the user enters a line; with the keyboard
// on, that line must be "continue", and others are sent. Without a Terminal, or
// when it ends, halt fails with an error that matches ErrHalted and
// ras.ErrInteractiveMode.
//
// The Terminal is read only by scripts that switch the keyboard on or halt. A
// read of it that is running when the script ends is freed by a
// SetReadDeadline method if there is one; without it, a goroutine stays in
// the read until that returns, and drops what it brought.
func (p *Program) Execute(ctx context.Context, call *ras.Call) error {
	m := newMachine(ctx, p, call)
	defer m.finish()
	return m.run()
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}
