package modem

import (
	"bytes"
	"context"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

const escapeSequence = "+++"

// Escape brings the modem from online to command mode and leaves the call up.
// It waits until all output has left, keeps Config.Guard of silence, sends +++,
// and keeps silent until the modem says OK, so nothing may use the Dialog
// meanwhile. Data that the far end sends until then is returned: it comes
// before what is read after Online. In command mode Escape does nothing.
//
// The error is a *CommandError. It matches ras.ErrRemoteDisconnection if the
// call has ended, and the modem is then in command mode;
// ras.ErrRequestTimeout if no OK comes within Config.Guard and
// Config.CommandTimeout; ras.ErrRecvBufFull if more than 64 KiB of data come.
func (m *Modem) Escape(ctx context.Context) ([]byte, error) {
	if m.state == CommandMode {
		return nil, nil
	}
	return m.escape(ctx, m.cfg.Guard+m.cfg.CommandTimeout, answerLimit)
}

// escape is Escape with its limits. If the limit for data is 0, data is dropped.
func (m *Modem) escape(ctx context.Context, limit time.Duration, keep int) ([]byte, error) {
	if err := m.sendEscape(ctx); err != nil {
		return nil, m.escapeError(err)
	}
	m.state = Unsynchronised
	e := escaping{modem: m, start: time.Now(), limit: limit, keep: keep}
	m.raw = m.raw[:0]
	err := e.read(ctx)
	m.lexer.flush()
	if err != nil {
		return e.data, m.escapeError(err)
	}
	return e.data, nil
}

func (m *Modem) escapeError(err error) error { return &CommandError{Command: escapeSequence, Err: err} }

// sendEscape sends +++ after silence.
func (m *Modem) sendEscape(ctx context.Context) error {
	if p, ok := m.dialog.Call().Line().(port.Drainer); ok {
		if err := p.Drain(ctx); err != nil && !noLines(err) {
			return err
		}
	}
	if err := m.dialog.Pause(ctx, m.cfg.Guard); err != nil {
		return err
	}
	return m.dialog.Send(ctx, []byte(escapeSequence))
}

// escaping is the wait for the modem's answer to +++, in the middle of data.
type escaping struct {
	modem *Modem
	start time.Time
	limit time.Duration
	keep  int
	data  []byte
}

// The answers to look for.
const (
	verboseOK        = "\r\nOK\r\n"
	verboseNoCarrier = "\r\nNO CARRIER\r\n"
	numericOK        = "0\r"
)

func (e *escaping) read(ctx context.Context) error {
	m := e.modem
	for {
		left := e.limit - time.Since(e.start)
		if left <= 0 {
			return m.timeout("OK to "+escapeSequence, e.start, e.limit)
		}
		c, err := m.dialog.NextByte(ctx, left)
		if isTimeout(err) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := e.take(ctx, c)
		if done || err != nil {
			return err
		}
	}
}

// take adds a byte and reports whether the modem's answer is complete.
func (e *escaping) take(ctx context.Context, c byte) (done bool, err error) {
	m := e.modem
	m.note(c)
	e.data = append(e.data, c)
	switch {
	case e.cut(verboseOK):
		m.state, m.notation = CommandMode, verbose
		return true, nil
	case e.cut(verboseNoCarrier):
		m.state, m.notation = CommandMode, verbose
		return true, ras.ErrRemoteDisconnection
	case m.notation != verbose && bytes.HasSuffix(e.data, []byte(numericOK)):
		return e.endsHere(ctx)
	}
	return false, e.bound()
}

// endsHere decides whether a number is the answer: silence follows it then.
func (e *escaping) endsHere(ctx context.Context) (bool, error) {
	m := e.modem
	c, err := m.dialog.NextByte(ctx, m.cfg.Quiet)
	if isTimeout(err) {
		e.cut(numericOK)
		m.state, m.notation = CommandMode, numeric
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return e.take(ctx, c)
}

// cut takes an answer off the data, if it is there.
func (e *escaping) cut(answer string) bool {
	rest, ok := bytes.CutSuffix(e.data, []byte(answer))
	e.data = rest
	return ok
}

// bound keeps the data within its limit.
func (e *escaping) bound() error {
	if e.keep == 0 && len(e.data) > 2*tailLimit {
		e.data = e.data[:copy(e.data, e.data[tailLimit:])]
	}
	if e.keep > 0 && len(e.data) > e.keep {
		return ras.ErrRecvBufFull
	}
	return nil
}
