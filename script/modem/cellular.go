package modem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// CMEError is an error that a cellular module has named: +CME ERROR or +CMS
// ERROR, as numbers (after AT+CMEE=1) or as text (AT+CMEE=2). An OutcomeError
// wraps it. Sources: 3GPP TS 27.007, 9.2, and TS 27.005, 3.2.5.
type CMEError struct {
	Kind string // "CME" or "CMS"
	Code int    // the number; -1 for a text that is not known
	Text string // as the module sends it or from the table
}

// Error returns "+CME ERROR: TEXT (CODE)".
func (e *CMEError) Error() string {
	switch {
	case e.Code < 0:
		return fmt.Sprintf("+%s ERROR: %s", e.Kind, e.Text)
	case e.Text == "":
		return fmt.Sprintf("+%s ERROR: %d", e.Kind, e.Code)
	}
	return fmt.Sprintf("+%s ERROR: %s (%d)", e.Kind, e.Text, e.Code)
}

// Temporary reports whether the same command may succeed later: the module is
// busy, or has no network yet.
func (e *CMEError) Temporary() bool {
	if e.Kind == "CMS" {
		return e.Code == 331 || e.Code == 332 || e.Code == 314 || e.Code == 322
	}
	return e.Code == 14 || e.Code == 30 || e.Code == 31 || e.Code == 515
}

// cmeTexts are the texts of +CME ERROR. Those of the SIM are the ones that a
// program decides on.
var cmeTexts = map[int]string{
	0: "phone failure", 1: "no connection to phone", 2: "phone-adaptor link reserved", 3: "operation not allowed",
	4: "operation not supported", 5: "PH-SIM PIN required", 10: "SIM not inserted", 11: "SIM PIN required",
	12: "SIM PUK required", 13: "SIM failure", 14: "SIM busy", 15: "SIM wrong", 16: "incorrect password",
	17: "SIM PIN2 required", 18: "SIM PUK2 required", 20: "memory full", 21: "invalid index", 22: "not found",
	23: "memory failure", 24: "text string too long", 25: "invalid characters in text string", 26: "dial string too long",
	27: "invalid characters in dial string", 30: "no network service", 31: "network timeout",
	32: "network not allowed - emergency calls only", 100: "unknown", 103: "illegal MS", 106: "illegal ME",
	107: "GPRS services not allowed", 111: "PLMN not allowed", 112: "location area not allowed",
	113: "roaming not allowed in this location area", 132: "service option not supported",
	133: "requested service option not subscribed", 134: "service option temporarily out of order",
	148: "unspecified GPRS error", 149: "PDP authentication failure",
}

// cmsTexts are those of +CMS ERROR.
var cmsTexts = map[int]string{
	300: "ME failure", 301: "SMS service of ME reserved", 302: "operation not allowed", 303: "operation not supported",
	304: "invalid PDU mode parameter", 305: "invalid text mode parameter", 310: "SIM not inserted", 311: "SIM PIN required",
	312: "PH-SIM PIN required", 313: "SIM failure", 314: "SIM busy", 315: "SIM wrong", 316: "SIM PUK required",
	320: "memory failure", 321: "invalid memory index", 322: "memory full", 330: "SMSC address unknown",
	331: "no network service", 332: "network timeout", 340: "no +CNMA acknowledgement expected", 500: "unknown error",
}

// cmeError returns the error that a result names, or nil.
func cmeError(text string) *CMEError {
	for kind, texts := range map[string]map[int]string{"CME": cmeTexts, "CMS": cmsTexts} {
		prefix := "+" + kind + " ERROR:"
		if !hasFold(text, prefix) {
			continue
		}
		e := &CMEError{Kind: kind, Code: -1, Text: strings.TrimSpace(text[len(prefix):])}
		if n, err := strconv.Atoi(e.Text); err == nil {
			e.Code, e.Text = n, texts[n]
			return e
		}
		for n, t := range texts {
			if strings.EqualFold(t, e.Text) {
				e.Code = n
			}
		}
		return e
	}
	return nil
}

// PINError reports that a SIM was not unlocked. It matches the CMEError of the
// refusal, if there was one, and ras.ErrAuthenticationFailure.
type PINError struct {
	State string // what the SIM requires: "SIM PIN", "SIM PUK", "PH-NET PIN"
	Left  int    // remaining attempts; -1 if the module does not report it
	Err   error  // the refusal; nil if nothing was tried
}

// Error returns what the SIM requires and how many attempts remain.
func (e *PINError) Error() string {
	text := "the SIM requires " + e.State
	if e.Err != nil {
		text = "the PIN was refused"
	}
	if e.Left >= 0 {
		text += fmt.Sprintf(", attempts left: %d", e.Left)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the errors that it matches.
func (e *PINError) Unwrap() []error {
	if e.Err == nil {
		return []error{ras.ErrAuthenticationFailure}
	}
	return []error{ras.ErrAuthenticationFailure, e.Err}
}

// Unlock enters the PIN of a SIM, if it requires one. It tries once, because a SIM
// locks itself after three wrong PINs, and not at all if the SIM requires
// anything else, such as its PUK, or allows one more attempt only. The error is a
// *PINError, or a *CommandError for a module that does not answer.
func (m *Modem) Unlock(ctx context.Context, pin ras.Secret) error {
	m.dialog.Hide(pin)
	state, err := m.simState(ctx)
	if err != nil || state == "READY" {
		return err
	}
	left := m.attempts(ctx, state)
	if state != "SIM PIN" || left == 0 || left == 1 {
		return &PINError{State: state, Left: left}
	}
	if _, err = m.Command(ctx, `+CPIN="`+pin.Reveal()+`"`); errors.Is(err, ras.ErrFromDevice) {
		return &PINError{State: state, Left: m.attempts(ctx, state), Err: err}
	}
	return err
}

// simState returns what the SIM requires, or READY.
func (m *Modem) simState(ctx context.Context) (string, error) {
	r, err := m.Command(ctx, "+CPIN?")
	var cme *CMEError
	if errors.As(err, &cme) && (cme.Code == 11 || cme.Code == 12 || cme.Code == 17 || cme.Code == 18) {
		return strings.TrimSuffix(cme.Text, " required"), nil
	}
	if err != nil {
		return "", err
	}
	for _, v := range r.Values("+CPIN") {
		return v[0], nil
	}
	return "", m.commandError("+CPIN?", r.Lines, errors.New("the module does not report the state of the SIM"))
}

// attempts returns how many attempts the SIM allows, or -1.
func (m *Modem) attempts(ctx context.Context, state string) int {
	r, err := m.Command(ctx, `+CPINR="`+state+`"`)
	if err != nil {
		return -1
	}
	for _, v := range r.Values("+CPINR") {
		if len(v) > 1 && strings.EqualFold(v[0], state) {
			if n, err := strconv.Atoi(v[1]); err == nil {
				return n
			}
		}
	}
	return -1
}

// Registration is whether a cellular module is in a network.
type Registration uint8

// The states of 3GPP TS 27.007, 7.2.
const (
	NotRegistered Registration = iota
	Home
	Searching
	Denied
	UnknownRegistration
	Roaming
)

// String returns the name of the state.
func (r Registration) String() string {
	if int(r) >= len(registrations) {
		return "unknown"
	}
	return registrations[r]
}

var registrations = [...]string{"not registered", "home network", "searching", "denied", "unknown", "roaming"}

// RegistrationError reports that a module is in no network. It matches
// ras.ErrNoCarrier.
type RegistrationError struct {
	State   Registration
	Elapsed time.Duration
}

// Error returns the state.
func (e *RegistrationError) Error() string {
	return fmt.Sprintf("no network after %v: %v", e.Elapsed.Round(time.Millisecond), e.State)
}

// Unwrap returns ras.ErrNoCarrier.
func (e *RegistrationError) Unwrap() error { return ras.ErrNoCarrier }

// registrationPause is the time between two queries of the registration.
const registrationPause = time.Second

// WaitRegistered waits until a cellular module is in a network, for the timeout
// at most; 0 or less is no limit. It sends +CREG?, +CGREG? and +CEREG?, of which
// one suffices. A network that denies access ends the wait with a
// *RegistrationError, as the timeout does.
func (m *Modem) WaitRegistered(ctx context.Context, timeout time.Duration) (Registration, error) {
	if timeout <= 0 {
		timeout = forever
	}
	start := time.Now()
	for {
		state, err := m.registration(ctx)
		switch {
		case err != nil:
			return state, err
		case state == Home || state == Roaming:
			return state, nil
		case state == Denied || time.Since(start) >= timeout:
			return state, &RegistrationError{state, time.Since(start)}
		}
		if err := m.dialog.Pause(ctx, min(registrationPause, timeout-time.Since(start))); err != nil {
			return state, err
		}
	}
}

// registration returns the best of the answers.
func (m *Modem) registration(ctx context.Context) (Registration, error) {
	best, answered := NotRegistered, false
	var last error
	for _, name := range []string{"+CREG", "+CGREG", "+CEREG"} {
		r, err := m.Command(ctx, name+"?")
		if errors.Is(err, ras.ErrFromDevice) {
			last = err
			continue
		}
		if err != nil {
			return best, err
		}
		for _, v := range r.Values(name) {
			if len(v) < 2 {
				continue // unasked: "+CREG: 5"
			}
			n, err := strconv.Atoi(v[1])
			if err != nil {
				continue
			}
			answered = true
			switch state := Registration(n); {
			case state == Home || state == Roaming:
				return state, nil
			case state == Searching || best == NotRegistered:
				best = state
			}
		}
	}
	if !answered && last != nil {
		return best, last
	}
	return best, nil
}

// Prompt sends a command that prompts for a text, such as AT+CMGS="…", waits for
// the prompt, sends the text and the byte that ends it, and returns the answer. The
// prompt is "> " for messages and "@" for some makers' sockets; spaces at its end
// may be missing. An end of 0 sends none, for texts whose length is in the
// command.
//
// If the prompt or the answer is not received in time, or the context ends, ESC
// is sent, so that the modem does not read a later line as the text.
func (m *Modem) Prompt(ctx context.Context, command, prompt string, text []byte, end byte) (Response, error) {
	body, err := CheckCommand(command)
	if err != nil {
		return Response{}, err
	}
	if strings.TrimSpace(prompt) == "" {
		return Response{}, &InputError{What: "prompt", Why: "it is empty: give the text with which the modem prompts", Code: ras.ErrInvalidParameter}
	}
	if i := strings.IndexByte(string(text), end); end != 0 && i >= 0 {
		return Response{}, &InputError{What: "text", Pos: i + 1, Why: "it contains the byte that ends it: remove it", Code: ras.ErrInvalidParameter}
	}
	if err := m.ready(ctx); err != nil {
		return Response{}, err
	}
	r, err := m.exchange(ctx, request{body: body, timeout: m.cfg.CommandTimeout, final: isCommandResult, prompt: prompt})
	if !errors.Is(err, errPrompted) {
		if err == nil {
			err = m.commandError(body, r.Lines, errors.New("the modem answers without prompting for the text"))
		} else if script.IsTimeout(err) {
			m.leavePrompt(ctx)
		}
		return r, err
	}
	if end != 0 {
		text = append(text[:len(text):len(text)], end)
	}
	if err := m.dialog.Send(ctx, text); err != nil {
		m.leavePrompt(ctx)
		return r, m.commandError(body, nil, err)
	}
	// The text may be echoed, with prompts after its line ends; the answer is
	// what begins with the command's name.
	a := answer{modem: m, request: request{body: body, timeout: m.cfg.DialTimeout, final: isCommandResult}, echoed: true}
	if err := a.read(ctx); err != nil {
		m.leavePrompt(ctx)
		return a.response, m.commandError(body, a.response.Lines, err)
	}
	m.state, m.proven = CommandMode, true
	if isExtended(body) {
		name := body[:skipName(body, 1)] + ":"
		a.response.Lines = slices.DeleteFunc(a.response.Lines, func(l string) bool { return !hasFold(l, name) })
	}
	if a.response.Result.Outcome == Failed {
		return a.response, m.commandError(body, a.response.Lines, &OutcomeError{a.response.Result})
	}
	return a.response, nil
}

// leavePrompt aborts a text. It has its own limit, since the context may have
// ended.
func (m *Modem) leavePrompt(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	m.dialog.Send(ctx, []byte{0x1B})
	m.state = Unsynchronised
}
