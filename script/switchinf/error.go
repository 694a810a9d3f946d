package switchinf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// FailureKind says how a script failed.
type FailureKind uint8

// The kinds of failure, and the code that an Error of the kind wraps.
const (
	// Rejected is a script that was refused before anything was sent: no such
	// section, mistakes in it, no user name, a file of kind modem.
	// ErrDevicenameNotFound, ErrScriptSyntax, ErrInvalidParameter,
	// ErrNotSupported.
	Rejected FailureKind = iota + 1

	// DeviceError is a response ERROR= or ERROR_NAME=. The code is the one
	// with that name, such as ErrNoCarrier, and ErrFromDevice if there is
	// none.
	DeviceError

	// Diagnostics is a response ERROR_DIAGNOSTICS=: ErrX25Diagnostic in a PAD's
	// section, otherwise ErrFromDevice.
	Diagnostics

	// NoResponse says that no expected response came within the limit of the
	// step: ErrRequestTimeout.
	NoResponse

	// CarrierLost says that the far end or its carrier went: ErrNoCarrier. The
	// cause, such as port.ErrCarrierLost, is wrapped too.
	CarrierLost

	// Cancelled says that the run's context ended, by the user or by a limit.
	// The code is that of the context's cause.
	Cancelled

	// LineFailed is any other failure of the line, with its own code.
	LineFailed
)

var kindNames = [...]string{"unknown", "rejected", "device error", "diagnostics", "no response", "carrier lost", "cancelled", "line failed"}

// String returns the kind in words, such as "carrier lost".
func (k FailureKind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// Error is the failure of a script. It wraps its code and its cause, so that
// errors.Is(err, ras.ErrNoCarrier) and errors.Is(err, port.ErrCarrierLost) both
// hold for a carrier that was lost. No password shows in it.
type Error struct {
	File    string // the name that was given to Parse
	Section string
	Line    int // of the response that fitted, else of the command; 0 for the section as a whole
	Kind    FailureKind
	Keyword string // of the response that fitted: "ERROR_NO_CARRIER"; or ""

	// Diagnostics is the text for the user that ERROR_DIAGNOSTICS= took from
	// the response, or "".
	Diagnostics string

	Tail string   // the end of what the step received and did not use
	Code ras.Code // what a RAS host gets
	Err  error    // the cause; nil if the kind says it all
}

const shownTail = 200 // bytes of Tail and of Diagnostics in the message

// Error returns "FILE:LINE: [SECTION]: WHAT", with the end of what was
// received.
func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	s += ": [" + e.Section + "]: " + e.what()
	if e.Tail != "" {
		s += fmt.Sprintf("; received last: %q", e.Tail[max(0, len(e.Tail)-shownTail):])
	}
	return s
}

func (e *Error) what() string {
	switch {
	case e.Kind == DeviceError:
		return "the device answered what stands for " + e.Keyword
	case e.Kind == Diagnostics:
		return fmt.Sprintf("the device refused: %q", e.Diagnostics[:min(len(e.Diagnostics), shownTail)])
	case e.Err != nil:
		return e.Err.Error()
	}
	return e.Kind.String()
}

// Unwrap returns the code and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Timeout reports whether a time limit passed.
func (e *Error) Timeout() bool { return e.Code.Timeout() }

// limitError is the cause of a NoResponse.
type limitError struct{ limit time.Duration }

func (e limitError) Error() string {
	return fmt.Sprintf("no expected response came within %v", e.limit)
}

func (e limitError) Unwrap() error { return os.ErrDeadlineExceeded }

// deviceCode returns the code for a response with the keyword.
func deviceCode(keyword string) ras.Code {
	if c, ok := codesByName()[keyword]; ok {
		return c
	}
	return ras.ErrFromDevice
}

const firstCode, lastCode = 600, 999 // of Raserror.h

var codesByName = sync.OnceValue(func() map[string]ras.Code {
	m := make(map[string]ras.Code)
	for c := ras.Code(firstCode); c <= lastCode; c++ {
		if c.Known() {
			m[c.Name()] = c
		}
	}
	return m
})

// classify decides what a failed send or receive means for the script.
func classify(ctx context.Context, err error) (FailureKind, ras.Code) {
	code := ras.CodeOf(err)
	switch {
	case ctx.Err() != nil:
		return Cancelled, ras.Cause(context.Cause(ctx))
	case code == ras.ErrDisconnection, code == ras.ErrRemoteDisconnection, code == ras.ErrNoCarrier,
		errors.Is(err, port.ErrCarrierLost):
		return CarrierLost, ras.ErrNoCarrier
	}
	return LineFailed, code
}

func isTimeout(err error) bool {
	var t *script.TimeoutError
	return errors.As(err, &t)
}
