package modem

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Dial calls a number and returns the CONNECT result, after which the modem is
// online: the next byte of the line is the peer's first. CheckNumber describes
// what a number may hold; with Config.Addresses, CheckAddress.
//
// The error is an *InputError, or a *CommandError. The latter holds an
// *OutcomeError if the modem gives another result, which matches the outcome's
// RAS code. If none is received within Config.DialTimeout, or the context ends
// first, the call is given up as V.250 specifies, by sending a carriage return, and
// by DTR if that brings no answer. OK is no result of a call, and is passed over.
//
// A call that is up or being set up does not outlive a run that fails; see
// Config.KeepCall.
func (m *Modem) Dial(ctx context.Context, number string) (Result, error) {
	body, err := m.cfg.dialBody(number)
	if err != nil {
		return Result{}, err
	}
	return m.connect(ctx, request{body: body, timeout: m.cfg.DialTimeout, final: isCallResult})
}

// dialBody returns the command line that dials a number or an address.
func (c *Config) dialBody(number string) (string, error) {
	prefix := c.DialPrefix
	if err := checkPrefix(prefix); err != nil {
		return "", err
	}
	check := CheckNumber
	isAddress := strings.ContainsAny(number, ":") || strings.ContainsFunc(number, func(r rune) bool {
		return r > '9' && strings.ToUpper(string(r)) > "D" && !strings.ContainsRune("TPWtpw@", r)
	})
	if c.Addresses && isAddress {
		check = CheckAddress
	}
	digits, err := check(number)
	if err != nil {
		return "", err
	}
	return prefix + digits, nil
}

// checkPrefix checks Config.DialPrefix.
func checkPrefix(prefix string) error {
	if prefix[0] != 'D' {
		return &InputError{What: "dial prefix", Pos: 1, Why: "begin it with D", Code: ras.ErrInvalidParameter}
	}
	if _, err := CheckNumber(prefix[1:] + "0"); err != nil {
		var in *InputError
		errors.As(err, &in)
		return &InputError{What: "dial prefix", Pos: in.Pos + 1, Why: in.Why, Code: ras.ErrInvalidParameter}
	}
	return nil
}

// Connect sends a command that makes a connection without dialling, such as
// AT+CGDATA="PPP",1 or AT+QIOPEN with a transparent mode, and returns the CONNECT
// result as Dial does. Results of calls and the ERROR of the command end it.
func (m *Modem) Connect(ctx context.Context, command string) (Result, error) {
	body, err := CheckCommand(command)
	if err != nil {
		return Result{}, err
	}
	return m.connect(ctx, request{body: body, timeout: m.cfg.DialTimeout, final: isCallResult})
}

// Answer answers an incoming call and returns the CONNECT result, as Dial does.
func (m *Modem) Answer(ctx context.Context) (Result, error) {
	if m.state == OnlineMode && m.ring.connect.Outcome == Connect {
		return m.ring.connect, nil // by S0, before this
	}
	return m.connect(ctx, request{body: "A", timeout: m.cfg.DialTimeout, final: isCallResult})
}

// Online returns to a call after Escape and returns the result: CONNECT, or OK
// from some modems. ras.ErrNoCarrier means that there is no call any more.
// Without a result within Config.OnlineTimeout the error matches
// ras.ErrRequestTimeout; the modem then counts as online, for there are modems
// that send no result, and what was received stays for the next reader.
func (m *Modem) Online(ctx context.Context) (Result, error) {
	if err := m.ready(ctx); err != nil {
		return Result{}, err
	}
	m.keep = []byte{}
	r, err := m.exchange(ctx, request{body: "O", timeout: m.cfg.OnlineTimeout, final: func(o Outcome) bool { return isCallResult(o) || o == OK }})
	kept := m.keep
	m.keep = nil
	switch res := r.Result; {
	case script.IsTimeout(err):
		const echo = "ATO\r"
		if hasFold(string(kept), echo) {
			kept = kept[len(echo):]
		}
		m.putBack(kept)
		m.endLine("")
		m.setOnline()
		return res, err
	case err != nil:
		return res, err
	case res.Outcome == Connect || res.Outcome == OK:
		m.setOnline()
		return res, nil
	default:
		m.ended()
		return res, m.commandError("O", r.Lines, &OutcomeError{res})
	}
}

// isCallResult reports whether an outcome ends the making of a call.
func isCallResult(o Outcome) bool { return o != Unknown && o != Ring && o != Ongoing && o != OK }

// callState is the state that the Modems of one call share.
type callState struct {
	deferred bool
	dialled  bool   // a connection has been made in this run
	active   *Modem // has a call, up or being set up, that must not outlive a run that fails
}

// begin records that a call is being set up.
func (m *Modem) begin() {
	m.dialling, m.proven = true, false
	c := m.dialog.Call()
	state := script.Shared[callState](c)
	state.active = m
	if !state.deferred {
		state.deferred = true
		script.Defer(c, state.cleanUp)
	}
}

// setOnline records that a call is up and that what is sent is data.
func (m *Modem) setOnline() {
	m.begin()
	m.state, m.dialling, m.up = OnlineMode, false, true
	m.in.text, m.in.blank = m.in.text[:0], m.in.blank[:0]
	script.Shared[callState](m.dialog.Call()).dialled = true
}

// ended records that there is no call.
func (m *Modem) ended() {
	m.dialling, m.up = false, false
	script.Shared[callState](m.dialog.Call()).active = nil
}

// connect sends a command that leads to a connection and waits for it.
func (m *Modem) connect(ctx context.Context, req request) (Result, error) {
	if err := m.ready(ctx); err != nil {
		return Result{}, err
	}
	if m.up {
		return Result{}, m.commandError(req.body, nil, errHeld)
	}
	m.begin()
	r, err := m.exchange(ctx, req)
	res := r.Result
	switch {
	case script.IsTimeout(err):
		m.giveUp(ctx)
		res = Result{Outcome: TimedOut, Lines: r.Lines}
		if n := len(r.Lines); n > 0 {
			// A last line that is not known is most likely the result.
			if last, known := parseResult(r.Lines[n-1], &m.cfg); !known {
				res.Outcome, res.Text = Unknown, last.Text
				return res, m.commandError(req.body, r.Lines, &OutcomeError{res})
			}
		}
		return res, err
	case err != nil && res.Outcome != Failed:
		m.giveUp(ctx)
		return res, err
	case res.Outcome == Connect:
		m.setOnline()
		return res, nil
	}
	// A modem that is off hook after a failed call answers the next character,
	// whatever it is.
	m.ended()
	m.state = Unsynchronised
	if err == nil {
		err = m.commandError(req.body, r.Lines, &OutcomeError{res})
	}
	return res, err
}

var errHeld = &ras.Error{Code: ras.ErrDialAlreadyInProgress, Err: errors.New("a call is up: use HangUp or Online first")}

// giveUp aborts a call that is being set up. It has its own limits, since the
// context may have ended. If that has failed the whole session as well, the run
// cleans up at its end.
func (m *Modem) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.HangUpTimeout)
	defer cancel()
	m.logf(ctx, "give the call up", "CR")
	switch ended, err := m.abort(ctx); {
	case err != nil, ended:
	case m.state == OnlineMode:
		m.HangUp(ctx)
	default:
		if lines, _, err := linesOf(m.dialog.Call()); err == nil {
			m.holdDTR(ctx, lines, false)
		}
	}
}

// abort sends a carriage return, which ends a call that is being set up, and
// reports whether the modem has confirmed that. A call that has been set up in
// the meantime makes the modem online.
func (m *Modem) abort(ctx context.Context) (ended bool, err error) {
	if err := m.sendLine(ctx, "", ""); err != nil {
		return false, err
	}
	for until := time.Now().Add(abortTimeout); ; {
		l, err := m.readLine(ctx, until)
		if script.IsTimeout(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		res, known := m.result(l)
		switch {
		case !known || res.Outcome == Ring || res.Outcome == Ongoing:
		case res.Outcome == Connect:
			m.setOnline()
			return false, nil
		default:
			m.ended()
			m.proven = true
			return true, nil
		}
	}
}

// cleanUp hangs up at the end of a run that has failed.
func (s *callState) cleanUp(ctx context.Context, p port.Port, runErr error) error {
	m := s.active
	if runErr == nil || m == nil || m.cfg.KeepCall {
		return nil
	}
	s.active = nil
	if errors.Is(runErr, port.ErrCarrierLost) || errors.Is(runErr, port.ErrRemoved) {
		return nil // the call has ended, or the modem cannot be reached
	}
	rep, err := hangUp(ctx, p, &m.source, m)
	if m.cfg.OnHangUp != nil {
		m.cfg.OnHangUp(rep, err)
	}
	return err
}
