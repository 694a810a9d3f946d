package modem

import (
	"context"
	"strings"
	"time"
)

// probes are the registers that Sync asks for in turn. V.250 gives them to
// every modem with these values, nobody has a reason to change them, and to ask
// for them changes nothing. So the answer tells which probe it belongs to.
var probes = [...]struct {
	command string
	value   int
}{{"S3?", '\r'}, {"S4?", '\n'}, {"S5?", '\b'}}

// Sync makes sure that no answer is outstanding, and does nothing if that is
// known. It waits until the modem has been silent for Config.Quiet, asks for a
// register, and is done when the answer, which cannot be mistaken for a late
// one to another command, has come and silence after it. A modem that answers
// such questions in another way is believed when it has given just that and
// silence three times running. What is read meanwhile is dropped, but for
// indications.
//
// The error is a *CommandError and matches ras.ErrRequestTimeout if the modem
// is not in step after Config.SyncLimit.
func (m *Modem) Sync(ctx context.Context) error {
	switch m.state {
	case CommandMode:
		return nil
	case OnlineMode:
		return &CommandError{Command: "AT", Err: errOnline}
	}
	m.notation = anyNotation
	if err := m.sync(ctx); err != nil {
		return m.commandError("", nil, err)
	}
	m.state = CommandMode
	return nil
}

func (m *Modem) sync(ctx context.Context) error {
	start := time.Now()
	m.raw = m.raw[:0]
	for other, limit := 0, m.cfg.ProbeLimit; ; limit *= 2 {
		if err := m.quiet(ctx, start); err != nil {
			return err
		}
		if other == len(probes) {
			return nil
		}
		left := m.cfg.SyncLimit - time.Since(start)
		if left <= 0 {
			return m.timeout("an answer to AT", start, m.cfg.SyncLimit)
		}
		reply, err := m.sendProbe(ctx, min(limit, left))
		if err != nil {
			return err
		}
		switch reply {
		case noReply:
			other = 0
		case otherReply:
			other++
		case ownReply:
			other = 0
			if talks, err := m.talks(ctx); err != nil || !talks {
				return err
			}
		}
	}
}

// reply is what a probe has brought.
type reply uint8

const (
	noReply    reply = iota
	otherReply       // results, but none with the register's value
	ownReply
)

// sendProbe asks for the next register and reads until its answer has come or
// the limit has passed.
func (m *Modem) sendProbe(ctx context.Context, limit time.Duration) (reply, error) {
	p := probes[m.probe]
	m.probe = (m.probe + 1) % len(probes)
	if err := m.dialog.Send(ctx, []byte("AT"+p.command+"\r")); err != nil {
		return noReply, err
	}
	got := noReply
	for start := time.Now(); time.Since(start) < limit; {
		r, err := m.readAnswer(ctx, p.command, limit-time.Since(start), isCommandResult)
		switch {
		case isTimeout(err):
			return got, nil
		case err != nil:
			return got, err
		}
		got = otherReply
		for _, l := range r.Lines {
			if isNumber(strings.TrimSpace(l)) && leadingNumber(strings.TrimSpace(l)) == p.value {
				return ownReply, nil
			}
		}
	}
	return got, nil
}

// quiet reads until the modem has been silent.
func (m *Modem) quiet(ctx context.Context, start time.Time) error {
	for {
		talks, err := m.talks(ctx)
		if err != nil || !talks {
			return err
		}
		if time.Since(start) >= m.cfg.SyncLimit {
			return m.timeout("the modem to fall silent", start, m.cfg.SyncLimit)
		}
	}
}

// talks reports whether a byte comes within Config.Quiet. A line that it
// completes, or that silence ends, is handed on if it is an indication.
func (m *Modem) talks(ctx context.Context) (bool, error) {
	c, err := m.dialog.NextByte(ctx, m.cfg.Quiet)
	var line lineText
	var ok bool
	switch {
	case isTimeout(err):
		line, ok = m.lexer.flush()
		m.lexer.blank = false
	case err != nil:
		return false, err
	default:
		m.note(c)
		line, ok = m.lexer.feed(c)
	}
	if ok {
		m.indicate(line, "")
	}
	return err == nil, nil
}
