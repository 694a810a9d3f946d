package ras

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/rasline/rasline/port"
)

// errnos are the system's errors that Cause knows.
type errnos struct {
	ENXIO, ENODEV, ECONNRESET, ECONNABORTED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EPIPE, EIO error
}

// causes maps what a port or a context reports to the code that a RAS host
// gets, the most telling first. The errno rows stand behind the port's own
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
