package script

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
)

// LoginConfig holds the settings of a Login. The zero LoginConfig and a nil one
// work.
type LoginConfig struct {
	// Limit bounds the whole login. Default, and for 0 or less: a minute.
	Limit time.Duration

	// Settle is how long the far end must have been silent before the end of
	// its last line counts as a prompt. Default, and for 0 or less: 300 ms.
	Settle time.Duration

	// Nudge is how long a far end that has said nothing at all may be silent
	// before a CR is sent to wake it, at most three times. Default, and for 0
	// or less: 3 seconds.
	Nudge time.Duration

	// Ready is how long a far end that has answered the password, or the choice
	// of PPP, must be silent before it counts as waiting for our PPP. Default,
	// and for 0 or less: 5 seconds.
	Ready time.Duration

	// Log gets a debug record of what is sent and received, secrets masked.
	// Default: no log.
	Log *slog.Logger
}

// Login returns an Executor that logs in without a script: it answers the
// prompts for a name and a password with those of the call, chooses PPP from a
// menu or asks a command prompt for it, and ends at the first PPP frame, which
// stays for the next reader, or when the far end falls silent after the
// password.
//
// A name or password that is refused is ras.ErrAuthenticationFailure, a far end
// that asks for one that the call does not have is ras.ErrInvalidParameter, and
// a far end that says nothing it understands is a *TimeoutError.
func Login(cfg *LoginConfig) Executor {
	var c LoginConfig
	if cfg != nil {
		c = *cfg
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Limit, time.Minute}, {&c.Settle, 300 * time.Millisecond}, {&c.Nudge, 3 * time.Second}, {&c.Ready, 5 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		l := &login{cfg: c, call: call, start: time.Now()}
		l.dialog = NewDialog(call, &DialogConfig{Log: c.Log, Tap: l.hear})
		defer l.dialog.Close()
		return l.run(ctx)
	})
}

// What the far end's last line may ask for, and what it may say of a refusal.
// The answers to "login:" and to "Last login: Monday" differ, so the prompts
// must end the line.
var (
	namePrompt     = regexp.MustCompile(`(?i)(?:log ?in|user ?name|user ?id|(?:^|[^a-z])(?:user|account|name))[^\r\n]{0,20}[:>?]\s*$`)
	passwordPrompt = regexp.MustCompile(`(?i)(?:pass ?word|pass ?wd|pass ?code|pass ?phrase|kennwort)[^\r\n]{0,20}[:>?]\s*$`)
	anyPrompt      = regexp.MustCompile(`[:>?#$%\]]\s*$`)
	menuEntry      = regexp.MustCompile(`(?im)^[ \t]*[\[(<]?([0-9a-z]{1,3})[\])>.:\-=][\])>.:\-= \t]*[^\r\n]*\bppp\b`)
	refusal        = regexp.MustCompile(`(?i)\b(?:incorrect|invalid|denied|failed|failure|bad password|wrong|unknown user|not authori[sz]ed)\b`)
	escapes        = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
)

// The openings of an LCP frame, escaped or not (RFC 1662, RFC 1661).
var pppFrames = []Pattern{Text("~\xff}#"), Text("~\xff\x03\xc0!"), Text("~\xc0!")}

const (
	maxHeard  = 8192 // bytes of the far end's last words that are looked at
	maxNudges = 3
	maxTries  = 8 // answers to prompts, so that two machines do not talk for ever
)

// login is one run of a Login.
type login struct {
	cfg    LoginConfig
	call   *ras.Call
	dialog *Dialog
	start  time.Time

	heard      []byte // since the last answer
	anything   bool   // whether the far end has said anything at all
	nudges     int
	answers    int
	gavePass   bool
	chosePPP   bool
	sawRefusal bool
}

// hear is the Dialog's tap.
func (l *login) hear(b []byte) {
	l.heard = append(l.heard, b...)
	if len(l.heard) > maxHeard {
		l.heard = append(l.heard[:0], l.heard[len(l.heard)-maxHeard/2:]...)
	}
	l.anything = true
}

func (l *login) run(ctx context.Context) error {
	for {
		framed, err := l.listen(ctx)
		switch {
		case framed:
			return nil
		case err != nil:
			return l.explain(err)
		}
		done, err := l.answer(ctx)
		if done || err != nil {
			return err
		}
	}
}

// listen waits for a PPP frame, or until the far end has fallen silent.
func (l *login) listen(ctx context.Context) (framed bool, err error) {
	if len(l.heard) == 0 {
		if came, err := l.firstByte(ctx, l.patience()); !came {
			return false, err
		}
	}
	m, err := l.dialog.wait(ctx, waitClock{start: l.start, limit: l.cfg.Limit, idle: l.cfg.Settle}, l.frames())
	if err == nil {
		if !l.call.Exact {
			l.dialog.Unread(m.Text)
		}
		return true, nil
	}
	var t *TimeoutError
	if errors.As(err, &t) && t.Idle {
		return false, nil
	}
	return false, err
}

// frames returns the patterns that tell of PPP. In an exact call, where nothing
// can be put back, the flag that opens the first frame has to do.
func (l *login) frames() []Pattern {
	if l.call.Exact && l.gavePass {
		return []Pattern{Text("\n~"), Text("\r~"), Text("~\xff")}
	}
	return pppFrames
}

// patience is how long the far end may take for the first byte of its next
// word.
func (l *login) patience() time.Duration {
	if !l.anything && l.nudges < maxNudges {
		return l.cfg.Nudge
	}
	return l.cfg.Limit
}

// firstByte waits for the next byte and leaves it where it is. If none comes in
// time it reports false, with an error only if the login's limit has passed or
// the line has failed.
func (l *login) firstByte(ctx context.Context, patience time.Duration) (came bool, err error) {
	left := max(l.cfg.Limit-time.Since(l.start), time.Millisecond)
	b, err := l.dialog.NextByte(ctx, min(patience, left))
	var t *TimeoutError
	switch {
	case err == nil:
		l.dialog.Unread([]byte{b})
		l.heard = l.heard[:len(l.heard)-1] // the tap will see it again
		return true, nil
	case !errors.As(err, &t):
		return false, err
	case patience < left:
		return false, nil
	}
	return false, &TimeoutError{Want: []string{"a login prompt"}, Tail: string(l.call.MaskTail(l.heard)),
		Elapsed: time.Since(l.start), Limit: l.cfg.Limit, Damaged: t.Damaged}
}

// lastLine returns what the far end has sent since its last line end, without
// terminal escapes.
func (l *login) lastLine() []byte {
	text := escapes.ReplaceAll(l.heard, nil)
	if i := strings.LastIndexAny(string(text), "\r\n"); i >= 0 {
		text = text[i+1:]
	}
	return text
}

// answer looks at a far end that has fallen silent and does what a person
// would.
func (l *login) answer(ctx context.Context) (done bool, err error) {
	line := l.lastLine()
	l.sawRefusal = l.sawRefusal || l.gavePass && refusal.Match(l.heard)
	switch {
	case !l.anything:
		return false, l.nudge(ctx)
	case passwordPrompt.Match(line):
		return false, l.givePassword(ctx)
	case namePrompt.Match(line):
		return false, l.giveName(ctx)
	case menuEntry.Match(l.heard) && anyPrompt.Match(line):
		return false, l.choose(ctx, string(menuEntry.FindSubmatch(l.heard)[1]))
	case l.gavePass && anyPrompt.Match(line) && !l.chosePPP:
		return false, l.choose(ctx, "ppp")
	}
	return l.linger(ctx)
}

func (l *login) nudge(ctx context.Context) error {
	l.nudges++
	return l.dialog.Send(ctx, []byte("\r"))
}

// linger waits for a far end whose last words asked for nothing. After the
// password its silence says that it waits for our PPP.
func (l *login) linger(ctx context.Context) (done bool, err error) {
	patience := l.cfg.Limit
	if l.gavePass && !l.sawRefusal {
		patience = l.cfg.Ready
	}
	came, err := l.firstByte(ctx, patience)
	if err != nil {
		return false, l.explain(err)
	}
	return !came, nil
}

func (l *login) giveName(ctx context.Context) error {
	switch {
	case l.gavePass:
		return l.refused(nil)
	case l.call.Params == nil || l.call.Params.UserName == "":
		return l.missing("user name")
	}
	return l.say(ctx, []byte(l.call.Params.UserName+"\r"), false)
}

func (l *login) givePassword(ctx context.Context) error {
	switch {
	case l.gavePass:
		return l.refused(nil)
	case l.call.Params == nil || l.call.Params.Password == "":
		return l.missing("password")
	}
	l.gavePass = true
	return l.say(ctx, []byte(l.call.Params.Password.Reveal()+"\r"), true)
}

func (l *login) choose(ctx context.Context, key string) error {
	l.chosePPP = true
	return l.say(ctx, []byte(key+"\r"), false)
}

// say sends an answer and forgets the question.
func (l *login) say(ctx context.Context, b []byte, secret bool) error {
	if l.answers++; l.answers > maxTries {
		return &Error{Op: "login", Tail: string(l.call.MaskTail(l.heard)),
			Err: &ras.Error{Code: ras.ErrAuthenticationFailure, Err: errors.New("the far end asks again and again")}}
	}
	l.heard = l.heard[:0]
	if secret {
		return l.dialog.SendSecret(ctx, ras.Secret(b))
	}
	return l.dialog.Send(ctx, b)
}

func (l *login) missing(what string) error {
	return &Error{Op: "login", Err: &ras.Error{Code: ras.ErrInvalidParameter,
		Err: errors.New("the far end asks for a " + what + " and none was given")}}
}

func (l *login) refused(cause error) error {
	err := errors.New("the far end refuses the name or the password")
	if cause != nil {
		err = errors.Join(err, cause)
	}
	return &Error{Op: "login", Tail: string(l.call.MaskTail(l.heard)),
		Err: &ras.Error{Code: ras.ErrAuthenticationFailure, Err: err}}
}

// explain gives the end of the line its reason if the far end told one.
func (l *login) explain(err error) error {
	if l.sawRefusal = l.sawRefusal || l.gavePass && refusal.Match(l.heard); l.sawRefusal {
		return l.refused(err)
	}
	return err
}
