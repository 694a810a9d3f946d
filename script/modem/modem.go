package modem

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Config holds what a Modem expects of its modem. The zero Config and a nil
// one are right for most. A time of 0 is its default, and a negative one is none.
type Config struct {
	// CommandTimeout bounds the wait for the answer to a command. Default: 5 s.
	CommandTimeout time.Duration

	// DialTimeout bounds the wait until a call is established or has failed, for Dial,
	// Connect and Answer. It should be longer than S7 lets the modem wait for a
	// carrier. Default: 60 s.
	DialTimeout time.Duration

	// OnlineTimeout bounds the wait for the answer to O. Default: 10 s.
	OnlineTimeout time.Duration

	// DialPrefix is what is sent between AT and the number. It is checked to be
	// D with dial modifiers. Default: "DT", tone dialling.
	DialPrefix string

	// Addresses accepts a host and a port as a number, as the modems in software
	// do that dial over the Internet: "bbs.example:23". See CheckAddress.
	// Default: digits only.
	Addresses bool

	// End is what ends a command line. Default: CR, as V.250 specifies. There are
	// devices that need CR LF.
	End string

	// Guard is the silence before and after the escape sequence. It should be
	// a little longer than S12. Default: 1.1 s.
	Guard time.Duration

	// Quiet is the silence that ends the output of an unsynchronised modem,
	// and ProbeTimeout bounds the wait for the answer to the probe after it.
	// Defaults: 300 ms and 1 s.
	Quiet, ProbeTimeout time.Duration

	// SyncTimeout bounds the attempts to synchronise. It should be longer
	// than the slowest command may take. Default: 15 s.
	SyncTimeout time.Duration

	// Rates are bit rates that Sync tries after everything else; the port
	// must be a port.ModeSetter. Default: none.
	Rates []int

	// Settle is the silence before each command, counted from the last byte of
	// the modem: there are modems that lose what is sent earlier, and an answer
	// that is sent twice is detected then. On a modem without echo it is at
	// least Quiet. Default: 100 ms.
	Settle time.Duration

	// DropTime is how long a hang-up holds DTR off, and CarrierTimeout bounds its
	// wait for DCD to fall. Defaults: 1 s and 5 s.
	DropTime, CarrierTimeout time.Duration

	// HangUpTimeout bounds a hang-up with all its methods, also one that ends a
	// run. Default: 30 s.
	HangUpTimeout time.Duration

	// KeepCall keeps the call up when the run in which it was made fails, is
	// cancelled or panics. Default: it is hung up before script.Run returns, and
	// if that does not work, the error of the run holds a *HangupError.
	KeepCall bool

	// HangUp are the methods for that, and of the function HangUp. Default, and
	// for nil: DTR, then ATH.
	HangUp []Method

	// OnHangUp is called after such a hang-up. Default: none.
	OnHangUp func(HangupReport, error)

	// Codes are the texts that numeric results represent, where a maker's
	// differ from the built-in table, such as CodesUSR and CodesZyXEL. Default:
	// none.
	Codes map[int]string

	// Results are further result texts and what they mean, in any letter case:
	// "CALL REJECTED": Busy. They match whole lines, or the beginning of a line
	// if they end with an asterisk: "+ERR=*": Failed. Default: none.
	Results map[string]Outcome

	// Indications handle the lines that the modem sends unasked. RING, NO CARRIER
	// and, in the answer to an extended command, lines that begin with the name
	// of another are kept out of answers in any case. Default: none.
	Indications []Indication

	// Log receives debug records of what Sync and HangUp do. Default: no log.
	Log *slog.Logger
}

// forever means no limit: longer than any program runs, and short
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

// State is the state of a modem, as far as a Modem knows it.
type State uint8

// The states.
const (
	// Unsynchronised is the state at the start, after a timeout and after a
	// cancel: an answer may be outstanding. The next command synchronises
	// first.
	Unsynchronised State = iota

	CommandMode // no answer is outstanding
	OnlineMode  // what is sent is data for the peer
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
//
// What state, dialling and up mean together:
//
//	state            dialling   up      the line
//	Unsynchronised   false      false   idle, as far as known; the modem may be in any state
//	Unsynchronised   true       false   a dial was given up: a call may be being set up
//	CommandMode      false      false   idle
//	CommandMode      false      true    a call is held after Escape; see Held
//	OnlineMode       false      true    a call, until NO CARRIER or HangUp
//
// proven is set by an answer in command mode and cleared by a dial and by Online.
type Modem struct {
	dialog *script.Dialog
	cfg    Config // complete
	source Config // as it was given

	state    State
	proven   bool // the modem has answered in command mode, and no call was made since
	dialling bool // a call is being set up, or was given up without an answer
	up       bool // a call was established, and nothing shows that it has ended
	woken    bool // the last Sync had to make the modem give results
	notation notation
	echo     echoing
	previous string // the command before
	probe    int    // the next of probes to send

	in     reader
	prompt string // ends a line that is being read
	keep   []byte // what is read is kept here too, if it is not nil
	ring   ringing
}

// New returns a Modem on d. A nil cfg means the zero Config. Nothing is sent.
// The state is Unsynchronised: call SetOnline if the modem is online. Waits of d
// that fail consume what they have read from now on (Dialog.SetConsume).
func New(d *script.Dialog, cfg *Config) *Modem {
	d.SetConsume(true) // an answer that was too late must not be found again
	var full Config
	if cfg != nil {
		full = *cfg
	}
	full.CommandTimeout = timeout(full.CommandTimeout, 5*time.Second)
	full.DialTimeout = timeout(full.DialTimeout, time.Minute)
	full.OnlineTimeout = timeout(full.OnlineTimeout, 10*time.Second)
	full.ProbeTimeout = timeout(full.ProbeTimeout, time.Second)
	full.SyncTimeout = timeout(full.SyncTimeout, 15*time.Second)
	full.CarrierTimeout = timeout(full.CarrierTimeout, 5*time.Second)
	full.HangUpTimeout = timeout(full.HangUpTimeout, 30*time.Second)
	full.Guard = max(0, cmp.Or(full.Guard, 1100*time.Millisecond))
	full.Quiet = max(time.Millisecond, cmp.Or(full.Quiet, 300*time.Millisecond))
	full.DropTime = max(0, cmp.Or(full.DropTime, time.Second))
	full.Settle = max(0, cmp.Or(full.Settle, 100*time.Millisecond))
	full.DialPrefix = cmp.Or(full.DialPrefix, "DT")
	full.End = cmp.Or(full.End, "\r")
	m := &Modem{dialog: d, cfg: full}
	if cfg != nil {
		m.source = *cfg
	}
	return m
}

// logf logs an action at debug level.
func (m *Modem) logf(ctx context.Context, text, step string) {
	if m.cfg.Log != nil {
		m.cfg.Log.DebugContext(ctx, "modem: "+text, "step", m.mask(step))
	}
}

// State returns what is known of the modem.
func (m *Modem) State() State { return m.state }

// SetOnline informs the Modem that the modem is online, because another program
// has dialled.
func (m *Modem) SetOnline() { m.state, m.proven, m.up = OnlineMode, false, true }

// Response is the answer to a command.
type Response struct {
	// Lines is the information text, without the echo, the line ends, empty
	// lines and what the modem sent unasked.
	Lines []string

	// Unasked are lines that began with the name of another extended command
	// and are no Indication of the configuration.
	Unasked []string

	Result Result
}

// Values returns the values of the lines that begin with a name, such as "+CSQ":
// what is after the colon, divided at commas outside quotes, without spaces and
// quotes. "+CREG: 0,1" is {"0", "1"}.
func (r Response) Values(name string) [][]string {
	var all [][]string
	name = strings.TrimSuffix(name, ":") + ":"
	for _, l := range r.Lines {
		if hasFold(l, name) {
			all = append(all, splitValues(l[len(name):]))
		}
	}
	return all
}

// splitValues divides a list at its commas.
func splitValues(s string) []string {
	values := splitQuoted(s, ',')
	for i, v := range values {
		values[i] = strings.Trim(strings.TrimSpace(v), `"`)
	}
	return values
}

// splitQuoted divides a text at the separators outside quotes.
func splitQuoted(s string, separator byte) []string {
	var parts []string
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// Command sends a command, with or without AT in front, and returns its
// answer. Commands that leave command mode are those of Dial, Connect, Answer
// and Online; CheckCommand describes what else is refused. The values of a
// command with a PIN or a password are hidden in logs and errors.
//
// The error is an *InputError, or a *CommandError if the modem refuses the
// command (ras.ErrFromDevice, see CMEError), gives no answer within
// Config.CommandTimeout (ras.ErrRequestTimeout), or the line or the context
// fails.
//
// An answer counts as this command's if it follows the echo, where the modem
// echoes. A line of text that is exactly a result, such as OK in a message, ends
// the answer early; the next command then brings the modem into step first.
func (m *Modem) Command(ctx context.Context, command string) (Response, error) {
	body, err := CheckCommand(command)
	if err != nil {
		return Response{}, err
	}
	if m.state == OnlineMode {
		return Response{}, &CommandError{Command: m.shown(body), Err: errOnline}
	}
	for _, value := range secretValues(body) {
		m.dialog.Hide(ras.Secret(value))
	}
	// Send a command line and read its answer. The answer is this
	// command's: nothing is outstanding when the line is sent, and where the modem
	// echoes, only what follows the echo counts.
	req := request{body: body, timeout: m.cfg.CommandTimeout, final: isCommandResult}
	if err := m.ready(ctx); err != nil {
		return Response{}, err
	}
	return m.exchange(ctx, req)
}

// CommandThen is Command for one whose true answer is a line that follows OK,
// such as "+CMQTTSTART: 0" or the +CUSD: of a request to the network. It returns
// the first line that begins with the prefix and is received within the timeout
// after OK; 0 or less is no limit.
func (m *Modem) CommandThen(ctx context.Context, command, prefix string, timeout time.Duration) (Response, string, error) {
	r, err := m.Command(ctx, command)
	if err != nil {
		return r, "", err
	}
	for _, l := range r.Lines {
		if hasFold(l, prefix) {
			return r, l, nil
		}
	}
	if timeout <= 0 {
		timeout = forever
	}
	start := time.Now()
	for {
		l, err := m.readLine(ctx, start.Add(timeout))
		if script.IsTimeout(err) {
			err = m.timeout(prefix, start, timeout)
		}
		if err != nil {
			return r, "", m.commandError(command, r.Lines, err)
		}
		if text := trimNoise(l.text); hasFold(text, prefix) {
			return r, text, nil
		}
		if err := m.unasked(ctx, l, ""); err != nil {
			return r, "", m.commandError(command, r.Lines, err)
		}
	}
}

// secretCommands are extended commands whose values are secrets.
var secretCommands = []string{"+CPIN", "+CPIN2", "+CPUK", "+CPWD", "+CLCK", "^CPIN", "+QSIMPIN", "+CWJAP", "+CGAUTH"}

// secretValues returns the values of those commands in a line, in quotes or not.
// Values of one or two characters are none: they are modes and facilities.
func secretValues(body string) []string {
	var values []string
	for _, command := range splitQuoted(body, ';') {
		_, list, ok := strings.Cut(command, "=")
		if !ok || !slices.ContainsFunc(secretCommands, func(name string) bool { return names(command, name) }) {
			continue
		}
		for _, value := range splitValues(list) {
			if len(value) > 2 {
				values = append(values, value)
			}
		}
	}
	return values
}

var errOnline = errors.New("the modem is online: call Escape first")

// isCommandResult reports whether an outcome ends the answer to a command.
// CONNECT, NO CARRIER and their like do not: they belong to calls.
func isCommandResult(o Outcome) bool { return o == OK || o == Failed }

// Init sends commands in order and stops at the first error. A command that
// gets no answer is sent once more, since a modem that has just been reset can
// lose one; not so one with a value in quotes, nor one with a PIN, of which
// a SIM allows three attempts. A reset that gets no answer because it has switched
// results off is done.
func (m *Modem) Init(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		_, err := m.Command(ctx, c)
		if script.IsTimeout(err) && ctx.Err() == nil && !strings.Contains(c, `"`) && len(secretValues(c)) == 0 {
			if err = m.Sync(ctx); err == nil && m.woken && changesEcho(c) {
				continue // a reset to a profile without results
			}
			if err == nil {
				_, err = m.Command(ctx, c)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Identity is what a modem reports of itself; what it does not report is empty.
type Identity struct {
	Manufacturer string   // +GMI
	Model        string   // +GMM
	Revision     string   // +GMR
	Info         []string // I3, the lines of text
}

// Identify queries the modem's name. Queries that it refuses are omitted.
func (m *Modem) Identify(ctx context.Context) (Identity, error) {
	var id Identity
	for _, q := range []struct {
		command string
		field   *string
	}{
		{"+GMI", &id.Manufacturer}, {"+GMM", &id.Model}, {"+GMR", &id.Revision},
	} {
		lines, err := m.question(ctx, q.command)
		if err != nil {
			return id, err
		}
		// Join lines of information and drop the name of the question,
		// which some modems repeat.
		name := q.command + ":"
		var parts []string
		for _, l := range lines {
			if len(l) >= len(name) && strings.EqualFold(l[:len(name)], name) {
				l = l[len(name):]
			}
			parts = append(parts, strings.Trim(strings.TrimSpace(l), `"`))
		}
		*q.field = strings.Join(parts, " ")
	}
	var err error
	id.Info, err = m.question(ctx, "I3")
	return id, err
}

// question is Command for one that may be refused.
func (m *Modem) question(ctx context.Context, command string) ([]string, error) {
	r, err := m.Command(ctx, command)
	if errors.Is(err, ras.ErrFromDevice) {
		err = nil
	}
	return r.Lines, err
}

// linesOf returns the modem lines of a call's port, and their levels.
func linesOf(call *ras.Call) (port.LineController, port.Lines, error) {
	p, ok := call.Line().(port.LineController)
	if !ok {
		return nil, 0, errNoLines
	}
	lines, err := p.Lines()
	return p, lines, err
}

var errNoLines = &port.OpError{Op: "modem lines", Err: errors.ErrUnsupported}
