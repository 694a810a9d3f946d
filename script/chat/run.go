package chat

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// run is one run of a Script. One goroutine uses it.
type run struct {
	*executor
	script  *Script
	opts    Config // complete
	inserts inserts
	dialog  *script.Dialog
	limit   time.Duration // of each wait and send; 0: none
	at      pos           // of the step that runs
	hangup  bool          // whether a hang-up ends the script

	aborts  []*entry
	reports reports
	view    *view
}

// entry is an entry of the abort list or of the report list. The dialog watches for
// its text.
type entry struct {
	text  string
	watch *script.Watch
}

// without removes the entries with the text; those after them move up. cleared is
// whether there were any.
func without(list []*entry, text string) (rest []*entry, cleared bool) {
	rest = slices.DeleteFunc(list, func(e *entry) bool {
		if e.text == text {
			e.watch.Stop()
		}
		return e.text == text
	})
	return rest, len(rest) < len(list)
}

// aborted is the error of a wait in which an abort string arrived.
type aborted struct{ entry *entry }

func (e *aborted) Error() string { return fmt.Sprintf("abort string %q", e.entry.text) }

// Execute runs the script on the call. The error is an *ExitError. With
// call.Exact set, not one byte is taken past the last match.
func (s *Script) Execute(ctx context.Context, call *ras.Call) error {
	return s.Executor(nil).Execute(ctx, call)
}

func (e *executor) Execute(ctx context.Context, call *ras.Call) error {
	r := &run{executor: e, script: e.Script, opts: e.cfg, limit: e.cfg.Timeout, hangup: true}
	if p := call.Params; r.opts.UseParams && p != nil {
		r.opts.T, r.opts.U = cmp.Or(r.opts.T, &p.UserName), cmp.Or(r.opts.U, &p.Password)
	}
	o := &r.opts
	v := &view{
		ctx: context.WithoutCancel(ctx), log: o.Log, stderr: o.Stderr,
		echo: o.Echo, copy: o.Copy,
	}
	if v.stderr == nil && call.Terminal != nil {
		v.stderr = call.Terminal
	}
	if v.stderr == nil {
		v.stderr = io.Discard
	}
	v.talks = v.log != nil && v.log.Enabled(ctx, slog.LevelDebug)
	v.call, v.stream = call, call.MaskStream((*receivedText)(v))
	r.view = v
	r.reports.view, r.reports.out = r.view, r.opts.Report
	r.dialog = script.NewDialog(call, &script.DialogConfig{
		Strip7:  !r.opts.EightBit,
		PerByte: r.opts.Gap,
		Tap:     r.received,
	})
	defer r.dialog.Close()
	r.inserts.t = r.opts.T
	if r.opts.U != nil {
		// Hide the text for \U, and what its escapes make of it.
		text := r.opts.U.Reveal()
		sent := message{text: text}
		r.hide(text)
		r.hide(onTheLine(sent.parts()))
		r.inserts.u = &text
	}
	err := e.checkParams(call.Params)
	if err != nil {
		r.view.fault(err.(*ExitError).Op)
	} else {
		err = r.steps(ctx)
	}
	// A line of the echo and a report may be open.
	v.settle()
	if v.open {
		v.open = false
		v.show("\n")
	}
	if r.reports.gathering && ctx.Err() == nil {
		r.gatherRest(ctx)
	}
	r.reports.finish()
	return err
}

// Check returns an *ExitError for a script that sends \T or \U with
// Config.UseParams set and without the parameter, or that sends an @file
// which cannot be opened. Without Check, the latter fails where it is sent, as
// with chat(8).
func (e *executor) Check(p *ras.DialParams) error {
	if err := e.checkParams(p); err != nil {
		return err
	}
	for _, s := range e.steps {
		name, ok := fileName(s.word.text)
		if s.kind != kindSend || !ok || !e.readsFiles {
			continue
		}
		// Only a regular file is opened: to open a pipe or a device has an
		// effect.
		info, err := os.Stat(name)
		if err == nil && info.Mode().IsRegular() {
			var f *os.File
			if f, err = os.Open(name); err == nil {
				f.Close()
			}
		}
		if err != nil {
			return failure(e.Script, s.word.pos, ExitFault, ras.ErrFileNotFound, unreadable(name), err)
		}
	}
	return nil
}

func unreadable(name string) string { return fmt.Sprintf("cannot read the text to send from %q", name) }

func (e *executor) checkParams(p *ras.DialParams) error {
	for _, use := range []struct {
		at     pos
		letter byte
	}{{e.name, 'T'}, {e.password, 'U'}} {
		if use.at == (pos{}) {
			continue
		}
		if err := e.missing(p, use.letter); err != nil {
			return failure(e.Script, use.at, ExitFault, ras.ErrInvalidParameter, fmt.Sprintf(`the script sends \%c`, use.letter), err)
		}
	}
	return nil
}

// missing returns the error for a letter that denotes a parameter that is not
// given.
func (e *executor) missing(p *ras.DialParams, letter byte) error {
	switch {
	case !e.cfg.UseParams:
	case letter == 'T' && e.cfg.T == nil:
		return script.CheckParam(p, "UserName")
	case letter == 'U' && e.cfg.U == nil:
		return script.CheckParam(p, "Password")
	}
	return nil
}

// hide masks a text in all that this run and its call show.
func (r *run) hide(text string) {
	r.dialog.Hide(ras.Secret(text))
}

// received sees every byte that a wait consumes. They are shown up to the end of
// the open report, which is written after them.
func (r *run) received(b []byte) {
	for len(b) > 0 {
		n := len(b)
		if r.reports.gathering {
			if i := bytes.IndexFunc(b, func(c rune) bool { return c < ' ' || c == 0x7F }); i >= 0 {
				n = i + 1
			}
		}
		if v := r.view; !v.off && (v.echo || v.copy || v.talks) {
			v.stream.Write(b[:n])
			v.write()
		}
		r.reports.received(b[:n])
		b = b[n:]
	}
}

// steps runs the script to its end.
func (r *run) steps(ctx context.Context) error {
	last := 0 // the step of the last send
	for i, s := range r.script.steps {
		if s.kind == kindSend {
			last = i
		}
	}
	for i, s := range r.script.steps {
		r.dialog.SetReadAhead(i < last)
		r.at = s.word.pos
		r.dialog.SetPlace(r.script.file, r.at.line)
		if cause := ended(ctx); cause != nil {
			return r.ended(cause)
		}
		if err := r.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) step(ctx context.Context, s step) error {
	switch text := s.word.text; s.kind {
	case kindExpect:
		return r.expect(ctx, text)
	case kindSend:
		return r.send(ctx, text)
	case kindAbort:
		if len(r.aborts) == maxList {
			return r.tooMany("ABORT")
		}
		r.view.debug("abort on (" + visible(text) + ")")
		e := &entry{text: r.expected(text)}
		e.watch = r.dialog.Watch(script.Text(e.text), func(script.Match) error { return &aborted{e} })
		r.aborts = append(r.aborts, e)
	case kindClearAbort:
		var cleared bool
		if r.aborts, cleared = without(r.aborts, r.expected(text)); cleared {
			r.view.debug("clear abort on (" + visible(text) + ")")
		}
	case kindReport:
		if len(r.reports.list) == maxList {
			return r.tooMany("REPORT")
		}
		r.view.debug("report (" + visible(text) + ")")
		e := &entry{text: r.expected(text)}
		e.watch = r.dialog.Observe(script.Text(e.text), func(script.Match) { r.reports.found(e) })
		r.reports.list = append(r.reports.list, e)
	case kindClearReport:
		var cleared bool
		if r.reports.list, cleared = without(r.reports.list, r.expected(text)); cleared {
			r.view.debug("clear report (" + visible(text) + ")")
		}
	case kindTimeout:
		// A number that is not above 0 means the default.
		if r.limit = seconds(r.expected(text)); r.limit <= 0 {
			r.limit = defaultTimeout
		}
		r.view.debug(fmt.Sprintf("timeout set to %d seconds", r.limit/time.Second))
	case kindEcho:
		r.view.echo = text == "ON"
	case kindHangup:
		r.hangup = text != "OFF"
		if r.opts.Hangup != nil {
			r.opts.Hangup(r.hangup)
		}
	case kindSay:
		m := sendText(text, r.opts.Env, r.inserts)
		if m.cr {
			m.text += "\r"
		}
		shown, _, _ := strings.Cut(m.text, "\x00")
		r.view.show(string(r.view.call.Mask([]byte(shown))))
	}
	return nil
}

func (r *run) expected(word string) string { return expectText(word, r.opts.Env) }

// maxList bounds the abort list and the report list. chat(8) takes 50 each.
const maxList = 1000

func (r *run) tooMany(keyword string) error {
	text := "Too many " + keyword + " strings"
	r.view.fault(text)
	return r.fail(ExitSignal, ras.ErrScriptSyntax, text, nil)
}

// maxSeconds is what a time.Duration has room for, more or less.
const maxSeconds = 1 << 33

// seconds reads the decimal number that text begins with, and 0 if there is
// none.
func seconds(text string) time.Duration {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	for end < len(text) && ('0' <= text[end] && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(max(0, min(n, maxSeconds))) * time.Second
}

// gatherRest reads the rest of an open report: up to a control character, a
// second of silence, or the length of the longest report.
func (r *run) gatherRest(ctx context.Context) {
	r.view.off = true
	for r.reports.gathering && len(r.reports.text) < maxReport {
		if _, err := r.dialog.NextByte(ctx, time.Second); err != nil {
			var t *script.TimeoutError
			if errors.As(err, &t) {
				r.view.debug("alarm")
			}
			return
		}
	}
}

// fail makes an ExitError for the step that runs.
func (r *run) fail(status int, code ras.Code, text string, cause error) *ExitError {
	return failure(r.script, r.at, status, code, text, cause)
}

func failure(s *Script, at pos, status int, code ras.Code, text string, cause error) *ExitError {
	return &ExitError{Status: status, RunError: script.RunError{
		File: s.file, Line: at.line, Col: at.col,
		Op: text, Code: code, Err: cause,
	}}
}

// ended returns the error of a script that was ended from outside.
func (r *run) ended(cause error) error {
	r.view.fault(lint.Visible(cause.Error()))
	return r.fail(ExitSignal, ras.Cause(cause), "ended from outside", cause)
}
