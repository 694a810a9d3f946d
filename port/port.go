package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Port is what every transport has: a byte stream with deadlines. Every
// net.Conn is a Port.
//
// The methods may be called from several goroutines concurrently. Read and Write
// follow io.Reader and io.Writer, with these additions, which the suite in
// package porttest checks:
//
//   - A deadline that passes frees a blocked call with an error that matches
//     os.ErrDeadlineExceeded, and the port lives on. Silence is never io.EOF
//     and never 0, nil.
//   - Moving a deadline takes effect for calls that are blocked already. The
//     zero time means no deadline.
//   - Close frees every blocked call immediately with an error that matches
//     net.ErrClosed, and so do all calls after it.
//   - A Write that fails reports how many bytes the transport took.
type Port interface {
	io.ReadWriteCloser
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Interruptible is a Port that keeps the promises about deadlines to the letter:
// a Read or Write that blocks returns promptly when its deadline passes or is
// moved into the past, and does no harm to later calls by that. The ports of
// this module and the connections of package net do so. crypto/tls does not,
// since a Write that times out ruins its connection.
//
// Without it, or where it reports false, a ras.Session reads and writes on
// goroutines of its own, which costs some hundred nanoseconds a call, and
// leaves a call that takes too long behind instead of ending it.
type Interruptible interface {
	Interruptible() bool
}

// ModeSetter is a Port whose line has a bit rate and a character format.
//
// A method that the device at hand cannot do returns an error that matches
// errors.ErrUnsupported; the same holds for all the optional interfaces here.
type ModeSetter interface {
	// Mode returns the mode in force, as the driver or the remote server reports
	// it. All fields are set.
	Mode() (Mode, error)

	// SetMode waits for earlier output to leave, sets the fields of m that are
	// not zero, and fails with an error that names the field if the driver
	// does not accept one of them. If m has flow control alone SetMode does
	// not wait, since output that the flow control holds off would not leave.
	SetMode(m Mode) error
}

// LineController is a Port that has modem lines, named as the DTE sees them
// (V.24, RS-232).
type LineController interface {
	// Lines returns the lines that are asserted now, inputs and outputs.
	Lines() (Lines, error)

	// SetLines asserts the lines of mask that are set in values and clears the
	// others of mask. Only DTR and RTS can be set.
	SetLines(mask, values Lines) error

	// WaitLines blocks until one of the lines in mask changes, counted from
	// the call, and returns the lines after the change. It ends early with the
	// context's error, with net.ErrClosed, or with the cause for which the
	// port failed.
	WaitLines(ctx context.Context, mask Lines) (Lines, error)
}

// LineDriver is a Port that can play the part of a modem on the lines of its
// peer. Without it a modem is played with DTR and RTS, as far as a null-modem
// cable carries them.
type LineDriver interface {
	// Drive sets what the peer sees on CTS, DSR, DCD and RI: the lines of mask
	// take their level from values and no longer follow this end's DTR and RTS.
	Drive(mask, values Lines)
}

// DefaultBreak is how long SendBreak holds the line for a duration of 0 or less:
// the least that tcsendbreak(3) promises.
const DefaultBreak = 250 * time.Millisecond

// Breaker is a Port that can send a break.
type Breaker interface {
	// SendBreak holds the line in the spacing state for d, or for DefaultBreak
	// if d is 0 or less, after earlier output has left. It puts the
	// line back to marking on every way out, a context that ends included.
	SendBreak(ctx context.Context, d time.Duration) error
}

// Drainer is a Port that knows its queues.
type Drainer interface {
	// Drain blocks until all that was written has left the port.
	Drain(ctx context.Context) error

	// Discard throws away what is queued in the given directions.
	Discard(d Direction) error
}

// Counter is a Port that counts line errors.
type Counter interface {
	// Stats returns the counts since the port was opened.
	Stats() (Stats, error)
}

// QueueCounter is a Port that knows how much is in its queues. A port without it
// may have bytes waiting all the same.
type QueueCounter interface {
	// Queued returns the number of bytes that were received and not read yet,
	// and of those that were written and have not left.
	Queued() (in, out int, err error)
}

// BreakSetter is a Port whose line can be put in the spacing state and back by
// hand. Without it use SendBreak, which does both.
type BreakSetter interface {
	// SetBreak begins a break, or ends it. A break that was begun also ends with
	// Close. It does not wait for earlier output.
	SetBreak(on bool) error
}

// Named is a Port that has a name, which its errors use too. A port without it
// is described by its type.
type Named interface{ Name() string }

// Detacher is a Port that is an open file of this system and can give it away.
// Without it a program that needs a descriptor gets a pseudo-terminal and a copy
// of the bytes.
type Detacher interface {
	// Detach ends the port without closing the line and returns the descriptor,
	// for another program such as pppd(8). The port's calls return net.ErrClosed
	// from then on. Close the file when the other program has its own copy.
	Detach() (*os.File, error)
}

// Hider is a Port that keeps what passes, such as a recording. Without it the
// bytes are nowhere kept, and there is nothing to hide.
type Hider interface {
	// Hide masks text in what is kept from now on, and its echo.
	Hide(text string)
}

// Direction names one queue of a port, or both.
type Direction uint8

// The two queues of a port.
const (
	Input  Direction = 1 << iota // received, not yet read
	Output                       // written, not yet sent
)

// Validate returns an error if d has anything but the two queues.
func (d Direction) Validate() error {
	if d&^(Input|Output) != 0 {
		return errors.New("no such direction: use Input, Output or both")
	}
	return nil
}

// Stats holds the counts of a port since it was opened. A driver that does not
// count something leaves it at zero.
type Stats struct {
	Received uint64 // bytes received from the line
	Sent     uint64 // bytes sent to the line
	Framing  uint64 // characters without a valid stop bit
	Parity   uint64 // characters with the wrong parity
	Overrun  uint64 // characters lost in the UART
	Buffer   uint64 // characters lost because the driver's buffer was full
	Breaks   uint64 // break conditions received
}

// Errors returns the number of characters that arrived damaged or were lost.
func (s Stats) Errors() uint64 { return s.Framing + s.Parity + s.Overrun + s.Buffer }

// Abilities is a set of what a port can do besides reading and writing.
type Abilities uint16

// The abilities, by the interface that has the methods.
const (
	AbilityMode     Abilities = 1 << iota // ModeSetter
	AbilityLines                          // LineController
	AbilityBreak                          // Breaker
	AbilitySetBreak                       // BreakSetter
	AbilityDrain                          // Drainer
	AbilityStats                          // Counter
	AbilityQueued                         // QueueCounter
	AbilityDetach                         // Detacher
)

var abilityNames = [...]string{"mode", "lines", "break", "set break", "drain", "stats", "queued", "detach"}

// Has reports whether all of want are in a.
func (a Abilities) Has(want Abilities) bool { return a&want == want }

// String names the abilities in a, joined by commas; the empty set is "none".
func (a Abilities) String() string {
	var names []string
	for i, name := range abilityNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// AbilityReporter is a Port that knows what the device at hand can do. Without
// it AbilitiesOf finds out.
type AbilityReporter interface{ Abilities() Abilities }

// AbilitiesOf reports what p can do, so that a program can inform its user what is
// missing before anything is sent. It changes nothing and sends nothing on the
// line.
//
// Unless p is an AbilityReporter, a method counts that p has and, where that can
// be asked without an effect, that does not return errors.ErrUnsupported: Mode,
// Lines, Stats and Queued. Breaks count where there is a mode to be set, that is a
// real line.
func AbilitiesOf(p Port) Abilities {
	if r, ok := p.(AbilityReporter); ok {
		return r.Abilities()
	}
	var a Abilities
	add := func(ability Abilities, err error) {
		if !errors.Is(err, errors.ErrUnsupported) {
			a |= ability
		}
	}
	if m, ok := p.(ModeSetter); ok {
		_, err := m.Mode()
		add(AbilityMode, err)
	}
	if l, ok := p.(LineController); ok {
		_, err := l.Lines()
		add(AbilityLines, err)
	}
	if c, ok := p.(Counter); ok {
		_, err := c.Stats()
		add(AbilityStats, err)
	}
	if q, ok := p.(QueueCounter); ok {
		_, _, err := q.Queued()
		add(AbilityQueued, err)
	}
	if _, ok := p.(Breaker); ok && a.Has(AbilityMode) {
		a |= AbilityBreak
	}
	if _, ok := p.(BreakSetter); ok && a.Has(AbilityMode) {
		a |= AbilitySetBreak
	}
	if _, ok := p.(Drainer); ok {
		a |= AbilityDrain
	}
	if _, ok := p.(Detacher); ok {
		a |= AbilityDetach
	}
	return a
}

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
	Op   string // the operation, see above
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
