package modem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Dialer is a script.Executor that sets a modem up and dials, again and to
// other numbers if need be. When it has succeeded the modem is online, and the
// next executor gets the peer's first byte. The zero Dialer dials the call's
// own number once. A Dialer may be used for several runs concurrently if its
// functions allow it.
type Dialer struct {
	// Config is what is expected of the modem. Default: the zero Config.
	Config *Config

	// Dialog is the configuration of the Dialog that is used, for its log.
	// Default: the zero DialogConfig.
	Dialog *script.DialogConfig

	// Init are the commands before the first attempt; see CheckCommand.
	// Default, and for nil: ATZ and ATQ0V1E1, so reset, and verbose results.
	Init []string

	// Numbers are dialled in this order; see Modem.Dial. Default: the number in
	// the call's Params.
	Numbers []string

	// Command makes the connection instead of a number: AT+CGDATA="PPP",1; see
	// Modem.Connect. Numbers are then not used. Default: none.
	Command string

	// Before is called before every attempt, when the modem is set up: to wait
	// for the network, to define a context, to unlock a SIM. An error ends the
	// attempt; one with an outcome, a CMEError that is Temporary or a
	// RegistrationError is followed by another. Default: none.
	Before func(ctx context.Context, m *Modem) error

	// Redial specifies what follows a failed attempt. Default: the zero Redial.
	Redial Redial

	// OnState is called with the connection's states, in order, on the
	// goroutine of the script: ras.StateConnectDevice while the modem is set up
	// and at each number, ras.StateDeviceConnected and
	// ras.StateAllDevicesConnected once there is a connection. Default: none.
	OnState func(script.State)

	// OnAttempt is called for every attempt when it has ended, failed or not.
	// Default: not called.
	OnAttempt func(a Attempt)
}

var _ script.Executor = (*Dialer)(nil)

// Redial specifies what a Dialer does after attempts that fail. Only outcomes and
// timeouts are tried again; a line that fails or a context that ends stops it.
type Redial struct {
	// Attempts is the number of attempts in all, with the numbers in rotation.
	// Default, and for 0: each number once. Negative: no limit.
	Attempts int

	// Pause is the time between two attempts, Pauses that after certain
	// outcomes, and RoundPause that after the last of the numbers, before the
	// first is dialled again. After a DELAYED with a time the pause is that time at
	// least. The rules of many countries require some seconds.
	// Default: 5 s; RoundPause that of Pause. Negative: none.
	Pause, RoundPause time.Duration
	Pauses            map[Outcome]time.Duration

	// Stop are the outcomes after which no further attempt is made. Default,
	// and for nil: Voice, Blacklisted and Failed, unless the modem gives a
	// CMEError that is Temporary. Add Busy and NoDialtone to stop after those.
	Stop []Outcome

	// Timeout bounds the whole: setting up, attempts and pauses. Default, and
	// for 0 or less: none.
	Timeout time.Duration
}

const defaultPause = 5 * time.Second

// stops reports whether an attempt has failed for good.
func (r *Redial) stops(err error) bool {
	outcome := OutcomeOf(err)
	if r.Stop != nil {
		return slices.Contains(r.Stop, outcome)
	}
	var cme *CMEError
	if errors.As(err, &cme) && cme.Temporary() {
		return false
	}
	return outcome == Voice || outcome == Blacklisted || outcome == Failed
}

// Attempt is one call that was tried.
type Attempt struct {
	Index  int // from 1 on
	Number string
	Start  time.Time
	Took   time.Duration
	Result Result
	Err    error // nil for a connection
}

// DialError reports that no attempt led to a connection. It matches the error of
// the last one, so also its RAS code.
type DialError struct {
	Attempts []Attempt // those that were made; at least one, and of very many the first and the latest
	Err      error     // why no further one was made: the last one's error, or the limit's
}

// Error reports the number of attempts and why the last one failed.
func (e *DialError) Error() string {
	last := e.Attempts[len(e.Attempts)-1]
	text := fmt.Sprintf("dial %s", last.Number)
	if n := len(e.Attempts); n > 1 {
		text += fmt.Sprintf(" (attempt %d)", n)
	}
	if e.Err != last.Err {
		return fmt.Sprintf("%s: %v; last: %v", text, e.Err, last.Err)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns why no further attempt was made and, if that is something
// else, the last attempt's error.
func (e *DialError) Unwrap() []error {
	last := e.Attempts[len(e.Attempts)-1].Err
	if e.Err == last {
		return []error{last}
	}
	return []error{e.Err, last}
}

// Execute sets the modem up and dials. The error is an *InputError for a number
// or a command that must not be sent, in which case nothing has been sent; a
// *CommandError if setting up fails; a *DialError if no attempt succeeds.
func (d *Dialer) Execute(ctx context.Context, call *ras.Call) error {
	dialog := script.NewDialog(call, d.Dialog)
	defer dialog.Close()
	run := dialing{Dialer: d, modem: New(dialog, withLog(d.Config, d.Dialog)), start: time.Now()}
	if err := run.prepare(call); err != nil {
		return err
	}
	if d.Redial.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.Redial.Timeout, &script.RunTimeoutError{Limit: d.Redial.Timeout})
		defer cancel()
		ctx = limited
	}
	run.report(script.State{Conn: ras.StateConnectDevice, Text: "setting up the modem"})
	err := run.modem.leaveCall(ctx)
	if err == nil {
		err = run.modem.Init(ctx, run.commands...)
	}
	if err != nil {
		run.report(script.State{Conn: ras.StateConnectDevice, Err: err})
		return err
	}
	return run.dial(ctx)
}

// dialing is one run of a Dialer.
type dialing struct {
	*Dialer
	modem    *Modem
	start    time.Time
	numbers  []string
	commands []string
	attempts []Attempt
}

// prepare checks everything that will be sent.
func (r *dialing) prepare(call *ras.Call) error {
	r.numbers, r.commands = r.Numbers, r.Init
	if len(r.numbers) == 0 && call.Params != nil {
		r.numbers = []string{call.Params.PhoneNumber}
	}
	if r.commands == nil {
		r.commands = []string{"ATZ", "ATQ0V1E1"}
	}
	switch {
	case r.Command != "":
		if _, err := CheckCommand(r.Command); err != nil {
			return err
		}
		r.numbers = []string{r.Command}
	case len(r.numbers) == 0:
		_, err := CheckNumber("")
		return err
	default:
		for _, n := range r.numbers {
			if _, err := r.modem.cfg.dialBody(n); err != nil {
				return err
			}
		}
	}
	for _, c := range r.commands {
		if _, err := CheckCommand(c); err != nil {
			return err
		}
	}
	return checkPrefix(r.modem.cfg.DialPrefix)
}

// dial makes attempts until one succeeds or the policy stops it.
func (r *dialing) dial(ctx context.Context) error {
	most := cmp.Or(r.Redial.Attempts, len(r.numbers))
	for i := 0; ; i++ {
		err := r.attempt(ctx, i)
		if err == nil {
			return nil
		}
		transient := errors.As(err, new(*OutcomeError)) || errors.As(err, new(*RegistrationError)) || script.IsTimeout(err)
		if i == most-1 || ctx.Err() != nil || !transient || r.Redial.stops(err) {
			return &DialError{Attempts: r.attempts, Err: err}
		}
		pause := cmp.Or(r.Redial.Pause, defaultPause)
		if (i+1)%len(r.numbers) == 0 {
			pause = cmp.Or(r.Redial.RoundPause, pause)
		}
		if p, ok := r.Redial.Pauses[OutcomeOf(err)]; ok {
			pause = p
		}
		var o *OutcomeError
		if errors.As(err, &o) {
			pause = max(pause, o.Result.Wait)
		}
		pause = max(0, pause)
		if err := r.modem.dialog.Pause(ctx, pause); err != nil {
			return &DialError{Attempts: r.attempts, Err: err}
		}
	}
}

// attempt dials once and reports it.
func (r *dialing) attempt(ctx context.Context, i int) error {
	a := Attempt{Index: i + 1, Number: r.numbers[i%len(r.numbers)], Start: time.Now()}
	r.report(script.State{Conn: ras.StateConnectDevice, Attempt: a.Index, Number: a.Number, Text: "dialling"})
	a.Err = r.modem.leaveCall(ctx)
	if a.Err == nil && r.Before != nil {
		a.Err = r.Before(ctx, r.modem)
	}
	switch {
	case a.Err != nil:
	case r.Command != "":
		a.Result, a.Err = r.modem.Connect(ctx, a.Number)
	default:
		a.Result, a.Err = r.modem.Dial(ctx, a.Number)
	}
	a.Took = time.Since(a.Start)
	if len(r.attempts) == maxAttempts { // an endless redial keeps the first and the latest
		copy(r.attempts[1:], r.attempts[2:])
		r.attempts = r.attempts[:maxAttempts-1]
	}
	r.attempts = append(r.attempts, a)
	if r.OnAttempt != nil {
		r.OnAttempt(a)
	}
	p := script.State{Conn: ras.StateDeviceConnected, Attempt: a.Index, Number: a.Number, Text: a.Result.Text}
	if a.Err != nil {
		p.Conn, p.Err = ras.StateConnectDevice, a.Err
		r.report(p)
		return a.Err
	}
	r.report(p)
	p.Conn = ras.StateAllDevicesConnected
	r.report(p)
	return nil
}

// maxAttempts bounds DialError.Attempts.
const maxAttempts = 1000

func (r *dialing) report(p script.State) {
	if r.OnState != nil {
		p.Time, p.Elapsed = time.Now(), time.Since(r.start)
		r.OnState(p)
	}
}
