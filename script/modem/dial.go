package modem

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/ras"
)

// Dial calls a number and returns the CONNECT result, after which the modem is
// online: the next byte of the line is the far end's first. CheckNumber tells
// what a number may hold.
//
// The error is an *InputError, or a *CommandError. The latter holds an
// *OutcomeError if the modem gives another result, which matches the outcome's
// RAS code. If none comes within Config.DialTimeout, or the context ends first,
// the call is given up as V.250 has it, by sending a carriage return.
func (m *Modem) Dial(ctx context.Context, number string) (Result, error) {
	digits, err := CheckNumber(number)
	if err != nil {
		return Result{}, err
	}
	if err := checkPrefix(m.cfg.DialPrefix); err != nil {
		return Result{}, err
	}
	return m.call(ctx, m.cfg.DialPrefix+digits)
}

// checkPrefix holds Config.DialPrefix to its promise.
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

// Answer takes a call that rings and returns the CONNECT result, as Dial does.
func (m *Modem) Answer(ctx context.Context) (Result, error) { return m.call(ctx, "A") }

// Online goes back to a call after Escape and returns the CONNECT result, as
// Dial does. ras.ErrNoCarrier says that there is no call any more.
func (m *Modem) Online(ctx context.Context) (Result, error) { return m.call(ctx, "O") }

// WaitRing waits until somebody calls, for the limit at most; 0 or less is no
// limit. The error is a *CommandError, or a *script.TimeoutError if nobody has
// called.
func (m *Modem) WaitRing(ctx context.Context, limit time.Duration) error {
	if err := m.Sync(ctx); err != nil {
		return err
	}
	start := time.Now()
	m.raw = m.raw[:0]
	for {
		line, err := m.readLine(ctx, start, limit)
		if isTimeout(err) {
			return m.timeout("RING", start, limit)
		}
		if err != nil {
			return m.commandError("", nil, err)
		}
		m.indicate(line, "")
		if r, _ := m.result(line); r.Outcome == Ring {
			return nil
		}
	}
}

// call sends a command that leads to a connection and waits for it.
func (m *Modem) call(ctx context.Context, body string) (Result, error) {
	if err := m.Sync(ctx); err != nil {
		return Result{}, err
	}
	r, err := m.exchange(ctx, body, m.cfg.DialTimeout, isCallResult)
	res := r.Result
	switch {
	case isTimeout(err):
		m.giveUp(ctx)
		res = m.lastWord(r.Lines)
		if res.Outcome != Unknown {
			return res, err
		}
	case err != nil:
		if m.state == Unsynchronised {
			m.giveUp(ctx)
		}
		return res, err
	case res.Outcome == Connect:
		m.state = OnlineMode
		return res, nil
	}
	return res, m.commandError(body, r.Lines, &OutcomeError{res})
}

// isCallResult reports whether an outcome ends the making of a call.
func isCallResult(o Outcome) bool { return o != Unknown && o != Ring && o != Ongoing }

// lastWord is the outcome of a call that no result has ended: Unknown if the
// last line is a text that nobody knows, which is most likely the result.
func (m *Modem) lastWord(lines []string) Result {
	res := Result{Outcome: TimedOut, Lines: lines}
	if len(lines) > 0 {
		last, known := parseResult(lines[len(lines)-1], &m.cfg)
		if !known {
			res.Outcome, res.Text = Unknown, last.Text
		}
	}
	return res
}

// giveUp breaks off a call in the making: any character does. The modem's word
// on it is read, but nothing is made of it; the modem stays unsynchronised. If
// the call has come about at the last moment, it is hung up. All this has its
// own limits, since the context may have ended. If that has failed the whole
// session, then so does this, and only the modem lines are left.
func (m *Modem) giveUp(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	limited, cancel := context.WithTimeout(ctx, abortLimit)
	defer cancel()
	if m.dialog.Send(limited, []byte("\r")) != nil {
		return
	}
	r, _ := m.readAnswer(limited, "", abortLimit, isCallResult)
	if r.Result.Outcome == Connect {
		m.state = OnlineMode
		m.HangUp(ctx) // each of its steps is limited
	}
}
