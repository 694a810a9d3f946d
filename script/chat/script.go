package chat

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/rasline/rasline/ras"
)

// Script is a chat script. It is a script.Executor; several runs of one Script
// may go on at once as long as nobody changes its Options.
type Script struct {
	// Options may be changed until the script runs.
	Options Options

	file     string
	steps    []step
	warnings []Finding
}

// Options are what chat(8) takes from its command line and its surroundings.
// The zero Options work.
type Options struct {
	// Timeout limits each wait and each send until the script's own TIMEOUT
	// (option -t). Default, and for 0: 45 seconds. Negative: no limit.
	Timeout time.Duration

	// Echo copies what is received to Stderr until the script's own ECHO
	// (option -e): line feeds and printable characters as they are, other
	// control characters as ^X, no carriage returns. Default: off.
	Echo bool

	// Copy does the same, whatever ECHO says, and closes no open line at the
	// end (option -V). Default: off.
	Copy bool

	// T and U are the texts for \T and \U in sends (options -T and -U). They
	// are secrets. Default, nil: the letters stand for themselves.
	T, U *ras.Secret

	// Env gives the values for $NAME (option -E, with os.LookupEnv). Default:
	// $ is an ordinary byte.
	Env func(name string) (value string, ok bool)

	// ReadFile gives the contents of the file that a send names with @.
	// Default: that of the file system, up to 1,023 bytes; a named pipe is
	// waited for until ctx ends.
	ReadFile func(ctx context.Context, name string) ([]byte, error)

	// Stderr takes the texts of SAY, what Echo and Copy show, and reports if
	// there is no Report. A write to it that fails ends the script with status
	// 2. Default: the call's Terminal, and if there is none, nobody.
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

	// ShortPause is how long \p pauses. Default, and for 0 or less: a tenth of
	// a second, which the manual page promises; the program of the ppp package
	// takes a hundredth.
	ShortPause time.Duration

	// EightBit leaves the high bit of received bytes alone. Default: it is
	// cleared before a byte is looked at.
	EightBit bool

	// Hangup, if set, is told what the script says with HANGUP: false for OFF.
	// The host then decides about hang-ups by itself and ends the context for
	// one that counts, as a program does that gets SIGHUP, and the end of the
	// input is a time-out: sub-sends are tried, and the status is 3. Default:
	// the end of the input is a hang-up. It ends the script with status 2, and
	// after HANGUP OFF it is a time-out.
	Hangup func(ends bool)
}

const (
	defaultTimeout    = 45 * time.Second
	defaultGap        = 10 * time.Millisecond
	longPause         = time.Second
	defaultShortPause = 100 * time.Millisecond
)

// orDefault returns d, the default for 0, and 0 for a negative d.
func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}

// Parse makes a script of words, one each, as the command line of chat(8) gives
// them. Every list of words is a script; the error is always nil. What looks
// wrong is in Warnings.
func Parse(args []string) (*Script, error) {
	return build(argumentWords(args), newFindings(""))
}

// ParseFile makes a script of the contents of a file. The name is for messages.
// The error is a *ParseError with all mistakes that were found.
func ParseFile(name string, src []byte) (*Script, error) {
	found := newFindings(name)
	return build(fileWords(src, found), found)
}

func build(words []word, found *findings) (*Script, error) {
	s := &Script{file: found.file, steps: pairUp(words)}
	inspect(s.steps, found)
	s.warnings = found.Sorted()
	if found.Errors() > 0 {
		return nil, &ParseError{Findings: s.warnings}
	}
	return s, nil
}

// Warnings returns what looks wrong in the script, in the order of the places.
func (s *Script) Warnings() []Finding { return slices.Clone(s.warnings) }

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
