package modem

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Method is a way to hang up.
type Method uint8

// The methods.
const (
	// DTR drops DTR for Config.DropTime, which hangs up modems set to &D2. It
	// needs a port with modem lines.
	DTR Method = iota + 1

	// ATH sends +++ and ATH.
	ATH

	// CR sends a carriage return, which ends a call that is being set up. HangUp
	// always does so first where there is one.
	CR
)

// String returns "DTR", "ATH" or "CR".
func (m Method) String() string {
	switch m {
	case DTR:
		return "DTR"
	case ATH:
		return "ATH"
	case CR:
		return "CR"
	}
	return "none"
}

// ParseMethods reads what the flags of programs and files call the ways to hang up,
// in any letter case: "dtr", "ath", "both" (DTR, then ATH) or "none", which is an
// empty slice.
func ParseMethods(s string) ([]Method, error) {
	switch strings.ToLower(s) {
	case "dtr":
		return []Method{DTR}, nil
	case "ath":
		return []Method{ATH}, nil
	case "both":
		return []Method{DTR, ATH}, nil
	case "none":
		return []Method{}, nil
	}
	return nil, fmt.Errorf("%q: use dtr, ath, both or none", s)
}

// HangupReport describes how a call was ended.
type HangupReport struct {
	// Method is the one that worked, or the last that was carried out without
	// proof; 0 if there is none.
	Method Method

	// Proved is whether DCD was on at the start and has fallen.
	Proved bool

	// Confirmed is whether the modem has answered that the call is over.
	Confirmed bool

	// Tried holds the error of each method that did not work, in order.
	Tried []error

	// Took is the duration of the hang-up.
	Took time.Duration
}

// errStillOn reports that a hang-up has had no effect on DCD.
var errStillOn = errors.New("DCD is still on")

// HangUp ends the call with the first of the methods that works; with no
// argument it tries DTR and then ATH, with an empty slice nothing. A call that is
// being set up is ended by a carriage return first.
//
// A DTR drop has worked when DCD was on at the start and has fallen within
// Config.CarrierTimeout. Where it was off already, which may be a cable without
// the wire, the drop shows nothing, and the next method is tried as well. ATH
// has worked when the modem has confirmed it: by OK, by NO CARRIER, or by ERROR
// from a modem that has no call; one that has answered +++, or asserts DCD, has
// one and refuses. A modem that is online and gives no answer to +++ is sent it
// once more. DCD is awaited, but modems set to &C0 assert it all the time. DTR is
// asserted again in any case.
//
// HangUp is clean-up: it runs also when ctx has ended, for Config.HangUpTimeout at
// most. The error is a *HangupError if no method has worked. A drop that could
// not be proved is one as well, with Unproved set, unless the port has no modem
// lines and every method was carried out. Afterwards the modem is in command
// mode or, after a DTR drop, unsynchronised.
func (m *Modem) HangUp(ctx context.Context, methods ...Method) (rep HangupReport, err error) {
	if methods == nil {
		methods = []Method{DTR, ATH}
	}
	if len(methods) == 0 {
		return rep, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.HangUpTimeout)
	defer cancel()
	start := time.Now()
	defer func() { rep.Took = time.Since(start) }()
	if m.dialling && m.state != OnlineMode {
		m.logf(ctx, "hang up", "CR")
		switch ended, err := m.abort(ctx); {
		case err != nil:
			rep.Tried = append(rep.Tried, fmt.Errorf("CR: %w", err))
		case ended:
			rep.Method, rep.Confirmed = CR, true
			return rep, nil
		}
	}
	unproved := false
	for _, method := range methods {
		m.logf(ctx, "hang up", method.String())
		var proved, confirmed bool
		var err error
		switch method {
		case DTR:
			proved, err = m.dropDTR(ctx)
		case ATH:
			proved, confirmed, err = m.sendATH(ctx)
		default:
			err = fmt.Errorf("no such method: use modem.DTR or modem.ATH")
		}
		if err != nil {
			rep.Tried = append(rep.Tried, fmt.Errorf("%v: %w", method, err))
			continue
		}
		rep.Method, rep.Proved, rep.Confirmed = method, proved, confirmed
		if proved || confirmed {
			m.ended()
			return rep, nil
		}
		unproved = true
	}
	rep.Took = time.Since(start)
	if _, _, err := linesOf(m.dialog.Call()); err != nil && unproved && len(rep.Tried) == 0 {
		m.ended()
		return rep, nil
	}
	return rep, &HangupError{Report: rep, Unproved: unproved}
}

// HangupError reports that a call may still be up. It matches
// ras.ErrHangupFailed and the methods' errors.
type HangupError struct {
	Report HangupReport

	// Unproved is whether a method was carried out and nothing shows that it has
	// worked. Otherwise every method has failed.
	Unproved bool
}

// Error names each method with its error.
func (e *HangupError) Error() string {
	var parts []string
	if e.Unproved {
		parts = append(parts, fmt.Sprintf("%v: carried out, but DCD was off before and proves nothing", e.Report.Method))
	}
	for _, err := range e.Report.Tried {
		parts = append(parts, err.Error())
	}
	text := "cannot hang up: "
	if e.Unproved {
		text = "cannot prove that the call is hung up: "
	}
	return text + strings.Join(parts, "; ")
}

// Unwrap returns ras.ErrHangupFailed and the methods' errors.
func (e *HangupError) Unwrap() []error {
	return append([]error{ras.ErrHangupFailed}, e.Report.Tried...)
}

// dropDTR holds DTR off for its time and until DCD has fallen, if it was on.
func (m *Modem) dropDTR(ctx context.Context) (proved bool, err error) {
	lines, before, err := linesOf(m.dialog.Call())
	if err != nil {
		return false, err
	}
	known := before.Has(port.DCD)
	proved, err = m.holdDTR(ctx, lines, known)
	if err == nil && known && !proved {
		err = errStillOn
	}
	return proved, err
}

// holdDTR holds DTR off for its time, and until DCD has fallen if that is to be
// awaited, and asserts it again in any case.
func (m *Modem) holdDTR(ctx context.Context, lines port.LineController, awaited bool) (fell bool, err error) {
	if err := lines.SetLines(port.DTR, 0); err != nil {
		return false, err
	}
	start := time.Now()
	if awaited {
		fell, err = awaitFall(ctx, lines, m.cfg.CarrierTimeout)
	}
	if err == nil {
		err = m.dialog.Pause(ctx, m.cfg.DropTime-time.Since(start))
	}
	m.state = Unsynchronised
	if fell {
		m.proven = true
		m.ended()
	}
	return fell, errors.Join(err, lines.SetLines(port.DTR, port.DTR))
}

// sendATH escapes if need be and has the modem hang up.
func (m *Modem) sendATH(ctx context.Context) (proved, confirmed bool, err error) {
	lines, before, lineErr := linesOf(m.dialog.Call())
	known := lineErr == nil && before.Has(port.DCD)
	body := "H"
	held := false // whether there is a call that the modem has answered +++ in
	switch {
	case m.state == CommandMode:
		held = m.up
	case m.state == Unsynchronised && m.proven: // an answer may be outstanding
		if err := m.Sync(ctx); err != nil {
			return false, false, err
		}
	default:
		if err := m.dialog.Pause(ctx, m.cfg.Guard); err != nil {
			return false, false, err
		}
		online := m.state == OnlineMode || known
		err := m.escapeCall(ctx, online)
		if script.IsTimeout(err) {
			// The modem may have been in command mode before, with +++ now at
			// the head of its line, or send no results. One line serves both;
			// further lines could be input to a login host.
			body = "Q0V1H"
			err = m.sendLine(ctx, "", "")
		}
		if err != nil && !errors.Is(err, ras.ErrRemoteDisconnection) {
			return false, false, err
		}
		held = body == "H" && err == nil
	}
	if _, err := m.strays(ctx); err != nil {
		return false, false, err
	}
	refusal, err := m.sendH(ctx, body)
	if err != nil {
		return false, false, err
	}
	if body != "H" {
		// The answer may be a late one to another line: synchronise and repeat.
		m.state = Unsynchronised
		if err := m.Sync(ctx); err != nil {
			return false, false, err
		}
		if _, err := m.sendH(ctx, "H"); err != nil {
			return false, false, err
		}
	}
	if err := m.quiet(ctx, m.cfg.CommandTimeout); err != nil { // OK may follow NO CARRIER
		return false, false, err
	}
	if known {
		if proved, err = awaitFall(ctx, lines, m.cfg.CarrierTimeout); err != nil {
			return false, refusal == nil, err
		}
	}
	if refusal != nil && !proved && (held || known) {
		return false, false, refusal
	}
	return proved, true, nil
}

// escapeCall sends +++, and once more if a modem that is online does not answer.
// It may have received data within its guard time, which was in flight, or have a
// longer guard time, in S12, than Config.Guard; +++ was then data. The wait for
// the answer was a longer silence.
func (m *Modem) escapeCall(ctx context.Context, online bool) error {
	limit := m.cfg.Guard + m.cfg.ProbeTimeout
	_, err := m.escapeNow(ctx, limit, 0)
	if online && script.IsTimeout(err) {
		m.logf(ctx, "hang up", escapeSequence+" again")
		_, err = m.escapeNow(ctx, limit, 0)
	}
	return err
}

// sendH sends the command that hangs up. ERROR, which is returned as a refusal, is
// the answer of some modems that have no call; of one that has a call it is none.
func (m *Modem) sendH(ctx context.Context, body string) (refusal, err error) {
	_, err = m.exchange(ctx, request{body: body, timeout: m.cfg.CommandTimeout, final: func(o Outcome) bool {
		return o == OK || o == NoCarrier || o == Failed // NO CARRIER is OK of some modems
	}})
	if OutcomeOf(err) == Failed {
		return err, nil
	}
	return nil, err
}

// awaitFall waits until DCD is off, for the limit at most, and reports whether
// it is.
func awaitFall(ctx context.Context, lines port.LineController, limit time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		now, err := lines.Lines()
		if err != nil || !now.Has(port.DCD) {
			return err == nil, err
		}
		if ctx.Err() != nil {
			return false, nil
		}
		waitChange(ctx, lines, port.DCD)
	}
}

// waitChange waits until a line of mask may have changed. A change before the wait
// has begun is not reported, hence the limit.
func waitChange(ctx context.Context, lines port.LineController, mask port.Lines) {
	ctx, cancel := context.WithTimeout(ctx, pollLines)
	defer cancel()
	lines.WaitLines(ctx, mask)
}

// HangUp ends a call on p after a script has ended, however it ended: it runs
// Modem.HangUp on a session of its own, also with a context that has ended. The
// modem is assumed to be online. The port stays open.
func HangUp(ctx context.Context, p port.Port, cfg *Config, methods ...Method) (HangupReport, error) {
	return hangUp(ctx, p, cfg, nil, methods...)
}

// EndCall returns an Executor that hangs up in the middle of a Sequence: a script
// that is called back runs a Dialer, asks for the callback, and continues with
// EndCall and an Answerer. The modem is assumed to be online. A nil cfg means the
// zero Config.
func EndCall(cfg *Config) script.Executor {
	return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		defer d.Close()
		m := New(d, cfg)
		m.SetOnline()
		_, err := m.HangUp(ctx, m.cfg.HangUp...)
		return err
	})
}

// hangUp is HangUp with the state of another Modem; nil: online.
func hangUp(ctx context.Context, p port.Port, cfg *Config, known *Modem, methods ...Method) (rep HangupReport, err error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if methods == nil {
		methods = c.HangUp
	}
	_, err = script.Run(context.WithoutCancel(ctx), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, &script.DialogConfig{Log: c.Log})
		defer d.Close()
		m := New(d, &c)
		m.SetOnline()
		if known != nil {
			m.state, m.notation, m.dialling, m.up, m.proven, m.in.ends = known.state, known.notation, known.dialling, known.up, known.proven, known.in.ends
		}
		rep, err = m.HangUp(ctx, methods...)
		return err
	}), nil)
	return rep, err
}
