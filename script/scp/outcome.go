package scp

import (
	"fmt"

	"github.com/rasline/rasline/ras"
)

// ErrHalted says that a script came to a halt command and that no user
// continued. It matches ras.ErrInteractiveMode.
var ErrHalted error = &fault{"the script halted and there is no user to continue", ras.ErrInteractiveMode}

// ErrLimit reports that a script went beyond one of the limits of its Config. It
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
