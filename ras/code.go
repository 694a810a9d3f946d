package ras

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sort"
)

//go:generate go run gencodes.go

// Code is an error code of the RAS API: a number of Raserror.h (600 and up) or
// of Winerror.h. It is an error, so errors.Is(err, ras.ErrRequestTimeout)
// finds it however often err was wrapped, and errors.As gets the number of any
// failure.
//
// The zero value is Success and is never returned as an error.
type Code uint32

// codeRow is one line of the table of codes.
type codeRow struct {
	code Code
	name string
	text string
}

func (c Code) row() (codeRow, bool) {
	i := sort.Search(len(codeTable), func(i int) bool { return codeTable[i].code >= c })
	if i == len(codeTable) || codeTable[i].code != c {
		return codeRow{}, false
	}
	return codeTable[i], true
}

// Name returns the name in the Windows headers, such as
// "ERROR_REQUEST_TIMEOUT". A number without a name gives "ERROR_n".
func (c Code) Name() string {
	if r, ok := c.row(); ok {
		return r.name
	}
	return fmt.Sprintf("ERROR_%d", uint32(c))
}

// Text returns what the code means, in a short sentence without a full stop.
func (c Code) Text() string {
	if r, ok := c.row(); ok {
		return r.text
	}
	return "unknown error code"
}

// Known reports whether the code has a name.
func (c Code) Known() bool {
	_, ok := c.row()
	return ok
}

// Error returns number, name and meaning: "error 638 ERROR_REQUEST_TIMEOUT: …".
func (c Code) Error() string {
	return fmt.Sprintf("error %d %s: %s", uint32(c), c.Name(), c.Text())
}

// Is lets errors.Is match a code with the standard library's error of the same
// meaning: ErrRequestTimeout, ErrTimeout and ErrWaitTimeout with
// os.ErrDeadlineExceeded, ErrNotSupported with errors.ErrUnsupported,
// ErrPortDisconnected with net.ErrClosed.
func (c Code) Is(target error) bool {
	switch target {
	case os.ErrDeadlineExceeded:
		return c.Timeout()
	case errors.ErrUnsupported:
		return c == ErrNotSupported
	case net.ErrClosed:
		return c == ErrPortDisconnected
	}
	return false
}

// Timeout reports whether the code says that a time limit passed.
func (c Code) Timeout() bool {
	return c == ErrRequestTimeout || c == ErrTimeout || c == ErrWaitTimeout
}

// CodeOf returns the code that stands for err to a RAS host: Success for nil,
// the first Code in err's tree, else the code of the port failure or the
// context error in it as Cause decides, and ErrUnknown for anything else.
func CodeOf(err error) Code {
	if err == nil {
		return Success
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return Cause(err)
}

// Error is the error of a callback. It names the callback, the code that a
// RAS host would see, and what lies behind it.
type Error struct {
	Op   string // the callback or the step that failed: "RasReceiveBuffer", "script"; may be empty
	Code Code   // what a RAS host gets
	Err  error  // the cause, or nil if the code says it all
}

// Error returns "OP: error N NAME: CAUSE", with the code's own meaning where
// there is no cause.
func (e *Error) Error() string {
	s := e.Code.Error()
	if e.Err != nil {
		s = fmt.Sprintf("error %d %s: %v", uint32(e.Code), e.Code.Name(), e.Err)
	}
	if e.Op == "" {
		return s
	}
	return e.Op + ": " + s
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
