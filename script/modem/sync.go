package modem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// probes are what Sync queries in turn: the registers S3, S4 and S5, one at
// first and then two. V.250 defines them with these values, which there
// is no reason to change, and a query changes nothing. No two
// probes have the same answer, so an answer shows which one it belongs to, also
// on a modem that answers later than Sync waits.
var probes = [...][]byte{
	{'\r'}, {'\n'}, {'\b'},
	{'\r', '\n'}, {'\n', '\b'}, {'\b', '\r'},
	{'\n', '\r'}, {'\b', '\n'}, {'\r', '\b'},
	{'\r', '\r'}, {'\n', '\n'}, {'\b', '\b'},
}

// otherReplies is how many probes running must get an answer of another kind from
// a modem that does not answer them properly, to count as synchronised.
const otherReplies = 3

// SyncError reports that no modem has answered, whatever was tried. It matches
// ras.ErrRequestTimeout and os.ErrDeadlineExceeded.
type SyncError struct {
	Tried   []string      // in order: "ESC", "ATS3?", "+++", "ATQ0V1", "DTR", "9600 bit/s"
	Tail    string        // the end of what was received meanwhile, secrets masked
	Elapsed time.Duration // since the start
}

// Error returns what to check, and what was tried.
func (e *SyncError) Error() string {
	text := "no modem answers: check its power, the cable and the bit rate"
	if e.Tail != "" {
		text = "the modem gives no answer that makes sense: check the bit rate, and that no other program uses the port"
	}
	text += fmt.Sprintf(" (tried %s in %v)", strings.Join(e.Tried, ", "), e.Elapsed.Round(time.Millisecond))
	if e.Tail != "" {
		text += fmt.Sprintf("; received last: %q", e.Tail)
	}
	return text
}

// Unwrap returns the errors that it matches.
func (e *SyncError) Unwrap() []error { return []error{ras.ErrRequestTimeout, os.ErrDeadlineExceeded} }

// Timeout returns true; net.Error asks for it.
func (e *SyncError) Timeout() bool { return true }

// Sync makes sure that the modem is in command mode and that no answer is
// outstanding, and does nothing if that is known. What is read meanwhile is
// dropped, but for indications.
//
// It waits until the modem has been silent for Config.Quiet and queries
// registers. It is done when the answer, which cannot be mistaken for a late one
// to another command, has arrived and silence after it. A modem that answers
// such queries in another way is synchronised when it has given just that and
// silence three times running.
//
// A modem in an unknown state is synchronised by these steps, each of which is
// bounded and logged to Config.Log:
//
//	ESC and CR          end the prompt for a text, and a call being set up
//	a probe             is answered by a modem in command mode
//	+++                 with its guard times, if nothing shows command mode: a
//	                    modem that is online enters command mode, with its
//	                    call up (see Held). No other line is sent before, since
//	                    lines typed at a login host lock accounts
//	ATQ0V1              wakes a modem that gives no results
//	DTR                 is dropped for Config.DropTime where there is such a
//	                    line, which ends a call
//	other bit rates     those of Config.Rates
//
// and probes after each, until Config.SyncTimeout. A modem that has answered
// before and is merely late is queried again, longer each time, before the next
// rung.
//
// The error is a *CommandError. It holds a *SyncError if the modem is not in
// step in time.
func (m *Modem) Sync(ctx context.Context) error {
	switch m.state {
	case CommandMode:
		return nil
	case OnlineMode:
		return &CommandError{Command: "AT", Err: errOnline}
	}
	m.notation, m.echo, m.woken = anyNotation, echoUnknown, false
	m.in.ends = [2]string{}
	m.in.raw = m.in.raw[:0]
	s := syncing{modem: m, start: time.Now(), limit: m.cfg.ProbeTimeout}
	if err := s.run(ctx); err != nil {
		m.state = Unsynchronised // also where +++ had been answered
		return m.commandError("", nil, err)
	}
	m.state, m.proven, m.probe = CommandMode, true, 0
	if m.dialling {
		m.ended()
	}
	return nil
}

// Held reports whether a call is up, or may be, while the modem is in command
// mode: after Escape, and after Sync of a modem that was online. It is until
// HangUp, Online or the modem's NO CARRIER.
func (m *Modem) Held() bool { return m.state != OnlineMode && m.up }

// syncing is one run of Sync.
type syncing struct {
	modem *Modem
	start time.Time
	limit time.Duration // of the next probe
	rung  int           // the next of rungs
	other int           // how many probes running were answered in another way
	tried []string
}

// rungs are what is done when a probe gets no answer.
var rungs = [...]func(s *syncing, ctx context.Context) error{
	(*syncing).escape, (*syncing).wake, (*syncing).dropDTR, (*syncing).changeRate,
}

func (s *syncing) run(ctx context.Context) error {
	m := s.modem
	if err := m.quiet(ctx, s.left()/3); err != nil {
		return err
	}
	s.note(ctx, "ESC")
	if err := m.dialog.Send(ctx, []byte("\x1B"+m.cfg.End)); err != nil {
		return err
	}
	for {
		if s.left() <= 0 {
			return s.failure()
		}
		done, err := s.probe(ctx)
		if done || err != nil {
			return err
		}
	}
}

func (s *syncing) failure() error {
	m := s.modem
	tail := m.in.raw[max(0, len(m.in.raw)-tailLimit):]
	return &SyncError{Tried: s.tried, Tail: m.mask(string(tail)), Elapsed: time.Since(s.start)}
}

func (s *syncing) left() time.Duration { return s.modem.cfg.SyncTimeout - time.Since(s.start) }

// note logs a rung and keeps it for the error.
func (s *syncing) note(ctx context.Context, what string) {
	if len(s.tried) == 0 || s.tried[len(s.tried)-1] != what {
		s.tried = append(s.tried, what)
	}
	s.modem.logf(ctx, "bring the modem into step", what)
}

// probe sends one probe, waits for silence, and climbs if there was no answer.
func (s *syncing) probe(ctx context.Context) (done bool, err error) {
	m := s.modem
	reply, end, err := s.send(ctx, min(s.limit, s.left()))
	if err != nil {
		return false, err
	}
	if reply != noReply && reply != connected {
		m.proven = true
	}
	switch reply {
	case noReply:
		s.other = 0
		// A modem that has answered before is only late: its settings are left
		// alone for half of the time.
		if m.proven && s.left() > m.cfg.SyncTimeout/2 {
			s.limit *= 2
			return false, m.quiet(ctx, s.left())
		}
		if s.rung < len(rungs) {
			climb := rungs[s.rung]
			s.rung++
			return false, climb(s, ctx)
		}
		s.limit *= 2
	case connected:
		s.other = 0
		m.proven = false
		return false, s.escape(ctx)
	case quietReply:
		s.other = 0
		return false, s.wake(ctx)
	case otherReply:
		s.other++
	case ownReply:
		s.other = 0
		silent, err := m.silent(ctx)
		if err != nil {
			return false, err
		}
		if silent {
			if len(m.in.text) == 0 {
				// Remember how results end, from the spaces that followed the last
				// one up to silence.
				m.in.ends[end.kind] = end.end + string(m.in.blank)
			}
			return true, nil
		}
	}
	if err := m.quiet(ctx, s.left()); err != nil {
		return false, err
	}
	return s.other == otherReplies, nil
}

// reply is what a probe has brought.
type reply uint8

const (
	noReply    reply = iota
	otherReply       // results, but none with the register's value
	quietReply       // the value and no result
	connected        // a CONNECT: a call that was given up has been set up
	ownReply
)

// lastLine is the result with which a probe was answered.
type lastLine struct {
	line
	kind int
}

// send queries the next registers and reads until the answer has arrived or
// the limit has passed.
func (s *syncing) send(ctx context.Context, limit time.Duration) (reply, lastLine, error) {
	m := s.modem
	want := probes[m.probe]
	m.probe = (m.probe + 1) % len(probes)
	command := "AT"
	for _, v := range want {
		command += map[byte]string{'\r': "S3?", '\n': "S4?", '\b': "S5?"}[v]
	}
	s.note(ctx, command)
	if err := m.sendLine(ctx, command, ""); err != nil {
		return noReply, lastLine{}, err
	}
	got, echoed, late := noReply, false, false
	var values []byte
	for end := time.Now().Add(limit); ; {
		until := end
		if quiet := time.Now().Add(m.cfg.Quiet); got != noReply && quiet.Before(until) {
			until = quiet
		}
		l, err := m.readLine(ctx, until)
		switch {
		case script.IsTimeout(err) && got == noReply && bytes.Equal(values, want):
			return quietReply, lastLine{}, nil
		case script.IsTimeout(err):
			return got, lastLine{}, nil
		case err != nil:
			return got, lastLine{}, err
		}
		text := trimNoise(l.text)
		res, known := m.result(l)
		switch {
		case strings.EqualFold(text, command):
			echoed, values = true, nil
		case isValue(text, want, len(values)):
			values = append(values, want[len(values)])
		case known && res.Outcome == Connect:
			return connected, lastLine{}, nil
		case known && (res.Outcome == OK || res.Outcome == Failed):
			if res.Outcome == OK && bytes.Equal(values, want) {
				m.learn(l)
				m.echo = echoOff
				if echoed {
					m.echo = echoOn
				}
				kind := wordEnd
				if m.notation == numeric {
					kind = numberEnd
				}
				return ownReply, lastLine{l, kind}, nil
			}
			if !late && len(values) == 0 {
				got = otherReply
			}
			late, values = false, nil // else the answer to another probe
		default:
			late = late || isValue(text, []byte("\r"), 0) || isValue(text, []byte("\n"), 0) || isValue(text, []byte("\b"), 0)
			if err := m.unasked(ctx, l, ""); err != nil {
				return got, lastLine{}, err
			}
		}
	}
}

// isValue reports whether a line is the value that is wanted next.
func isValue(text string, want []byte, i int) bool {
	if i >= len(want) || len(text) > 3 {
		return false
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return err == nil && byte(n) == want[i]
}

// escape brings a modem that may be online to command mode.
func (s *syncing) escape(ctx context.Context) error {
	m := s.modem
	if m.proven {
		return nil
	}
	s.note(ctx, "+++")
	// The guard time passes listening: an answer shows command mode.
	for until := time.Now().Add(m.cfg.Guard); time.Now().Before(until); {
		l, err := m.readLine(ctx, until)
		if script.IsTimeout(err) {
			break
		}
		if err != nil {
			return err
		}
		if res, known := m.result(l); known && (res.Outcome == OK || res.Outcome == Failed) {
			m.proven = true
			return m.quiet(ctx, s.left())
		}
	}
	_, err := m.escapeNow(ctx, m.cfg.Guard+m.cfg.ProbeTimeout, 0)
	switch {
	case err == nil:
		m.logf(ctx, "the modem was online", "")
		m.proven = true
		return nil
	case errors.Is(err, ras.ErrRemoteDisconnection):
		m.proven = true
		return nil
	case !script.IsTimeout(err):
		return err
	}
	// In command mode +++ is at the head of a line now.
	return m.sendLine(ctx, "", "")
}

// wake makes a modem send verbose results.
func (s *syncing) wake(ctx context.Context) error {
	s.note(ctx, "ATQ0V1")
	s.modem.woken = true
	s.limit = max(s.limit, 2*s.modem.cfg.ProbeTimeout)
	if err := s.modem.sendLine(ctx, "ATQ0V1", ""); err != nil {
		return err
	}
	return s.modem.quiet(ctx, s.left())
}

// dropDTR drops DTR where there is such a line.
func (s *syncing) dropDTR(ctx context.Context) error {
	m := s.modem
	lines, _, err := linesOf(m.dialog.Call())
	if err != nil {
		return nil
	}
	s.note(ctx, "DTR")
	if _, err := m.holdDTR(ctx, lines, false); err != nil && ctx.Err() != nil {
		return err
	}
	return m.quiet(ctx, s.left())
}

// changeRate tries the bit rates of the configuration.
func (s *syncing) changeRate(ctx context.Context) error {
	m := s.modem
	p, ok := m.dialog.Call().Line().(port.ModeSetter)
	if !ok {
		return nil
	}
	for _, rate := range m.cfg.Rates {
		if found, err := s.tryRate(ctx, p, rate); found || err != nil {
			return err
		}
	}
	return nil
}

// tryRate reports whether the modem answers at a bit rate. A modem that sets its
// rate by the AT of a command may miss the first.
func (s *syncing) tryRate(ctx context.Context, p port.ModeSetter, rate int) (bool, error) {
	m := s.modem
	if err := p.SetMode(port.Mode{Baud: rate}); err != nil {
		return false, nil // not one of this port's
	}
	s.note(ctx, fmt.Sprintf("%d bit/s", rate))
	if err := m.quiet(ctx, m.cfg.Quiet); err != nil {
		return false, err
	}
	if err := m.dialog.Send(ctx, []byte("\x1B"+m.cfg.End)); err != nil {
		return false, err
	}
	for range 2 {
		reply, _, err := s.send(ctx, m.cfg.ProbeTimeout)
		if err != nil || reply == ownReply || reply == quietReply || reply == otherReply {
			return err == nil, err
		}
	}
	return false, nil
}

// quiet reads until the modem has been silent for Config.Quiet. One that does
// not stop within the limit may be online; the wait ends.
func (m *Modem) quiet(ctx context.Context, limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		silent, err := m.silent(ctx)
		if err != nil || silent || !time.Now().Before(end) {
			return err
		}
	}
}

// silent reports whether nothing is received for Config.Quiet, indications
// aside. What is received is dropped.
func (m *Modem) silent(ctx context.Context) (bool, error) {
	m.in.blank = m.in.blank[:0]
	until := time.Now().Add(m.cfg.Quiet)
	for {
		l, err := m.readLine(ctx, until)
		if script.IsTimeout(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		known, err := m.indicated(ctx, l, "")
		if err != nil || !known && !m.expected(l) {
			return false, err
		}
	}
}

// expected reports whether a line is one of the configuration's indications or
// of those that modems send unasked.
func (m *Modem) expected(l line) bool { return prefixOf(trimNoise(l.text)) != "" && l.end != "" }
