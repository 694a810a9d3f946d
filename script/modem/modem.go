package modem

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Config holds what a Modem expects of its modem. The zero Config and a nil
// one are right for most. A time of 0 is its default, and a negative one is none.
type Config struct {
	// CommandTimeout is how long a command may take to be answered. Default: 5 s.
	CommandTimeout time.Duration

	// DialTimeout is how long a call may take until it is there or has failed,
	// for Dial, Answer and Online. It should be longer than S7 lets the modem
	// wait for a carrier. Default: 60 s.
	DialTimeout time.Duration

	// DialPrefix is what stands between AT and the number. It is checked to be
	// D with dial modifiers. Default: "DT", tone dialling.
	DialPrefix string

	// Guard is the silence before and after the escape sequence. It should be
	// a little longer than S12 has it. Default: 1.1 s.
	Guard time.Duration

	// Quiet is the silence that ends whatever a modem out of step still has to
	// say, and ProbeTimeout how long it may take to answer the probe after it.
	// Defaults: 300 ms and 1 s.
	Quiet, ProbeTimeout time.Duration

	// SyncTimeout bounds the attempts to get in step again. It should be longer
	// than the slowest command may take. Default: 15 s.
	SyncTimeout time.Duration

	// Settle is a pause after each answer before the next command is sent, for
	// modems that lose what comes at once. Default: none.
	Settle time.Duration

	// DropTime is how long a hang-up holds DTR off, and CarrierTimeout how long
	// it waits for DCD to fall. Defaults: 1 s and 5 s.
	DropTime, CarrierTimeout time.Duration

	// Codes are the texts that numeric results stand for, where a maker's
	// differ from the built-in table: 43: "CONNECT 14400". Default: none.
	Codes map[int]string

	// Results are further result texts, whole lines in any letter case, and
	// what they mean: "CALL REJECTED": Busy. Default: none.
	Results map[string]Outcome

	// Indications take the lines that the modem sends unasked. RING and, in
	// answers to commands, NO CARRIER are kept out of answers in any case.
	// Default: none.
	Indications []Indication
}

// Indication is a kind of line that a modem sends unasked.
type Indication struct {
	// Prefix is what such a line begins with, letter case aside: "RING",
	// "+CREG:". A line is left to the command in hand if that command names
	// it: the +CREG: after AT+CREG? is an answer.
	Prefix string

	// Handle is called with the line, without its end, in the middle of the
	// wait that has read it, so it must not use the Modem. Nil drops the line.
	Handle func(line string)
}

func (c *Config) withDefaults() Config {
	var full Config
	if c != nil {
		full = *c
	}
	full.CommandTimeout = timeout(full.CommandTimeout, 5*time.Second)
	full.DialTimeout = timeout(full.DialTimeout, time.Minute)
	full.ProbeTimeout = timeout(full.ProbeTimeout, time.Second)
	full.SyncTimeout = timeout(full.SyncTimeout, 15*time.Second)
	full.CarrierTimeout = timeout(full.CarrierTimeout, 5*time.Second)
	full.Guard = max(0, cmp.Or(full.Guard, 1100*time.Millisecond))
	full.Quiet = max(time.Millisecond, cmp.Or(full.Quiet, 300*time.Millisecond))
	full.DropTime = max(0, cmp.Or(full.DropTime, time.Second))
	full.Settle = max(0, full.Settle)
	if full.DialPrefix == "" {
		full.DialPrefix = "DT"
	}
	return full
}

// forever stands for no limit: so long that nobody waits for its end, and short
// enough to be doubled.
const forever = 10 * 365 * 24 * time.Hour

// timeout returns the limit that a field of Config means: 0 is the default and
// negative none.
func timeout(d, def time.Duration) time.Duration {
	if d < 0 {
		return forever
	}
	return cmp.Or(d, def)
}

// State is what a Modem knows of its modem.
type State uint8

// The states.
const (
	// Unsynchronised is the state at the start, after a time-out and after a
	// cancel: an answer may be outstanding. The next command synchronises
	// first.
	Unsynchronised State = iota

	CommandMode // no answer is outstanding
	OnlineMode  // what is sent goes to the far end
)

// String returns the state's name in lower case.
func (s State) String() string {
	if s > OnlineMode {
		return "unknown"
	}
	return [...]string{"unsynchronised", "command", "online"}[s]
}

// notation is how the modem is known to write results.
type notation uint8

const (
	anyNotation notation = iota
	verbose
	numeric
)

// Modem is an AT modem at the other end of a Dialog's line. Like the Dialog it
// must be used by one goroutine at a time, and nothing else may use the Dialog
// while a Modem's method runs; between them, and above all while the modem is
// online, the Dialog is free.
type Modem struct {
	dialog   *script.Dialog
	cfg      Config
	state    State
	notation notation
	lexer    lexer
	probe    int    // the next of probes to send
	raw      []byte // the end of what came in the wait in hand
}

// New returns a Modem on d. A nil cfg means the zero Config. Nothing is sent.
// The state is Unsynchronised: call SetOnline if the modem is online.
func New(d *script.Dialog, cfg *Config) *Modem {
	m := &Modem{dialog: d, cfg: cfg.withDefaults()}
	m.lexer.isCode = m.isCode
	return m
}

// State returns what is known of the modem.
func (m *Modem) State() State { return m.state }

// SetOnline tells the Modem that the modem is online, because somebody else
// has dialled.
func (m *Modem) SetOnline() { m.state = OnlineMode }

// Response is the answer to a command.
type Response struct {
	// Lines is the information text, without the echo, the line ends, empty
	// lines and what the modem said unasked.
	Lines []string

	Result Result
}

// Command sends a command, with or without AT in front, and returns its
// answer. Commands that leave command mode are Dial's, Answer's and Online's;
// CheckCommand tells what else is refused. The error is an *InputError, or a
// *CommandError if the modem refuses the command (ras.ErrFromDevice), gives no
// answer within Config.CommandTimeout (ras.ErrRequestTimeout), or the line or the
// context fails.
func (m *Modem) Command(ctx context.Context, command string) (Response, error) {
	body, err := CheckCommand(command)
	if err != nil {
		return Response{}, err
	}
	if m.state == OnlineMode {
		return Response{}, &CommandError{Command: m.shown(body), Err: errOnline}
	}
	if err := m.Sync(ctx); err != nil {
		return Response{}, err
	}
	return m.exchange(ctx, body, m.cfg.CommandTimeout, isCommandResult)
}

var errOnline = errors.New("the modem is online: call Escape first")

// isCommandResult reports whether an outcome ends the answer to a command.
// CONNECT, NO CARRIER and their like do not: they belong to calls.
func isCommandResult(o Outcome) bool { return o == OK || o == Failed }

// Init sends commands in order and stops at the first error. A command that
// gets no answer is sent once more, since a modem that has just been reset can
// lose one.
func (m *Modem) Init(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		_, err := m.Command(ctx, c)
		if errors.Is(err, ras.ErrRequestTimeout) && ctx.Err() == nil {
			_, err = m.Command(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Identity is what a modem says of itself; what it does not say is empty.
type Identity struct {
	Manufacturer string   // +GMI
	Model        string   // +GMM
	Revision     string   // +GMR
	Info         []string // I3, the lines of text
}

// Identify asks the modem for its name. Questions that it refuses are left out.
func (m *Modem) Identify(ctx context.Context) (Identity, error) {
	var id Identity
	for _, q := range []struct {
		command string
		field   *string
	}{
		{"+GMI", &id.Manufacturer}, {"+GMM", &id.Model}, {"+GMR", &id.Revision},
	} {
		lines, err := m.ask(ctx, q.command)
		if err != nil {
			return id, err
		}
		*q.field = joinInfo(lines, q.command+":")
	}
	var err error
	id.Info, err = m.ask(ctx, "I3")
	return id, err
}

// ask is Command for a question that may be refused.
func (m *Modem) ask(ctx context.Context, command string) ([]string, error) {
	r, err := m.Command(ctx, command)
	if errors.Is(err, ras.ErrFromDevice) {
		err = nil
	}
	return r.Lines, err
}

// linesOf returns the modem lines of the port behind a call, and what they are.
func linesOf(call *ras.Call) (port.LineController, port.Lines, error) {
	p, ok := call.Line().(port.LineController)
	if !ok {
		return nil, 0, errNoLines
	}
	lines, err := p.Lines()
	return p, lines, err
}

var errNoLines = &port.OpError{Op: "modem lines", Err: errors.ErrUnsupported}
