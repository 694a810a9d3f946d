package rfc2217

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rasline/rasline/port"
)

var (
	errNoComPort = fmt.Errorf("a plain Telnet port carries data only (no COM-PORT): %w", errors.ErrUnsupported)
	errHungUp    = errors.New("the server closed the connection")
	errNoBreak   = errors.New("the server did not begin the break: its port accepts no data, discard the output first")
	errRefused   = fmt.Errorf("the server refuses COM-PORT (RFC 2217), allow plain Telnet to use it for data only: %w", errors.ErrUnsupported)
)

// wrap puts an operation's error into a port.OpError; nil stays nil.
func (p *Port) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &port.OpError{Op: op, Port: p.name, Err: err}
}

// wrapResult makes the error of an operation, if there is one, a port.OpError; it is
// deferred.
func (p *Port) wrapResult(op string, err *error) { *err = p.wrap(op, *err) }

// lostError is the loss of the connection: port.ErrCarrierLost and its cause.
type lostError struct {
	cause error
	text  string // what the server sent before, if it may be the reason
}

// Error reports that the carrier is lost, and why.
func (e *lostError) Error() string {
	s := port.ErrCarrierLost.Error() + ": " + e.cause.Error()
	if e.text != "" {
		s += fmt.Sprintf(": %q", e.text)
	}
	return s
}

// Unwrap returns port.ErrCarrierLost and the cause.
func (e *lostError) Unwrap() []error { return []error{port.ErrCarrierLost, e.cause} }

// Timeout reports false: an ETIMEDOUT among the causes is the end of the
// connection and not a deadline.
func (e *lostError) Timeout() bool { return false }

// ackError is a command that the server did not acknowledge in time.
type ackError struct {
	command string
	limit   time.Duration
}

// Error names the command and the limit.
func (e *ackError) Error() string {
	return fmt.Sprintf("the server did not acknowledge %s within %v", e.command, e.limit)
}

// Unwrap makes it a deadline.
func (e *ackError) Unwrap() error { return os.ErrDeadlineExceeded }
