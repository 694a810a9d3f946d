package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// The ends of a port that are not its own Close and not a deadline. A port
// that we closed gives net.ErrClosed, a deadline that passed gives
// os.ErrDeadlineExceeded, and what a device cannot do gives
// errors.ErrUnsupported. All of them arrive wrapped in an OpError, so test for
// them with errors.Is.
var (
	// ErrCarrierLost reports that the carrier was lost: the line was
	// hung up, the other side of a pseudo-terminal or the connection closed.
	ErrCarrierLost = errors.New("carrier lost")

	// ErrRemoved reports that the device itself was removed, as a USB adapter does when
	// it is pulled.
	ErrRemoved = errors.New("device removed")

	// ErrBusy reports that another process holds the port. The text of the error
	// that wraps it names the lock and, if that is known, the process.
	ErrBusy = errors.New("port in use")

	// ErrOverrun reports that received characters were lost in the device. A Read
	// of a port that reports it returns it once, and the port lives on.
	ErrOverrun = errors.New("received characters lost")
)

// ErrBreak reports a received break, see Config.Marks.
var ErrBreak = errors.New("break received")

// CharError reports a received character with a parity or framing error, see
// Config.Marks.
type CharError struct {
	Char byte // as the UART received it
}

// Error returns a text with the character.
func (e *CharError) Error() string {
	return fmt.Sprintf("damaged character %#02x received (parity or framing error)", e.Char)
}

// OpError is the error of every operation on a port. Op is the method's name in
// words: "open", "read", "write", "close", "set deadline", "mode", "set mode",
// "lines", "set lines", "wait lines", "send break", "set break", "drain", "discard",
// "queued", "stats", "detach"; every port uses the same.
type OpError struct {
	Op   string // the operation, see below
	Port string // the port's name
	Err  error  // the cause
}

var _ net.Error = (*OpError)(nil)

// Error returns "OP PORT: CAUSE".
func (e *OpError) Error() string {
	s := e.Op
	if e.Port != "" {
		s += " " + e.Port
	}
	if e.Err == net.ErrClosed { // whose text names a network connection
		return s + ": the port is closed"
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline passed.
func (e *OpError) Timeout() bool {
	if errors.Is(e.Err, os.ErrDeadlineExceeded) {
		return true
	}
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary is Timeout; net.Error asks for it.
func (e *OpError) Temporary() bool { return e.Timeout() }

// The node of a pulled adapter goes a moment after the line is hung up, so
// settle checks this often and this many times before it believes that the node
// stays.
const (
	settleStep  = 10 * time.Millisecond
	settleSteps = 15
)

// settle finds out why a line ended: ErrRemoved if the device is not there any
// more, ErrCarrierLost if it stays, net.ErrClosed if the port is closed
// meanwhile.
func settle(closed <-chan struct{}, there func() bool) error {
	for range settleSteps {
		if !there() {
			return ErrRemoved
		}
		select {
		case <-closed:
			return net.ErrClosed
		case <-time.After(settleStep):
		}
	}
	return ErrCarrierLost
}
