package modem

import (
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
// next executor gets the far end's first byte. The zero Dialer dials the call's
// own number once. A Dialer may be used for several runs at once if its
// functions allow it.
type Dialer struct {
	// Config is what is expected of the modem. Default: the zero Config.
	Config *Config

	// Dialog is the configuration of the Dialog that is used, for its log.
	// Default: the zero DialogConfig.
	Dialog *script.DialogConfig

	// Init are the commands before the first attempt; see CheckCommand.
	// Default, and for nil: ATZ and ATQ0V1E1, so reset, and results in words.
	Init []string

	// Numbers are dialled in this order; see CheckNumber. Default: the number
	// in the call's Params.
	Numbers []string

	// Redial says what follows a failed attempt. Default: the zero Redial.
	Redial Redial

	// OnState is called with the connection's states, in order, on the
	// goroutine of the script: ras.StateConnectDevice while the modem is set up
	// and at each number, ras.StateDeviceConnected and
	// ras.StateAllDevicesConnected once there is a connection. Default: none.
	OnState func(script.State)

	// OnAttempt is told of every attempt when it has ended, failed or not.
	// Default: nobody is told.
	OnAttempt func(a Attempt)
}

var _ script.Executor = (*Dialer)(nil)

// Redial is what a Dialer does about attempts that fail. Only outcomes and
// time-outs are tried again; a line that fails or a context that ends stops it
// at once.
type Redial struct {
	// Attempts is the number of attempts in all, going round the numbers.
	// Default, and for 0 or less: each number once.
	Attempts int

	// Pause is the time between two attempts, Pauses that after certain
	// outcomes. Many countries ask for some seconds. Default: 5 s. Negative:
	// none.
	Pause  time.Duration
	Pauses map[Outcome]time.Duration

	// Stop are the outcomes after which no further attempt is made. Default,
	// and for nil: Voice, Blacklisted and Failed. Add Busy and NoDialtone to
	// give up on those.
	Stop []Outcome

	// Timeout bounds the whole: setting up, attempts and pauses. Default, and
	// for 0 or less: none.
	Timeout time.Duration
}

const defaultPause = 5 * time.Second

func (r *Redial) stops(o Outcome) bool {
	if r.Stop == nil {
		return o == Voice || o == Blacklisted || o == Failed
	}
	return slices.Contains(r.Stop, o)
}

func (r *Redial) pauseAfter(o Outcome) time.Duration {
	if p, ok := r.Pauses[o]; ok {
		return p
	}
	if r.Pause == 0 {
		return defaultPause
	}
	return r.Pause
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

// DialError says that no attempt led to a connection. It matches the error of
// the last one, so also its RAS code.
type DialError struct {
	Attempts []Attempt // all that were made; at least one
	Err      error     // why no further one was made: the last one's error, or the limit's
}

// Error tells the number of attempts and why the last one failed.
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
	run := dialing{Dialer: d, modem: New(dialog, d.Config), start: time.Now()}
	if err := run.prepare(call); err != nil {
		return err
	}
	if d.Redial.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.Redial.Timeout, &script.RunTimeoutError{Limit: d.Redial.Timeout})
		defer cancel()
		ctx = limited
	}
	if err := run.setUp(ctx); err != nil {
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
	if len(r.numbers) == 0 {
		_, err := CheckNumber("")
		return err
	}
	for _, n := range r.numbers {
		if _, err := CheckNumber(n); err != nil {
			return err
		}
	}
	for _, c := range r.commands {
		if _, err := CheckCommand(c); err != nil {
			return err
		}
	}
	return checkPrefix(r.modem.cfg.DialPrefix)
}

// setUp sends the initial commands.
func (r *dialing) setUp(ctx context.Context) error {
	r.tell(script.State{Conn: ras.StateConnectDevice, Text: "setting up the modem"})
	err := r.modem.Init(ctx, r.commands...)
	if err != nil {
		r.tell(script.State{Conn: ras.StateConnectDevice, Err: err})
	}
	return err
}

// dial makes attempts until one succeeds or the policy stops it.
func (r *dialing) dial(ctx context.Context) error {
	most := r.Redial.Attempts
	if most <= 0 {
		most = len(r.numbers)
	}
	for i := range most {
		err := r.attempt(ctx, i)
		if err == nil {
			return nil
		}
		outcome := OutcomeOf(err)
		if i == most-1 || ctx.Err() != nil || !isOutcome(err) || r.Redial.stops(outcome) {
			return &DialError{Attempts: r.attempts, Err: err}
		}
		if err := r.modem.dialog.Pause(ctx, r.Redial.pauseAfter(outcome)); err != nil {
			return &DialError{Attempts: r.attempts, Err: err}
		}
	}
	return nil
}

// isOutcome reports whether an attempt failed in a way that another might not.
func isOutcome(err error) bool {
	var o *OutcomeError
	return errors.As(err, &o) || isTimeout(err)
}

// attempt dials once and tells about it.
func (r *dialing) attempt(ctx context.Context, i int) error {
	a := Attempt{Index: i + 1, Number: r.numbers[i%len(r.numbers)], Start: time.Now()}
	r.tell(script.State{Conn: ras.StateConnectDevice, Attempt: a.Index, Number: a.Number, Text: "dialling"})
	a.Result, a.Err = r.modem.Dial(ctx, a.Number)
	a.Took = time.Since(a.Start)
	r.attempts = append(r.attempts, a)
	if r.OnAttempt != nil {
		r.OnAttempt(a)
	}
	p := script.State{Conn: ras.StateDeviceConnected, Attempt: a.Index, Number: a.Number, Text: a.Result.Text}
	if a.Err != nil {
		p.Conn, p.Err = ras.StateConnectDevice, a.Err
		r.tell(p)
		return a.Err
	}
	r.tell(p)
	p.Conn = ras.StateAllDevicesConnected
	r.tell(p)
	return nil
}

func (r *dialing) tell(p script.State) {
	if r.OnState != nil {
		p.Time, p.Elapsed = time.Now(), time.Since(r.start)
		r.OnState(p)
	}
}
