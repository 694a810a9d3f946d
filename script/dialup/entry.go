package dialup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

// Entry is what is known of a connection before it is made: an entry of a phone
// book. Dial does not change it, so one Entry may be used by several dials at a
// time, if its scripts allow it.
type Entry struct {
	// Name is the entry's name, and Phonebook the path of the file it is from,
	// for messages and for scripts that need them. Default: empty.
	Name, Phonebook string

	// Port is the name of the port, as portname.Open accepts it. A Pool chooses
	// the port instead, among the lines of the Class; an empty Class is any.
	Port, Class string

	// PortConfig is how the port is opened. Default: the zero portname.Config.
	PortConfig *portname.Config

	// Dialer sets the modem up and dials. Its numbers, if it has none, are that
	// of Params. Answerer waits for a call instead. Default: the line leads to the
	// peer directly.
	Dialer   *modem.Dialer
	Answerer *modem.Answerer

	// Before runs before the Dialer, Script after it, and Disconnect before the
	// line is hung up, also when Script has failed. Default: none; script.Login
	// makes a Script that needs no file.
	Before, Script, Disconnect script.Executor

	// Params are the telephone number, the user name, the password and so on.
	Params ras.DialParams

	// Timeout bounds Dial. Default, and for 0 or less: only the limits of the
	// parts, which end each of them.
	Timeout time.Duration

	// IdleTimeout ends the Conn when no byte has passed for that long, and
	// SessionTimeout when it has lasted that long. Default, and for 0 or less:
	// none.
	IdleTimeout, SessionTimeout time.Duration

	// HangUp are the methods that end the call, in order. Default, and for nil:
	// those of the Dialer, which are DTR and then ATH; without a modem, DTR for
	// a dial that has failed and none for a Conn. Empty: the call is left up.
	HangUp []modem.Method

	// Carrier is what DCD, or the line NO CARRIER, means to Script and to the
	// Conn. Default: the zero modem.CarrierConfig: the loss of a carrier that was
	// seen ends both.
	Carrier *modem.CarrierConfig

	// Persist is whether the entry is to be dialled again when its connection
	// ends; see the function Persist. Dial ignores it.
	Persist bool

	// PPP are the words of the entry that are meant for pppd(8).
	PPP []string
}

// Config is what Dial does for the program that dials. The zero Config and a nil
// one work.
type Config struct {
	// OnState is called with the connection's states in order, on the goroutine
	// of Dial until that returns: ras.StateOpenPort, ras.StatePortOpened, those
	// of the modem, ras.StateInteractive, ras.StateConnected; and
	// ras.StateDisconnected with the cause when a dial has failed or a Conn has
	// ended, or was hung up, which may be on another goroutine. Each has a Text in plain words.
	// Default: none.
	OnState func(State)

	// Open opens the port. Default: portname.Open.
	Open func(ctx context.Context, name string, cfg *portname.Config) (port.Port, error)

	// Record records the line, with the states and waits as notes. Default: it is
	// not recorded.
	Record *capture.Writer

	// Log gets the states at info level, the conversation at debug level, and
	// warnings; secrets are masked. Default: no log.
	Log slog.Handler

	// Terminal is the user's terminal, for scripts that show text or read an answer.
	// Default: there is no user.
	Terminal io.ReadWriter

	// Exact makes the scripts take not one byte past their last match from the
	// port, for a line that is handed on as it is. Default: off.
	Exact bool
}

// State is a state of a connection.
type State = script.State

// An Error reports which part of a connection failed.
type Error struct {
	Op    string // "check", "open", "dial", "hand over"
	Entry string // the entry's name, or its port
	Err   error
}

// Error returns "OP ENTRY: CAUSE".
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Entry, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// title is what messages call the entry.
func (e *Entry) title() string {
	switch {
	case e.Name != "":
		return e.Name
	case e.Port != "":
		return e.Port
	}
	return "the entry"
}

// hasModem reports whether the call is one of package modem.
func (e *Entry) hasModem() bool { return e.Dialer != nil || e.Answerer != nil }

func (e *Entry) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Entry: e.title(), Err: err}
}

// Check returns what keeps the entry from being dialled, or nil: a parameter that
// a script needs and that is missing (a *script.MissingError), a telephone number
// that must not be sent (a *modem.InputError). Dial calls it before it opens the
// port; a program that can prompt its user for a password calls it before that. The
// error is an *Error that joins all that was found.
func (e *Entry) Check() error {
	errs := []error{e.Params.Validate()}
	if e.Dialer != nil && e.Dialer.Command == "" {
		numbers := e.Dialer.Numbers
		if len(numbers) == 0 {
			numbers = []string{e.Params.PhoneNumber}
		}
		if numbers[0] == "" {
			errs = append(errs, &script.MissingError{Field: "PhoneNumber"})
			numbers = nil
		}
		check := func(number string) error { _, err := modem.CheckNumber(number); return err }
		if c := e.Dialer.Config; c != nil && c.Addresses {
			check = modem.CheckDial
		}
		for _, number := range numbers {
			errs = append(errs, check(number))
		}
	}
	for _, part := range []script.Executor{e.Before, e.Script, e.Disconnect} {
		if c, ok := part.(script.Checker); ok {
			errs = append(errs, c.Check(&e.Params))
		}
	}
	return e.fail("check", errors.Join(errs...))
}

var errNoTerminal = &ras.Error{Op: "terminal", Code: ras.ErrInteractiveMode,
	Err: errors.New("the entry asks for the user's terminal, and there is none")}

// lacks returns what the entry requires and the port does not support.
func (e *Entry) lacks(p port.Port) error {
	has := port.AbilitiesOf(p)
	var errs []error
	if e.hasModem() && len(e.HangUp) == 1 && e.HangUp[0] == modem.DTR && has&port.AbilityLines == 0 {
		errs = append(errs, fmt.Errorf("the port has no modem lines, so DTR cannot hang up: hang up by ATH: %w", errors.ErrUnsupported))
	}
	if c := e.Carrier; c != nil && c.Require > 0 && !c.Ignore && has&port.AbilityLines == 0 {
		errs = append(errs, fmt.Errorf("the port has no modem lines, so a carrier cannot be waited for: %w", errors.ErrUnsupported))
	}
	return errors.Join(errs...)
}
