package modem

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// IncomingCall is a call that rings.
type IncomingCall struct {
	Number string // the caller's, from NMBR=, +CLIP: or after RING; "" if the modem does not send it
	Name   string // the caller's, from NAME= or +CLIP:
	Date   string // the date and the time that the exchange has sent, from DATE= and TIME=
	Kind   string // which ring, where the modem distinguishes them: "A" of RING A, "VOICE" of +CRING: VOICE
	Count  int    // how often it has rung

	// Connect is the result of a call that S0 has answered; the modem is online
	// then. Its Outcome is Unknown while it rings.
	Connect Result
}

// ringing gathers what is received about an incoming call.
type ringing struct {
	ring    IncomingCall
	last    time.Time // when it rang last
	unseen  bool      // WaitRing has not reported it yet
	connect Result
}

// forgotten is after how much silence a ring belongs to another call: networks
// ring every six seconds at most.
const forgotten = 10 * time.Second

// ringing processes a RING line.
func (r *ringing) ringing(text string) {
	if time.Since(r.last) > forgotten {
		if r.ring.Count > 0 { // what is known belongs to the call before
			r.ring = IncomingCall{}
		}
		r.ring = IncomingCall{Number: r.ring.Number, Name: r.ring.Name, Date: r.ring.Date}
	}
	r.last, r.unseen = time.Now(), true
	r.ring.Count++
	rest := strings.TrimLeft(text[strings.Index(strings.ToUpper(text), "RING")+len("RING"):], ":;,/ ")
	switch {
	case rest == "":
	case len(rest) >= 3 && skipDigits(strings.TrimPrefix(rest, "+"), 0) > 0:
		r.ring.Number = rest
	default:
		r.ring.Kind = rest
	}
}

// identify reads a line about the caller.
func (r *ringing) identify(text string) {
	name, value, ok := strings.Cut(text, "=")
	value = strings.TrimSpace(value)
	switch name = strings.ToUpper(strings.TrimSpace(name)); {
	case ok && name == "NMBR":
		r.ring.Number = value
	case ok && name == "NAME":
		r.ring.Name = value
	case ok && (name == "DATE" || name == "TIME"):
		r.ring.Date = strings.TrimSpace(r.ring.Date + " " + value)
	case hasFold(text, "+CLIP:"):
		values := splitValues(text[len("+CLIP:"):])
		r.ring.Number = values[0]
		if len(values) > 4 {
			r.ring.Name = values[4]
		}
	}
}

// WaitRing waits until the modem rings, for the timeout at most; 0 or less is no
// limit. It returns what is known of the call by then: modems send the caller's
// number between the first ring and the second, so a second WaitRing knows it. A
// ring that was received shortly before, by Sync for one, counts. With S0 set
// the modem answers by itself; WaitRing then returns with Connect set and the
// modem online.
//
// The error is a *CommandError, or a *script.TimeoutError if nothing has rung.
func (m *Modem) WaitRing(ctx context.Context, timeout time.Duration) (IncomingCall, error) {
	if err := m.Sync(ctx); err != nil {
		return IncomingCall{}, err
	}
	if timeout <= 0 {
		timeout = forever
	}
	start := time.Now()
	for {
		if m.ring.unseen && time.Since(m.ring.last) < forgotten {
			m.ring.unseen = false
			return m.ring.ring, nil
		}
		l, err := m.readLine(ctx, start.Add(timeout))
		if script.IsTimeout(err) {
			return IncomingCall{}, m.timeout("RING", start, timeout)
		}
		if err == nil {
			err = m.unasked(ctx, l, "")
		}
		if err != nil {
			return IncomingCall{}, m.commandError("", nil, err)
		}
		if r, known := m.result(l); known && r.Outcome == Connect {
			m.setOnline()
			m.ring.connect = r
			ring := m.ring.ring
			ring.Connect = r
			return ring, nil
		}
	}
}

// Answerer is a script.Executor that waits for a call and answers it. When it has
// succeeded the modem is online, and the next executor gets the peer's first
// byte. The zero Answerer answers the first call at its first ring. An Answerer
// may be used for several concurrent runs if its functions allow it.
//
// A callback, in which a host calls its caller back, is a Dialer, a
// script that requests it, EndCall and an Answerer.
type Answerer struct {
	// Config is what is expected of the modem. Default: the zero Config.
	Config *Config

	// Dialog is the configuration of the Dialog that is used, for its log.
	// Default: the zero DialogConfig.
	Dialog *script.DialogConfig

	// Init are the commands before the wait; see CheckCommand. A modem reports
	// callers after a command such as AT+VCID=1 or AT+CLIP=1. Default, and for
	// nil: ATZ, ATQ0V1E1 and ATS0=0.
	Init []string

	// Rings is at which ring the call is answered. Callers are known from the
	// second on. Default, and for 0 or less: the first.
	Rings int

	// Accept decides whether a call is answered: by its number, by its kind of
	// ring. One that is refused is left to ring, and the next is awaited. A call
	// that S0 has answered is hung up if it is refused. Default: all are answered.
	Accept func(IncomingCall) bool

	// Timeout bounds the wait for a call. Default, and for 0 or less: no limit.
	Timeout time.Duration

	// OnRing is called at every ring. Default: none.
	OnRing func(IncomingCall)

	// OnState is called with the connection's states: ras.StateWaitForCallback
	// while it waits, then those of Dialer. Default: none.
	OnState func(script.State)
}

var _ script.Executor = (*Answerer)(nil)

// Execute waits for a call and answers it. The error is a *script.TimeoutError if
// nothing has called, an *InputError or a *CommandError.
func (a *Answerer) Execute(ctx context.Context, call *ras.Call) error {
	dialog := script.NewDialog(call, a.Dialog)
	defer dialog.Close()
	m := New(dialog, withLog(a.Config, a.Dialog))
	commands := a.Init
	if commands == nil {
		commands = []string{"ATZ", "ATQ0V1E1", "ATS0=0"}
	}
	for _, c := range commands {
		if _, err := CheckCommand(c); err != nil {
			return err
		}
	}
	start := time.Now()
	report := func(conn ras.ConnState, text string, err error) {
		if a.OnState != nil {
			a.OnState(script.State{Conn: conn, Text: text, Err: err, Time: time.Now(), Elapsed: time.Since(start)})
		}
	}
	report(ras.StateWaitForCallback, "setting up the modem", nil)
	res, err := a.answer(ctx, m, commands, report)
	if err != nil {
		report(ras.StateWaitForCallback, "", err)
		return err
	}
	report(ras.StateDeviceConnected, res.Text, nil)
	report(ras.StateAllDevicesConnected, res.Text, nil)
	return nil
}

func (a *Answerer) answer(ctx context.Context, m *Modem, commands []string, report func(ras.ConnState, string, error)) (Result, error) {
	if err := m.leaveCall(ctx); err != nil {
		return Result{}, err
	}
	if err := m.Init(ctx, commands...); err != nil {
		return Result{}, err
	}
	report(ras.StateWaitForCallback, "waiting for a call", nil)
	end := time.Now().Add(forever)
	if a.Timeout > 0 {
		end = time.Now().Add(a.Timeout)
	}
	for {
		ring, err := m.WaitRing(ctx, max(1, time.Until(end)))
		if err != nil {
			return Result{}, err
		}
		if a.OnRing != nil {
			a.OnRing(ring)
		}
		accepted := a.Accept == nil || a.Accept(ring)
		switch {
		case m.state == OnlineMode && accepted:
			return ring.Connect, nil
		case m.state == OnlineMode:
			if _, err := m.HangUp(ctx); err != nil {
				return Result{}, err
			}
		case accepted && ring.Count >= a.Rings:
			res, err := m.Answer(ctx)
			var o *OutcomeError
			if errors.As(err, &o) && o.Result.Outcome == NoCarrier {
				continue // the caller has given up
			}
			return res, err
		}
	}
}

// leaveCall ends a call that Sync has found up.
func (m *Modem) leaveCall(ctx context.Context) error {
	if err := m.Sync(ctx); err != nil {
		return err
	}
	if !m.up {
		return nil
	}
	_, err := m.HangUp(ctx, ATH)
	return err
}

// withLog returns a configuration with the dialog's log, if it has none.
func withLog(c *Config, d *script.DialogConfig) *Config {
	var full Config
	if c != nil {
		full = *c
	}
	if full.Log == nil && d != nil {
		full.Log = d.Log
	}
	return &full
}
