package runscript

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// run is one run of a Script, or of one that call runs inside it. One goroutine
// uses it.
type run struct {
	*executor
	ctx     context.Context
	session *session
	vars    map[string]int
	status  int      // $?
	at      *command // that runs
	depth   int      // of gosub
}

// session is what a run and those that call starts share.
type session struct {
	call    *ras.Call
	dialog  *script.Dialog
	view    io.Writer // of the user, without secrets
	masked  *ras.MaskWriter
	verbose bool

	limit time.Duration // of the whole script; 0: none
	since time.Time     // when it began
	steps int           // since the last wait
	calls int           // depth of call

	tail    []byte // the end of what was received since the last send
	longest int    // bytes of tail to keep
}

// flow is where a command leads.
type flow struct {
	kind   flowKind
	target int // the line to continue with, for flowGoto
	status int // for flowExit
}

type flowKind uint8

const (
	flowNext   flowKind = iota // the next line, or what waits continues
	flowGoto                   // line target
	flowReturn                 // the end of the subroutine
	flowBreak                  // the end of the expect
	flowExit                   // the end of the script
)

func (e *executor) Execute(ctx context.Context, call *ras.Call) error {
	if err := e.Check(call.Params); err != nil {
		return err
	}
	s := &session{call: call, verbose: true, limit: e.cfg.Timeout, since: time.Now(), view: e.cfg.Terminal}
	if s.view == nil && call.Terminal != nil {
		s.view = call.Terminal
	}
	if s.view == nil {
		s.view = io.Discard
	}
	s.masked = call.MaskStream(s.view)
	s.dialog = script.NewDialog(call, &script.DialogConfig{Log: e.cfg.Log, Consume: true})
	defer s.dialog.Close()
	defer s.masked.Flush()
	if call.Params != nil {
		call.Hide(call.Params.Password)
	}
	return e.run(ctx, s)
}

// run runs the script from its first line.
func (e *executor) run(ctx context.Context, s *session) error {
	r := &run{executor: e, ctx: ctx, session: s, vars: map[string]int{}, at: &command{place: place{1, 1}}}
	end, err := r.lines(0)
	switch {
	case err != nil:
		return err
	case end.kind == flowExit && end.status != 0:
		fail := r.fail(fmt.Errorf("the script ended with exit %d", end.status), ras.ErrUnknown)
		return &ExitError{RunError: *fail, Status: end.status}
	}
	return nil
}

// lines runs the script from a line on, up to its end or to the return of the
// subroutine.
func (r *run) lines(pc int) (flow, error) {
	for pc < len(r.Script.lines) {
		l := &r.Script.lines[pc]
		pc++
		f, err := r.exec(&l.cmd)
		switch {
		case err != nil:
			return f, err
		case f.kind == flowGoto:
			pc = f.target
		case f.kind == flowReturn && r.depth == 0: // there is no gosub, and it is ignored
		case f.kind == flowBreak:
			return f, r.fail(errors.New("break is not inside an expect"), ras.ErrScriptSyntax)
		case f.kind != flowNext:
			return f, nil
		}
	}
	return flow{kind: flowExit}, nil
}

// exec runs one command.
func (r *run) exec(c *command) (flow, error) {
	r.at = c
	s := r.session
	s.dialog.SetPlace(r.src.Name(), c.place.line)
	if err := r.checkLimits(); err != nil {
		return flow{}, err
	}
	switch c.verb {
	case "send":
		return flow{}, r.send(&c.text)
	case "print":
		text, _ := r.expand(&c.text, "\r\n", true)
		if !c.text.open {
			text += "\r\n"
		}
		s.masked.Flush()
		s.view.Write(s.call.Mask([]byte(text)))
	case "log":
		if r.cfg.LogFile != nil {
			// As with the screen, a failure ends no script.
			fmt.Fprintf(r.cfg.LogFile, "%s %s\n", time.Now().Format("20060102 15:04:05"), s.call.Mask([]byte(c.raw)))
		}
	case "goto":
		return flow{kind: flowGoto, target: r.labels[c.name]}, nil
	case "gosub":
		return r.gosub(r.labels[c.name])
	case "return":
		return flow{kind: flowReturn}, nil
	case "break":
		return flow{kind: flowBreak}, nil
	case "exit":
		status, err := r.value(c.a)
		return flow{kind: flowExit, status: status}, err
	case "set":
		n, err := r.value(c.a)
		r.vars[c.name] = n
		return flow{}, err
	case "inc", "dec":
		if _, ok := r.vars[c.name]; !ok {
			return flow{}, r.unknown(c.name)
		}
		r.vars[c.name] += map[string]int{"inc": 1, "dec": -1}[c.verb]
	case "if":
		return r.condition(c)
	case "timeout":
		return flow{}, r.setLimit(c)
	case "verbose":
		s.verbose = c.on
	case "sleep":
		return flow{}, r.sleep(c)
	case "expect":
		return r.expect(c)
	case "!":
		return flow{}, r.shell(c)
	case "call":
		return flow{}, r.callFile(c)
	}
	return flow{}, nil
}

// checkLimits returns why no further command may run.
func (r *run) checkLimits() error {
	s := r.session
	if err := context.Cause(r.ctx); err != nil {
		return r.fail(ras.ContextError(r.ctx), ras.CodeOf(ras.ContextError(r.ctx)))
	}
	if left, limited := s.left(); limited && left <= 0 {
		return r.late()
	}
	if s.steps++; r.cfg.MaxSteps > 0 && s.steps > r.cfg.MaxSteps {
		return r.fail(fmt.Errorf("more than %d commands without waiting", r.cfg.MaxSteps), ras.ErrScriptSyntax)
	}
	return nil
}

// gosub runs a subroutine.
func (r *run) gosub(pc int) (flow, error) {
	if r.depth++; r.depth > maxDepth {
		return flow{}, r.fail(fmt.Errorf("gosub inside gosub, more than %d deep", maxDepth), ras.ErrScriptSyntax)
	}
	f, err := r.lines(pc)
	r.depth--
	if f.kind == flowReturn {
		f = flow{}
	}
	return f, err
}

// value returns the number that a value denotes.
func (r *run) value(v value) (int, error) {
	switch {
	case v.name == "$?":
		return r.status, nil
	case v.env != "":
		text, _ := r.env(v.env)
		return number(strings.TrimLeft(text, " \t")), nil
	case v.name == "":
		return v.number, nil
	}
	n, ok := r.vars[v.name]
	if !ok {
		return 0, r.unknown(v.name)
	}
	return n, nil
}

func (r *run) unknown(name string) error {
	return r.fail(fmt.Errorf("the variable %q was not set", name), ras.ErrScriptSyntax)
}

func (r *run) condition(c *command) (flow, error) {
	a, err := r.value(c.a)
	if err != nil {
		return flow{}, err
	}
	b, err := r.value(c.b)
	if err != nil {
		return flow{}, err
	}
	if map[string]bool{"<": a < b, ">": a > b, "=": a == b, "!=": a != b}[c.name] {
		return r.exec(c.then)
	}
	return flow{}, nil
}

// env returns the value of $(name), and whether it is a secret.
func (r *run) env(name string) (text string, secret bool) {
	p := r.session.call.Params
	switch {
	case name == "LOGIN" && p != nil:
		return p.UserName, false
	case name == "PASS" && p != nil:
		return p.Password.Reveal(), true
	}
	text, _ = r.cfg.Env(name)
	return text, false
}

// expand returns a text with its values; a \n becomes newline. Secrets are shown
// as *** where hidden is set.
func (r *run) expand(t *text, newline string, hidden bool) (s string, secret bool) {
	var b strings.Builder
	for _, p := range t.pieces {
		switch {
		case p.newline:
			b.WriteString(newline)
		case p.name != "":
			value, isSecret := r.env(p.name)
			secret = secret || isSecret && value != ""
			if isSecret && hidden {
				value = ras.Secret(value).String()
			}
			b.WriteString(value)
		default:
			b.WriteString(p.bytes)
		}
	}
	return b.String(), secret
}

// send sends a text and a carriage return.
func (r *run) send(t *text) error {
	d := r.session.dialog
	r.session.tail = r.session.tail[:0] // the answer to a send does not begin before it
	if r.cfg.SendPause > 0 {
		if err := d.Pause(r.ctx, r.cfg.SendPause); err != nil {
			return r.lineError(err)
		}
	}
	pieces := t.pieces
	if !t.open {
		pieces = append(pieces[:len(pieces):len(pieces)], piece{bytes: "\r"})
	}
	for _, p := range pieces {
		text, secret := r.expand(&text{pieces: []piece{p}}, "\r", false)
		var err error
		switch {
		case text == "":
		case secret:
			err = d.SendSecret(r.ctx, ras.Secret(text))
		default:
			err = d.Send(r.ctx, []byte(text))
		}
		if err != nil {
			return r.lineError(err)
		}
	}
	return nil
}

// setLimit begins a new limit of the whole script.
func (r *run) setLimit(c *command) error {
	n, err := r.value(c.a)
	if err == nil && n <= 0 {
		err = r.fail(fmt.Errorf("a timeout of %d seconds: it must be above 0", n), ras.ErrScriptSyntax)
	}
	r.session.limit, r.session.since = seconds(n), time.Now()
	return err
}

// seconds returns a duration that is not below 0 and does not overflow.
func seconds(n int) time.Duration { return time.Duration(max(0, min(n, 1<<30))) * time.Second }

// left returns what is left of the limit of the whole script.
func (s *session) left() (d time.Duration, limited bool) {
	if s.limit == 0 {
		return 0, false
	}
	return s.limit - time.Since(s.since), true
}

func (r *run) sleep(c *command) error {
	n, err := r.value(c.a)
	if err != nil {
		return err
	}
	r.session.steps = 0
	d := seconds(n)
	left, limited := r.session.left()
	late := limited && left < d
	if late {
		d = left
	}
	if err := r.session.dialog.Pause(r.ctx, d); err != nil {
		return r.lineError(err)
	}
	if late {
		return r.late()
	}
	return nil
}

// shell runs a command of the shell, whose output is sent to the line.
func (r *run) shell(c *command) error {
	if err := r.off(c); err != nil {
		return r.fail(err, ras.ErrNotSupported)
	}
	status, err := r.cfg.Shell(r.ctx, c.raw, lineWriter{r})
	if err != nil {
		return r.fail(err, ras.CodeOf(err))
	}
	r.status = status
	return nil
}

// lineWriter sends what is written to it.
type lineWriter struct{ r *run }

func (w lineWriter) Write(b []byte) (int, error) {
	if err := w.r.session.dialog.Send(w.r.ctx, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// callFile runs another script, with variables and labels of its own. If that
// fails, by an exit with a value too, this one does.
func (r *run) callFile(c *command) error {
	s := r.session
	if err := r.off(c); err != nil {
		return r.fail(err, ras.ErrNotSupported)
	}
	if s.calls++; s.calls > maxDepth {
		return r.fail(fmt.Errorf("scripts that call scripts, more than %d deep", maxDepth), ras.ErrScriptSyntax)
	}
	defer func() { s.calls-- }()
	src, err := r.cfg.Open(c.raw)
	if err != nil {
		return r.fail(err, ras.ErrFileNotFound)
	}
	called, err := Parse(c.raw, src)
	if err != nil {
		return r.fail(err, ras.ErrScriptSyntax)
	}
	if err := called.Check(s.call.Params); err != nil {
		return err
	}
	return (&executor{called, r.cfg}).run(r.ctx, s)
}

func (r *run) late() error {
	return r.fail(&TimeoutError{Script: true, Limit: r.session.limit}, ras.ErrRequestTimeout)
}

// lineError is the failure of the line or of the host's limits.
func (r *run) lineError(err error) error { return r.fail(err, ras.CodeOf(err)) }

// fail makes the error of the command that runs.
func (r *run) fail(err error, code ras.Code) *script.RunError {
	return &script.RunError{
		File: r.src.Name(), Line: r.at.place.line, Col: r.at.place.col, Op: r.at.operation(), Code: code, Err: err,
		Tail: string(r.session.call.Mask(r.session.tail[max(0, len(r.session.tail)-shownTail):])),
	}
}

const shownTail = 200 // bytes in an error

// operation names the command for a message: an expect with what it waits for,
// and of the others nothing that is sent.
func (c *command) operation() string {
	if c.verb != "expect" {
		return strings.TrimSpace(c.verb + " " + c.name)
	}
	const named = 4
	var names []string
	for _, a := range c.arms {
		if !a.timeout {
			names = append(names, a.shown)
		}
	}
	if more := len(names) - named; more > 0 {
		names = append(names[:named], fmt.Sprintf("one of %d more", more))
	}
	return strings.TrimSpace("expect " + strings.Join(names, " or "))
}
