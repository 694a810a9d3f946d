package chat

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// Script is a chat script. It does not change, and any number of runs may continue
// at the same time. It is a script.Executor itself, with the zero Config.
type Script struct {
	file     string
	steps    []step
	warnings []lint.Finding
	dollars  []lint.Finding // warnings that hold without Config.Env
	highs    []lint.Finding // warnings that hold without Config.EightBit
	name     pos            // of the first send with \T in it, if there is one
	password pos            // of the first send with \U in it, if there is one
}

// Executor returns an executor that runs the script with settings of its own;
// a nil cfg means the zero Config. It behaves as Execute does.
func (s *Script) Executor(cfg *Config) script.Executor {
	e := &executor{Script: s}
	if cfg != nil {
		e.cfg = *cfg
	}
	// 0 is none from here on, and 0 of Timeout no limit.
	e.cfg.Timeout = max(0, cmp.Or(e.cfg.Timeout, defaultTimeout))
	e.cfg.Gap = max(0, cmp.Or(e.cfg.Gap, 10*time.Millisecond))
	e.cfg.ShortPause = max(0, cmp.Or(e.cfg.ShortPause, 100*time.Millisecond))
	if e.cfg.ReadFile == nil {
		e.cfg.ReadFile, e.readsFiles = readFile, true
	}
	return e
}

// executor is a Script with settings.
type executor struct {
	*Script
	cfg        Config // complete
	readsFiles bool   // from the file system
}

// Config holds what chat(8) takes from its command line and its surroundings. The
// zero Config and a nil one work.
type Config struct {
	// Timeout limits each wait and each send until the script's own TIMEOUT
	// (option -t). Default, and for 0: 45 seconds. Negative: no limit.
	Timeout time.Duration

	// Echo copies what is received to Stderr until the script's own ECHO
	// (option -e): line feeds and printable characters as they are, other
	// control characters as ^X, no carriage returns. Default: off.
	Echo bool

	// Copy does the same, whatever ECHO is set to, and closes no open line at the
	// end (option -V). Default: off.
	Copy bool

	// T and U are the texts for \T and \U in sends (options -T and -U). T, a
	// phone number or a name, is shown; U is a secret. Default, nil: the
	// letters represent themselves.
	T *string
	U *ras.Secret

	// UseParams takes the user name and the password of the call for T and U
	// that are nil. A script that sends one which is not given fails with a
	// script.MissingError before anything is sent, since an empty name locks
	// accounts. Default: off.
	UseParams bool

	// Env gives the values for $NAME (option -E, with os.LookupEnv). Default:
	// $ is an ordinary byte.
	Env func(name string) (value string, ok bool)

	// ReadFile gives the contents of the file that a send names with @.
	// Default: that of the file system, up to 1,023 bytes; a named pipe is
	// waited for until ctx ends.
	ReadFile func(ctx context.Context, name string) ([]byte, error)

	// Stderr receives the texts of SAY, what Echo and Copy show, and reports if
	// there is no Report. A write to it or to Report that fails is a warning to
	// Log, once, and the script continues. Default: the call's Terminal, and if
	// there is none, none.
	Stderr io.Writer

	// Report takes a line for each string of REPORT that was found (option
	// -r). Default: Stderr.
	Report io.Writer

	// Log gets the conversation at level debug (option -v), its outcome at
	// info, and what ends the script from outside at error; its messages are
	// those of chat(8). What the line cannot do is a warning. Default: no log.
	Log *slog.Logger

	// Gap is a pause before each byte that is sent. Default, and for 0: 10
	// milliseconds, since there are modems that rely on it. Negative: none.
	Gap time.Duration

	// ShortPause is how long \p pauses. Default, and for 0: a tenth of a second,
	// which the manual page promises; the program of the ppp package takes a
	// hundredth. Negative: none.
	ShortPause time.Duration

	// EightBit leaves the high bit of received bytes alone. Default: it is
	// cleared before a byte is examined.
	EightBit bool

	// Hangup, if set, is called with the value of HANGUP: false for OFF.
	// The host then decides about hang-ups by itself and ends the context for
	// one that counts, as a program does that gets SIGHUP, and the end of the
	// input is a timeout: sub-sends are tried, and the status is 3. Default:
	// the end of the input is a hang-up. It ends the script with status 2, and
	// after HANGUP OFF it is a timeout.
	Hangup func(ends bool)
}

const (
	defaultTimeout = 45 * time.Second
	longPause      = time.Second
)

// Parse makes a script of words, one each, as the command line of chat(8) gives
// them. Every list of words is a script; the error is always nil. What looks
// wrong is in Warnings.
func Parse(args []string) (*Script, error) {
	return build(argumentWords(args), newFindings("", ""))
}

// ParseFile makes a script of the contents of a file. The name is for messages.
// The error is a *lint.ParseError with every error that was found.
func ParseFile(name string, src []byte) (*Script, error) {
	source := lint.NewSource(name, src)
	found := newFindings(name, source.Text())
	text := source.Refusal()
	if text == "" && strings.Count(source.Text(), "\x00") > len(src)/3 { // UTF-16 without a mark
		text = source.NULRefusal(len(source.Text()))
	}
	if text != "" {
		found.add(lint.SeverityError, pos{1, 1}, "%s", text)
		return build(nil, found)
	}
	return build(fileWords(source, found), found)
}

func build(words []word, found *findings) (*Script, error) {
	s := &Script{file: found.file, steps: pairUp(words)}
	l := inspect(s.steps, found)
	s.name, s.password, s.dollars, s.highs = l.name, l.secret, l.dollars, l.highs
	s.warnings = found.Sorted()
	if found.Errors() > 0 {
		return nil, &lint.ParseError{Findings: s.warnings}
	}
	return s, nil
}

// Warnings returns what looks wrong in the script, in the order of the places,
// for a run with the zero Config.
func (s *Script) Warnings() []lint.Finding { return s.WarningsFor(nil) }

// WarningsFor is Warnings for a run with the settings: what Env replaces and
// what EightBit can receive is in order then.
func (s *Script) WarningsFor(cfg *Config) []lint.Finding {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	all := slices.Clone(s.warnings)
	if c.Env == nil {
		all = append(all, s.dollars...)
	}
	if !c.EightBit {
		all = append(all, s.highs...)
	}
	lint.Sort(all)
	return all
}

// step is one thing that a script does.
type step struct {
	kind kind
	word word // the text to wait for or to send, or a keyword's value
}

// kind is what a step does.
type kind uint8

const (
	kindExpect kind = iota
	kindSend
	kindAbort
	kindClearAbort
	kindReport
	kindClearReport
	kindTimeout
	kindEcho
	kindHangup
	kindSay
)

var keywords = map[string]kind{
	"ABORT":      kindAbort,
	"CLR_ABORT":  kindClearAbort,
	"REPORT":     kindReport,
	"CLR_REPORT": kindClearReport,
	"TIMEOUT":    kindTimeout,
	"ECHO":       kindEcho,
	"HANGUP":     kindHangup,
	"SAY":        kindSay,
}

// pairUp makes steps of words: a keyword takes the next word as its value, any
// other word is awaited and the next one is sent. A keyword that ends the
// script does nothing.
func pairUp(words []word) []step {
	steps := make([]step, 0, len(words))
	for len(words) > 0 {
		first := words[0]
		words = words[1:]
		kind, isKeyword := keywords[first.text]
		if !isKeyword {
			steps = append(steps, step{kindExpect, first})
			kind = kindSend
		}
		if len(words) > 0 {
			steps = append(steps, step{kind, words[0]})
			words = words[1:]
		}
	}
	return steps
}
