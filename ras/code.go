package ras

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"

	"github.com/rasline/rasline/port"
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

// Timeout reports whether the code means that a time limit has passed.
func (c Code) Timeout() bool {
	return c == ErrRequestTimeout || c == ErrTimeout || c == ErrWaitTimeout
}

// CodeOf returns the code for err that a RAS host gets: Success for nil,
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
// RAS host would see, and its cause.
type Error struct {
	Op   string // the callback or the step that failed: "RasReceiveBuffer", "script"; may be empty
	Code Code   // what a RAS host gets
	Err  error  // the cause, or nil if there is none besides the code
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

// errnos are the system's errors that Cause knows.
type errnos struct {
	ENXIO, ENODEV, ECONNRESET, ECONNABORTED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EPIPE, EIO error
}

// causes maps what a port or a context reports to the code that a RAS host
// gets, the most specific first. The errno rows follow the port's own
// verdicts, which have looked at the device before they name an end.
var causes = []struct {
	err  error
	code Code
}{
	{port.ErrRemoved, ErrHardwareFailure},
	{errno.ENXIO, ErrHardwareFailure},
	{errno.ENODEV, ErrHardwareFailure},
	{errno.ECONNRESET, ErrLinkFailure},
	{errno.ECONNABORTED, ErrLinkFailure},
	{errno.ETIMEDOUT, ErrLinkFailure},
	{errno.EHOSTUNREACH, ErrLinkFailure},
	{errno.ENETUNREACH, ErrLinkFailure},
	{errno.ENETDOWN, ErrLinkFailure},
	{port.ErrCarrierLost, ErrRemoteDisconnection},
	{io.EOF, ErrRemoteDisconnection},
	{io.ErrUnexpectedEOF, ErrRemoteDisconnection},
	{io.ErrClosedPipe, ErrRemoteDisconnection},
	{errno.EPIPE, ErrRemoteDisconnection},
	{errno.EIO, ErrPortOrDevice},
	{net.ErrClosed, ErrPortDisconnected},
	{os.ErrClosed, ErrPortDisconnected},
	{port.ErrBusy, ErrPortNotAvailable},
	{context.Canceled, ErrUserDisconnection},
	{context.DeadlineExceeded, ErrRequestTimeout},
	{os.ErrDeadlineExceeded, ErrRequestTimeout},
	{errors.ErrUnsupported, ErrNotSupported},
}

// Cause returns the code for the failure of a port or the end of a context:
//
//	carrier lost, end of file, remote side hung up  ErrRemoteDisconnection 629
//	reset or keepalive loss of a connection         ErrLinkFailure         829
//	device removed                                  ErrHardwareFailure     630
//	device present, but failing                     ErrPortOrDevice        692
//	port closed by this program                     ErrPortDisconnected    619
//	context cancelled                               ErrUserDisconnection   631
//	time limit of the run or of a write             ErrRequestTimeout      638
//	a Code somewhere in err                         that code
//	anything else                                   ErrUnknown             635
//
// Cause of nil is ErrDisconnection 628: the port is lost for an unknown reason.
// For the end of a context use ContextError, which knows a cancel whatever
// cause it was given.
func Cause(err error) Code {
	if err == nil {
		return ErrDisconnection
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	for _, row := range causes {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return ErrUnknown
}

// ContextError returns the error of a call whose context has ended: an *Error
// with ErrUserDisconnection for a cancel and ErrRequestTimeout for a deadline,
// whatever cause was attached to the context. It matches ctx.Err() and
// context.Cause(ctx) with errors.Is. It returns nil if ctx has not ended.
func ContextError(ctx context.Context) error { return contextError("", ctx) }

func contextError(op string, ctx context.Context) error {
	ended := ctx.Err()
	if ended == nil {
		return nil
	}
	e := &Error{Op: op, Code: ErrUserDisconnection, Err: ended}
	if errors.Is(ended, context.DeadlineExceeded) {
		e.Code = ErrRequestTimeout
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ended):
		e.Err = cause
	case cause != nil:
		e.Err = &contextCause{ended, cause}
	}
	return e
}

// contextCause is the end of a context that was given a cause of its own.
type contextCause struct{ ended, cause error }

func (e *contextCause) Error() string   { return e.cause.Error() }
func (e *contextCause) Unwrap() []error { return []error{e.ended, e.cause} }
