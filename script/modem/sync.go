package modem

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"
)

// probes are what Sync asks for in turn: the registers S3, S4 and S5, one at
// first and then two. V.250 gives them to every modem with these values, nobody
// has a reason to change them, and to ask for them changes nothing. No two
// probes have the same answer, so an answer tells which one it belongs to, also
// on a modem that takes longer for each than Sync waits.
var probes = [...][]byte{
	{'\r'}, {'\n'}, {'\b'},
	{'\r', '\n'}, {'\n', '\b'}, {'\b', '\r'},
	{'\n', '\r'}, {'\b', '\n'}, {'\r', '\b'},
	{'\r', '\r'}, {'\n', '\n'}, {'\b', '\b'},
}

// enough is how many probes a modem that does not answer them properly must
// answer somehow to be believed.
const enough = 3

// probeCommand returns the command that asks for values.
func probeCommand(values []byte) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(map[byte]string{'\r': "S3?", '\n': "S4?", '\b': "S5?"}[v])
	}
	return b.String()
}

// registerValues returns the register values among the lines of an answer.
func registerValues(lines []string) (values []byte) {
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if n, err := strconv.ParseUint(l, 10, 8); err == nil && len(l) <= 3 {
			values = append(values, byte(n))
		}
	}
	return values
}

// Sync makes sure that no answer is outstanding, and does nothing if that is
// known. It waits until the modem has been silent for Config.Quiet, asks for
// registers, and is done when the answer, which cannot be mistaken for a late
// one to another command, has come and silence after it. A modem that answers
// such questions in another way is believed when it has given just that and
// silence three times running. What is read meanwhile is dropped, but for
// indications.
//
// The error is a *CommandError and matches ras.ErrRequestTimeout if the modem
// is not in step after Config.SyncTimeout.
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
	m.state, m.probe = CommandMode, 0
	return nil
}

func (m *Modem) sync(ctx context.Context) error {
	start := time.Now()
	m.raw = m.raw[:0]
	for other, limit := 0, m.cfg.ProbeTimeout; ; limit *= 2 {
		if err := m.quiet(ctx, start); err != nil {
			return err
		}
		if other == enough {
			return nil
		}
		left := m.cfg.SyncTimeout - time.Since(start)
		if left <= 0 {
			return m.timeout("an answer to AT", start, m.cfg.SyncTimeout)
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

// sendProbe asks for the next registers and reads until its answer has come or
// the limit has passed.
func (m *Modem) sendProbe(ctx context.Context, limit time.Duration) (reply, error) {
	want := probes[m.probe]
	m.probe = (m.probe + 1) % len(probes)
	command := probeCommand(want)
	if err := m.dialog.Send(ctx, []byte("AT"+command+"\r")); err != nil {
		return noReply, err
	}
	got := noReply
	for start := time.Now(); time.Since(start) < limit; {
		r, err := m.readAnswer(ctx, command, limit-time.Since(start), isCommandResult)
		switch {
		case isTimeout(err):
			return got, nil
		case err != nil:
			return got, err
		case bytes.Equal(registerValues(r.Lines), want):
			return ownReply, nil
		}
		got = otherReply
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
		if time.Since(start) >= m.cfg.SyncTimeout {
			return m.timeout("the modem to fall silent", start, m.cfg.SyncTimeout)
		}
	}
}

// talks reports whether a byte comes within Config.Quiet.
func (m *Modem) talks(ctx context.Context) (bool, error) { return m.hearLine(ctx, m.cfg.Quiet) }
