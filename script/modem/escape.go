package modem

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const escapeSequence = "+++"

// Escape brings the modem from online to command mode; the call stays up.
// It waits until all output has been transmitted, sends nothing for Config.Guard,
// sends +++, and sends nothing until the modem answers, so nothing may use the
// Dialog meanwhile. An OK counts if the modem's guard time can have passed and if
// nothing is received after it; before that it is data of the peer. Data that the
// peer sends meanwhile is returned: it precedes what is read after Online.
// In command mode Escape does nothing.
//
// The error is a *CommandError. It matches ras.ErrRemoteDisconnection if the
// call has ended, and the modem is then in command mode;
// ras.ErrRequestTimeout if no OK is received within Config.Guard and
// Config.CommandTimeout; ras.ErrRecvBufFull if more than 64 KiB of data are.
func (m *Modem) Escape(ctx context.Context) ([]byte, error) {
	if m.state == CommandMode {
		return nil, nil
	}
	if err := m.dialog.Pause(ctx, m.cfg.Guard); err != nil {
		return nil, &CommandError{Command: escapeSequence, Err: err}
	}
	data, err := m.escapeNow(ctx, m.cfg.Guard+m.cfg.CommandTimeout, answerLimit)
	if err != nil {
		err = &CommandError{Command: escapeSequence, Err: err}
	}
	return data, err
}

// escapeNow is Escape without the guard time before it. If keep is 0, data is
// dropped.
func (m *Modem) escapeNow(ctx context.Context, limit time.Duration, keep int) ([]byte, error) {
	if p, ok := m.dialog.Call().Line().(port.Drainer); ok {
		if err := p.Drain(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	if err := m.dialog.Send(ctx, []byte(escapeSequence)); err != nil {
		return nil, err
	}
	m.state = Unsynchronised
	m.endLine("")
	m.in.raw = m.in.raw[:0]
	e := escaping{modem: m, start: time.Now()}
	for { // until silence follows an answer
		left := limit - time.Since(e.start)
		if left <= 0 {
			return e.data, m.timeout("OK to "+escapeSequence, e.start, limit)
		}
		c, err := m.readByte(ctx, min(left, m.cfg.Quiet))
		switch {
		case script.IsTimeout(err):
			if done, err := e.decide(); done || err != nil {
				return e.data, err
			}
		case err != nil:
			return e.data, err
		default:
			e.data = append(e.data, c)
			e.last = time.Now()
			if keep == 0 && len(e.data) > 2*tailLimit { // its end may be an answer
				e.data = e.data[:copy(e.data, e.data[tailLimit:])]
			}
			if keep > 0 && len(e.data) > keep {
				return e.data, ras.ErrRecvBufFull
			}
		}
	}
}

// The answers to +++, as the last line of the data.
var (
	escapeOK        = regexp.MustCompile(`(?:^|\r\n|\r|\n)OK[\r\n]+$`)
	escapeNumericOK = regexp.MustCompile(`(?:\r\n)?0\r\n?$`)
	escapeLost      = regexp.MustCompile(`(?:^|\r\n|\r|\n)NO CARRIER[^\r\n]*[\r\n]+(?:\+\+\+)?$`)
)

// escaping is the wait for the modem's answer to +++ among data.
type escaping struct {
	modem *Modem
	start time.Time
	data  []byte
	last  time.Time // when the byte that ends data was read
}

// decide reports whether the data ends with the modem's answer, now that the
// line is silent.
func (e *escaping) decide() (done bool, err error) {
	m := e.modem
	// A modem that has lost the carrier is in command mode, and can report it at
	// any time; silence up to the guard time shows that it is not data.
	if time.Since(e.start) >= m.cfg.Guard && e.cut(escapeLost) {
		m.state, m.notation, m.proven = CommandMode, verbose, true
		m.ended()
		return true, ras.ErrRemoteDisconnection
	}
	// The modem's guard time, in S12, may be a little shorter than Config.Guard;
	// an OK before its end is data.
	if e.last.Before(e.start.Add(m.cfg.Guard * 4 / 5)) {
		return false, nil
	}
	switch {
	case e.cut(escapeOK):
		m.notation = verbose
	case m.notation != verbose && e.cut(escapeNumericOK):
		m.notation = numeric
	default:
		return false, nil
	}
	m.state, m.proven, m.up, m.dialling = CommandMode, true, true, false
	return true, nil
}

// cut removes an answer from the end of the data and reports whether it was there.
func (e *escaping) cut(answer *regexp.Regexp) bool {
	tail := max(0, len(e.data)-tailLimit)
	at := answer.FindIndex(e.data[tail:])
	if at == nil {
		return false
	}
	e.data = bytes.Clone(e.data[:tail+at[0]])
	return true
}
