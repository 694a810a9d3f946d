package script

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rasline/rasline/ras"
)

// LoginConfig holds the settings of a Login. The zero LoginConfig and a nil one
// work. In each limit 0 is the default and negative is no limit.
type LoginConfig struct {
	// Timeout bounds the whole login. Default: a minute.
	Timeout time.Duration

	// Settle is how long the peer must have been silent before the end of its
	// last line counts as a prompt. Default, and for 0 or less: 300 ms.
	Settle time.Duration

	// Nudge is how long a peer that has sent nothing at all may be silent
	// before a CR is sent to wake it, at most three times. Default: 3 seconds.
	Nudge time.Duration

	// Ready is how long a peer must be silent after PPP was chosen or
	// announced before it counts as waiting for our PPP, and after it has
	// refused the password before the login counts as refused. Default: 5
	// seconds.
	Ready time.Duration

	// Hope lets a peer that was given the password, has refused nothing and is
	// then silent for Ready count as waiting for our PPP, although PPP was
	// neither chosen nor announced nor seen. Result.Guessed reports that.
	// Default: such a login ends by Timeout.
	Hope bool

	// NamePrompts and PasswordPrompts are further texts that ask for the name
	// and for the password, in any letter case: at the end of the last line, but
	// for blanks and punctuation. Default: none.
	NamePrompts, PasswordPrompts []string

	// DefaultReply is what is sent, with a CR, to a prompt after the password
	// that is none of the known ones. Default: "ppp".
	DefaultReply string

	// Log gets a debug record of what is sent and received, secrets masked,
	// besides the log of the run. Default: that alone.
	Log *slog.Logger
}

// Login returns an Executor that logs in without a script: it answers the
// prompts for a name and a password with those of the call, chooses PPP from a
// menu or enters it at a command prompt, and ends at the first PPP frame, which
// the next reader gets, or when the peer falls silent after PPP was chosen
// or announced.
//
// Prompts are recognised after terminal sequences and control characters and with
// parity bits, once the peer has been silent for Settle.
//
// A name or password that is refused is ras.ErrAuthenticationFailure. One that
// holds a control character, which would be sent as a line of its own, is
// ras.ErrInvalidParameter before anything is sent, and so is one that the peer
// requests and the call does not have. The former is known before a run: the
// Executor is a Checker. A peer that sends nothing that is understood ends it with a *TimeoutError, which names what was awaited.
func Login(cfg *LoginConfig) Executor {
	var c LoginConfig
	if cfg != nil {
		c = *cfg
	}
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.Nudge = cmp.Or(c.Nudge, 3*time.Second)
	c.Ready = cmp.Or(c.Ready, 5*time.Second)
	c.DefaultReply = cmp.Or(c.DefaultReply, "ppp")
	if c.Settle <= 0 {
		c.Settle = 300 * time.Millisecond
	}
	return loginExecutor{c}
}

// loginExecutor is what Login returns.
type loginExecutor struct{ cfg LoginConfig }

func (e loginExecutor) Execute(ctx context.Context, call *ras.Call) error {
	l := &login{cfg: e.cfg, call: call, start: time.Now()}
	if p := call.Parameters(); p != nil {
		l.params = *p
	}
	if err := e.Check(&l.params); err != nil {
		return err
	}
	l.dialog = NewDialog(call, &DialogConfig{Log: e.cfg.Log, Tap: l.hear})
	defer l.dialog.Close()
	return l.run(ctx)
}

// Check refuses what would be sent as more than one line.
func (e loginExecutor) Check(p *ras.DialParams) error {
	if p == nil {
		return nil
	}
	for _, text := range []struct{ what, text string }{{"user name", p.UserName}, {"password", p.Password.Reveal()}} {
		if strings.ContainsFunc(text.text, unicode.IsControl) {
			return &Error{Op: "login", Err: &ras.Error{Code: ras.ErrInvalidParameter,
				Err: fmt.Errorf("the %s contains a control character, which would end the line early", text.what)}}
		}
	}
	return nil
}

// What the peer's last line may request, and the words of a refusal. The
// answers to "login:" and to "Last login: Monday" differ, so the prompts must
// end the line.
var (
	nameWord     = regexp.MustCompile(`(?i)(?:log ?in|user ?name|user ?id|(?:^|[^a-z])(?:user|account|name)(?:$|[^a-z]))`)
	passwordWord = regexp.MustCompile(`(?i)(?:pass ?word|pass ?wd|pass ?code|pass ?phrase|kennwort)`)
	promptEnd    = regexp.MustCompile(`[:>?=]\s*[\[(]?\s*$`) // "[" begins a field to fill in
	whose        = regexp.MustCompile(`(?i)^\s*(?:for|of)\b`)
	anyPrompt    = regexp.MustCompile(`[:>?#$%\]]\s*$`)
	menuEntry    = regexp.MustCompile(`(?im)^[ \t]*[\[(<]?([0-9a-z]{1,3})[\])>.:\-=][\])>.:\-= \t]*[^\r\n]*\bppp\b`)
	refusal      = regexp.MustCompile(`(?i)\b(?:incorrect|invalid|denied|failed|failure|bad password|wrong|unknown user|not authori[sz]ed)\b`)
	history      = regexp.MustCompile(`(?i)\bsince\b.*\blog ?in\b|^\W*last\b.*\blog ?in:`) // of logins before
	announcement = regexp.MustCompile(`(?i)(?:(?:enter|start|begin|switch)\w*(?: to)? ppp|ppp (?:mode|session)|your ip address is|(?:packet mode|ppp) enabled)`)
	sequences    = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b\r\n]*(?:\x07|\x1b\\\\)?|[ -/]+[0-~]|[0-Z\\\\^-~])")
)

const (
	maxPrompt = 120  // characters of a prompt after the word that identifies it
	maxHeard  = 8192 // bytes that the peer sent last which are searched
	maxNudges = 3
	maxTries  = 8 // answers to prompts, so that two machines do not talk for ever
)

// The openings of an LCP frame, escaped or not (RFC 1662, RFC 1661).
var pppFrames = []Pattern{Text("~\xff}#"), Text("~\xff\x03\xc0!"), Text("~\xc0!")}

// login is one run of a Login. Its flags are set and never cleared; together they
// are the phase:
//
//	event             before the password    after it (gavePass)
//	name prompt       gaveName               refused
//	password prompt   gavePass               refused
//	menu with PPP     chosePPP               chosePPP
//	other prompt      -                      chosePPP, once
//	announcement      -                      announced
//	refusal           -                      sawRefusal
//	PPP frame         success                success
//	Nudge passes      a CR (1)               a CR (1)
//	Ready passes      -                      sawRefusal: refused; chosePPP or
//	                                         announced: success; else, with
//	                                         Hope: a guess
//	Timeout passes    timeout                timeout, or refused if sawRefusal
//
// (1) While the peer has sent nothing (anything is not set), maxNudges times.
type login struct {
	cfg    LoginConfig
	call   *ras.Call
	params ras.DialParams
	dialog *Dialog
	start  time.Time

	heard      []byte // since the last answer
	anything   bool   // whether the peer has sent anything at all
	nudges     int
	answers    int
	gaveName   bool
	gavePass   bool
	chosePPP   bool
	announced  bool // the peer has announced PPP
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
		framed, silent, err := l.listen(ctx)
		var done bool
		switch {
		case framed:
			return nil
		case err != nil:
			return l.explain(err)
		case silent:
			done, err = l.fallenSilent(ctx)
		default:
			done, err = l.answer(ctx)
		}
		if done || err != nil {
			return err
		}
	}
}

// listen waits for a PPP frame, or until the peer has sent something and paused.
// It reports silent if the peer has sent nothing for as long as that may take.
func (l *login) listen(ctx context.Context) (framed, silent bool, err error) {
	if len(l.heard) == 0 {
		if arrived, err := l.firstByte(ctx, l.patience()); !arrived {
			return false, err == nil, err
		}
	}
	frames := pppFrames
	if l.call.Exact && l.gavePass {
		// Where nothing can be given back, the flag that opens the first frame
		// has to do.
		frames = []Pattern{Text("\n~"), Text("\r~"), Text("~\xff")}
	}
	m, err := l.dialog.wait(ctx, waitClock{start: l.start, limit: l.cfg.Timeout, idle: l.cfg.Settle}, nil, frames)
	if err == nil {
		if l.call.Exact {
			return true, false, nil
		}
		return true, false, l.dialog.Unread(m.Text)
	}
	var t *TimeoutError
	if errors.As(err, &t) {
		if t.Idle {
			return false, false, nil
		}
		return false, false, l.timedOut(t)
	}
	return false, false, err
}

// patience is how long the peer may be silent before that means something: that
// it has to be woken, that it waits for our PPP, or that it has refused us.
func (l *login) patience() time.Duration {
	switch {
	case !l.anything && l.nudges < maxNudges && l.cfg.Nudge > 0:
		return l.cfg.Nudge
	case l.gavePass && (l.chosePPP || l.announced || l.sawRefusal || l.cfg.Hope):
		return l.cfg.Ready
	}
	return l.cfg.Timeout
}

// firstByte waits for the next byte and leaves it where it is. If none arrives
// in time it reports false, with an error only if the login's limit has passed
// or the line has failed.
func (l *login) firstByte(ctx context.Context, patience time.Duration) (arrived bool, err error) {
	limit := patience
	if l.cfg.Timeout > 0 {
		left := max(l.cfg.Timeout-time.Since(l.start), time.Millisecond)
		if limit <= 0 || left <= limit {
			limit, patience = left, 0
		}
	}
	b, err := l.dialog.NextByte(ctx, limit)
	var t *TimeoutError
	switch {
	case err == nil:
		l.heard = l.heard[:len(l.heard)-1] // the tap will be given it again
		return true, l.dialog.Unread([]byte{b})
	case !errors.As(err, &t):
		return false, err
	case patience > 0:
		return false, nil
	}
	return false, l.timedOut(t)
}

// timedOut is the error of a login whose limit has passed: it names what was
// awaited in its phase.
func (l *login) timedOut(t *TimeoutError) error {
	want := "a login prompt"
	switch {
	case l.chosePPP || l.announced:
		want = "PPP, which was asked for"
	case l.gavePass:
		want = "PPP after the login (a frame, a menu or a command prompt; LoginConfig.Hope takes silence for it)"
	case l.gaveName:
		want = "a password prompt"
	}
	tail := l.call.MaskTail(l.heard)
	return &TimeoutError{Want: []string{want}, Tail: string(tail), Elapsed: time.Since(l.start), Limit: l.cfg.Timeout,
		Damaged: t.Damaged, Line: t.Line}
}

// plain returns what a person sees of b if the high bits are parity, as visible
// does.
func plain(b []byte) []byte {
	text := make([]byte, len(b))
	for i, c := range b {
		text[i] = c & 0x7F
	}
	return visible(text)
}

// visible returns what a person sees of a text: without terminal sequences and
// control characters, and without what backspaces erase.
func visible(text []byte) []byte {
	text = sequences.ReplaceAll(text, nil)
	out := text[:0]
	for _, c := range text {
		switch {
		case c == '\b':
			if n := len(out); n > 0 && out[n-1] != '\n' && out[n-1] != '\r' {
				out = out[:n-1]
			}
		case c >= ' ' && c != 0x7F || c == '\r' || c == '\n' || c == '\t':
			out = append(out, c)
		}
	}
	return out
}

// ask is what a prompt requests.
type ask uint8

const (
	askNothing ask = iota
	askName
	askPassword
)

// lastLine returns the line that text ends in.
func lastLine(text []byte) []byte { return text[bytes.LastIndexAny(text, "\r\n")+1:] }

// asks returns what a line requests, by the texts of the LoginConfig first. These
// may have characters of eight bits: l.heard is searched for them as well, whose
// bits may be all characters and no parity.
func (l *login) asks(line []byte) ask {
	fold := func(text string) string { return strings.ToLower(strings.TrimRight(text, promptMarks)) }
	text, all := fold(string(line)), fold(string(lastLine(visible(l.heard))))
	ends := func(prompt string) bool {
		prompt = fold(prompt)
		return prompt != "" && (strings.HasSuffix(text, prompt) || strings.HasSuffix(all, prompt))
	}
	switch {
	case slices.ContainsFunc(l.cfg.PasswordPrompts, ends):
		return askPassword
	case slices.ContainsFunc(l.cfg.NamePrompts, ends):
		return askName
	}
	return asks(line)
}

// promptMarks may follow a text of LoginConfig.
const promptMarks = " \t)>}]:.|-?$%="

// asks returns what a line that may be a prompt requests. If it names both, the
// later one counts, but "Password for user joe" requests a password.
func asks(line []byte) ask {
	if !promptEnd.Match(line) {
		return askNothing
	}
	names, passwords := nameWord.FindAllIndex(line, -1), passwordWord.FindAllIndex(line, -1)
	near := func(at [][]int) bool { return len(at) > 0 && len(line)-at[len(at)-1][1] <= maxPrompt }
	switch {
	case near(passwords) && near(names):
		p, n := passwords[len(passwords)-1], names[len(names)-1]
		if n[0] < p[0] || whose.Match(line[p[1]:n[0]]) {
			return askPassword
		}
		return askName
	case near(passwords):
		return askPassword
	case near(names):
		return askName
	}
	return askNothing
}

// refuses reports whether a line of text is a refusal. One that reports failed
// logins of the past, as many peers do after a password that is right, is none.
func refuses(text []byte) bool {
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if refusal.Match(line) && !history.Match(line) {
			return true
		}
	}
	return false
}

// answer reads what a peer that has fallen silent has sent and does what a
// person would.
func (l *login) answer(ctx context.Context) (done bool, err error) {
	text := plain(l.heard)
	line := lastLine(text)
	l.sawRefusal = l.sawRefusal || l.gavePass && refuses(text)
	l.announced = l.announced || l.gavePass && announcement.Match(text)
	asked := l.asks(line)
	switch {
	case asked != askNothing && l.gavePass:
		return false, l.refused(nil)
	case asked == askPassword:
		if l.params.Password == "" && !l.params.NoPassword {
			return false, l.missing("password")
		}
		l.gavePass = true
		return false, l.reply(ctx, string(l.params.Password)+"\r", true)
	case asked == askName:
		if l.params.UserName == "" {
			return false, l.missing("user name")
		}
		l.gaveName = true
		return false, l.reply(ctx, l.params.UserName+"\r", false)
	case menuEntry.Match(text) && anyPrompt.Match(line):
		l.chosePPP = true
		return false, l.reply(ctx, string(menuEntry.FindSubmatch(text)[1])+"\r", false)
	case l.gavePass && anyPrompt.Match(line) && !l.chosePPP:
		l.chosePPP = true
		return false, l.reply(ctx, l.cfg.DefaultReply+"\r", false)
	}
	arrived, err := l.firstByte(ctx, l.patience())
	if arrived || err != nil {
		return false, l.explain(err)
	}
	return l.fallenSilent(ctx)
}

// fallenSilent decides what the silence of the peer means.
func (l *login) fallenSilent(ctx context.Context) (done bool, err error) {
	switch {
	case !l.anything:
		l.nudges++
		return false, l.dialog.Send(ctx, []byte("\r"))
	case l.sawRefusal:
		return false, l.refused(nil)
	case !l.chosePPP && !l.announced:
		Shared[guess](l.call).made = true
	}
	return true, nil
}

// reply sends an answer and discards the prompt.
func (l *login) reply(ctx context.Context, text string, secret bool) error {
	if l.answers++; l.answers > maxTries {
		return &Error{Op: "login", Tail: string(l.call.MaskTail(l.heard)),
			Err: &ras.Error{Code: ras.ErrAuthenticationFailure, Err: errors.New("too many login prompts")}}
	}
	l.heard = l.heard[:0]
	if secret {
		return l.dialog.SendSecret(ctx, ras.Secret(text))
	}
	return l.dialog.Send(ctx, []byte(text))
}

func (l *login) missing(what string) error {
	return &Error{Op: "login", Err: &ras.Error{Code: ras.ErrInvalidParameter,
		Err: errors.New("the peer asks for a " + what + " and none was given")}}
}

func (l *login) refused(cause error) error {
	err := errors.New("the peer refuses the name or the password")
	if cause != nil {
		err = fmt.Errorf("%w, and then: %w", err, cause)
	}
	return &Error{Op: "login", Tail: string(l.call.MaskTail(l.heard)),
		Err: &ras.Error{Code: ras.ErrAuthenticationFailure, Err: err}}
}

// explain gives the end of the line the reason that the peer has sent, if any.
func (l *login) explain(err error) error {
	if err == nil {
		return nil
	}
	if l.sawRefusal = l.sawRefusal || l.gavePass && refuses(plain(l.heard)); l.sawRefusal {
		return l.refused(err)
	}
	return err
}
