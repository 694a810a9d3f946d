package dialup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/tee"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

// disconnectTimeout bounds a script that runs before the hang-up.
const disconnectTimeout = 30 * time.Second

// Dial makes the connection of an entry: it opens the port, runs Before, dials,
// and runs Script under a watch on the carrier. ctx bounds that and not the Conn.
//
// If anything fails, or ctx ends, Dial runs Disconnect where a call was up, hangs
// up, and closes the port before it returns; see HangUp for what that needs at
// most. It does so, too, when a function of cfg panics. The error is an *Error; it
// matches the cause, such as a *modem.DialError, a *modem.CarrierError,
// ras.ErrAuthenticationFailure or the context's error, and ras.CodeOf gives its
// code. A nil cfg means the zero Config.
func Dial(ctx context.Context, e *Entry, cfg *Config) (*Conn, error) {
	d := &dial{entry: *e, start: time.Now()}
	if cfg != nil {
		d.cfg = *cfg
	}
	var logs tee.Handler
	if d.cfg.Log != nil {
		logs = append(logs, d.cfg.Log)
	}
	if d.cfg.Record != nil {
		logs = append(logs, d.cfg.Record.Handler())
	}
	d.log = slog.New(logs)
	if err := d.entry.Check(); err != nil {
		return nil, err
	}
	needs := func(part script.Executor) bool {
		u, ok := part.(script.TerminalUser)
		return ok && u.NeedsTerminal()
	}
	if d.cfg.Terminal == nil && slices.ContainsFunc([]script.Executor{e.Before, e.Script, e.Disconnect}, needs) {
		return nil, d.entry.fail("check", errNoTerminal)
	}
	if d.entry.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.entry.Timeout, &script.RunTimeoutError{Limit: d.entry.Timeout})
		defer cancel()
		ctx = limited
	}
	d.tell(State{Conn: ras.StateOpenPort, Text: "opening " + d.entry.Port})
	open := d.cfg.Open
	if open == nil {
		open = portname.Open
	}
	p, err := open(ctx, d.entry.Port, d.entry.PortConfig)
	if err != nil {
		if ctx.Err() == context.Canceled && errors.Is(err, context.Canceled) {
			err = ras.ContextError(ctx) // whose code and text are not those of a port that failed
		}
		d.tell(State{Conn: ras.StateOpenPort, Err: err})
		return nil, d.entry.fail("open", err)
	}
	if d.cfg.Record != nil {
		p = capture.Record(p, d.cfg.Record)
	}
	d.port = p
	return d.connect(ctx)
}

// dial is one run of Dial, and afterwards what its Conn needs of it.
type dial struct {
	entry Entry
	cfg   Config
	log   *slog.Logger
	start time.Time

	port    port.Port
	mask    func([]byte) []byte // of the call; nil before it
	carrier bool                // DCD was seen when the modem had connected
	proof   string              // how the call of a dial that failed was hung up
}

// connect makes the connection on the port, which it closes if that fails.
func (d *dial) connect(ctx context.Context) (*Conn, error) {
	p := d.port
	returned := false
	var res *script.Result
	var err error
	defer func() {
		if returned {
			return
		}
		// A function of the caller has panicked outside the run, and the caller
		// may recover.
		d.cfg.OnState = nil
		if res != nil && err == nil {
			newConn(d, res).Close()
		} else {
			p.Close()
		}
	}()
	if err := d.entry.lacks(p); err != nil {
		returned = true
		p.Close()
		return nil, d.entry.fail("check", err)
	}
	d.tell(State{Conn: ras.StatePortOpened, Text: "the port is open"})
	res, err = script.Run(ctx, p, script.ExecutorFunc(d.execute), &script.Config{
		Params:    &d.entry.Params,
		Phonebook: d.entry.Phonebook,
		Entry:     d.entry.Name,
		Terminal:  d.cfg.Terminal,
		Exact:     d.cfg.Exact,
		Log:       slog.New(tee.Without(d.log.Handler(), "state")), // dial has its own: a run is its last part alone
	})
	if err != nil {
		if errors.As(err, new(*script.RunTimeoutError)) && res.Stats.Received == 0 {
			err = fmt.Errorf("%w; nothing was received", err)
		}
		err = errors.Join(err, d.giveUp(ctx, p, err))
		err = errors.Join(err, p.Close())
		text := ras.CodeOf(err).Text()
		if d.proof != "" {
			text += "; " + d.proof
		}
		returned = true
		d.tell(State{Conn: ras.StateDisconnected, Text: text, Err: err})
		return nil, d.entry.fail("dial", err)
	}
	d.tell(State{Conn: ras.StateConnected, Text: connectedText(res)})
	returned = true
	return newConn(d, res), nil
}

// execute is what runs on the port: all parts of the entry.
func (d *dial) execute(ctx context.Context, call *ras.Call) error {
	d.mask = call.Mask
	if d.entry.Before != nil {
		d.tell(State{Conn: ras.StateInteractive, Text: "running the script before dialling"})
		if err := d.entry.Before.Execute(ctx, call); err != nil {
			return err
		}
	}
	switch {
	case d.entry.Answerer != nil:
		if err := d.answerer().Execute(ctx, call); err != nil {
			return err
		}
	case d.entry.Dialer != nil:
		dialer := *d.entry.Dialer // with what this dial adds to it
		dialer.Config = d.modem()
		after := dialer.OnState
		dialer.OnState = func(s State) {
			if after != nil {
				after(s)
			}
			d.tell(s)
		}
		if err := dialer.Execute(ctx, call); err != nil {
			return err
		}
	}
	if l, err := (port.Forward{Port: d.port}).Lines(); err == nil {
		d.carrier = l.Has(port.DCD)
	}
	if d.entry.Disconnect != nil {
		// Deferred after the modem's own clean-up, so it runs before that.
		script.Defer(call, func(ctx context.Context, p port.Port, err error) error {
			if err == nil || !reachable(err) {
				return nil
			}
			return d.disconnect(ctx, p)
		})
	}
	if d.entry.Script == nil {
		return nil
	}
	d.tell(State{Conn: ras.StateInteractive, Text: "logging in"})
	carrier := modem.CarrierConfig{}
	if d.entry.Carrier != nil {
		carrier = *d.entry.Carrier
	}
	if carrier.Step == "" {
		carrier.Step = "login"
	}
	return modem.WatchCarrier(d.entry.Script, &carrier).Execute(ctx, call)
}

// answerer returns the entry's Answerer with what this dial adds to it.
func (d *dial) answerer() *modem.Answerer {
	answerer := *d.entry.Answerer
	answerer.Config = d.modem()
	afterState, afterRing := answerer.OnState, answerer.OnRing
	answerer.OnState = func(s State) {
		if afterState != nil {
			afterState(s)
		}
		d.tell(s)
	}
	answerer.OnRing = func(c modem.IncomingCall) {
		if afterRing != nil {
			afterRing(c)
		}
		text := fmt.Sprintf("ring %d", c.Count)
		for _, more := range []string{c.Number, c.Name, c.Kind} {
			if more != "" {
				text += ", " + more
			}
		}
		d.tell(State{Conn: ras.StateWaitForCallback, Text: text})
	}
	return &answerer
}

// modem returns what is expected of the modem, with the entry's HangUp.
func (d *dial) modem() *modem.Config {
	var c modem.Config
	switch {
	case d.entry.Answerer != nil && d.entry.Answerer.Config != nil:
		c = *d.entry.Answerer.Config
	case d.entry.Dialer != nil && d.entry.Dialer.Config != nil:
		c = *d.entry.Dialer.Config
	}
	after := c.OnHangUp
	c.OnHangUp = func(rep modem.HangupReport, err error) {
		if err == nil {
			d.proof = proof(rep)
		}
		if after != nil {
			after(rep, err)
		}
	}
	if d.entry.HangUp != nil {
		c.HangUp, c.KeepCall = d.entry.HangUp, len(d.entry.HangUp) == 0
	}
	if c.Log == nil {
		c.Log = d.log
	}
	return &c
}

// giveUp drops DTR after a dial over a line without a Dialer has failed, so that a
// modem that a script has dialled is not left online. A Dialer's call is hung up
// by the run itself.
func (d *dial) giveUp(ctx context.Context, p port.Port, cause error) error {
	methods := d.entry.HangUp
	if d.entry.hasModem() || !reachable(cause) {
		return nil
	}
	if methods == nil {
		if port.AbilitiesOf(p)&port.AbilityLines == 0 {
			return nil
		}
		methods = []modem.Method{modem.DTR}
	}
	if len(methods) == 0 {
		return nil
	}
	_, err := modem.HangUp(ctx, p, d.modem(), methods...)
	if errors.Is(err, errors.ErrUnsupported) || unproved(err) {
		return nil // there may have been no call
	}
	return err
}

// proof describes how a call was hung up.
func proof(r modem.HangupReport) string {
	switch {
	case r.Method == 0 && r.Proved:
		return "the carrier was lost"
	case r.Method == 0:
		return "the modem has reported the end of the call"
	case r.Proved:
		return "hung up by " + r.Method.String() + ", DCD has fallen"
	case r.Confirmed:
		return "hung up by " + r.Method.String() + ", the modem has confirmed it"
	}
	return "hung up by " + r.Method.String()
}

// unproved reports whether a hang-up was carried out without a proof.
func unproved(err error) bool {
	var e *modem.HangupError
	return errors.As(err, &e) && e.Unproved
}

// disconnect runs the entry's last script, within a time of its own.
func (d *dial) disconnect(ctx context.Context, p port.Port) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectTimeout)
	defer cancel()
	_, err := script.Run(ctx, p, d.entry.Disconnect, &script.Config{
		Params: &d.entry.Params, Phonebook: d.entry.Phonebook, Entry: d.entry.Name, Log: d.log,
	})
	if err != nil {
		return fmt.Errorf("disconnect script: %w", err)
	}
	return nil
}

// reachable reports whether the line may still be there after an error.
func reachable(err error) bool {
	return !errors.Is(err, port.ErrRemoved) && !errors.Is(err, port.ErrCarrierLost)
}

// tell reports a state.
func (d *dial) tell(s State) {
	s.Time = time.Now()
	s.Elapsed = s.Time.Sub(d.start)
	if s.Err != nil && s.Text == "" {
		s.Text = "failed"
	}
	if s.Number != "" && !strings.Contains(s.Text, s.Number) {
		s.Text = s.Number + " " + s.Text
	}
	masked := func(text string) string { // of an error that quotes what the peer has sent
		if d.mask == nil {
			return text
		}
		return string(d.mask([]byte(text)))
	}
	s.Text = masked(s.Text)
	args := []any{"state", s.Conn.String(), "text", s.Text}
	if s.Attempt > 0 {
		args = append(args, "attempt", s.Attempt)
	}
	if s.Err != nil {
		args = append(args, "error", masked(s.Err.Error()))
	}
	d.log.Info("state", args...)
	if d.cfg.OnState != nil {
		d.cfg.OnState(s)
	}
}

// connectedText describes how a login went.
func connectedText(res *script.Result) string {
	text := fmt.Sprintf("logged in after %v, %d bytes in, %d out", res.Duration.Round(time.Millisecond), res.Stats.Received, res.Stats.Sent)
	if res.Params.UserName != "" {
		text = res.Params.UserName + " " + text
	}
	if res.IPAddr.IsValid() {
		text += ", address " + res.IPAddr.String()
	}
	if n := len(res.Unread); n > 0 {
		text += fmt.Sprintf(", %d bytes wait for PPP", n)
	}
	return text
}
