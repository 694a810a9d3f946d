package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/rasline/rasline/examples/internal/console"
	"github.com/rasline/rasline/examples/internal/demo"
	"github.com/rasline/rasline/internal/tee"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/phonebook"
	"github.com/rasline/rasline/script/scriptfile"
)

// entry makes the entry of the phone book and the flags. It returns nil and the
// exit status if there is nothing to dial.
func (d *dialer) entry() (*dialup.Entry, int) {
	e := &dialup.Entry{Port: d.opts.port, Params: d.opts.params}
	if d.opts.phonebook != "" {
		var status int
		if e, status = d.fromBook(); e == nil {
			return nil, status
		}
	}
	if d.isDemo() {
		e.Port = demo.Name
		if e.Params.UserName == "" && e.Params.Password == "" {
			e.Params.UserName, e.Params.Password = demo.User, demo.Password
		}
		if len(d.opts.numbers) == 0 && !d.opts.answer {
			d.opts.numbers = []string{demo.Number}
		}
	}
	d.addFlags(e)
	if d.opts.script == "" {
		if d.opts.phonebook == "" && !(d.opts.interact && d.opts.params.UserName == "") {
			e.Script = login{script.Login(nil)}
		}
		return e, exitOK
	}
	var status int
	if e.Script, status = d.loadScript(); e.Script == nil {
		return nil, status
	}
	return e, exitOK
}

// loadScript returns the script that the flags name. It returns nil and the exit
// status if there is nothing to run.
func (d *dialer) loadScript() (script.Executor, int) {
	o := d.opts
	cfg := &scriptfile.Config{Language: o.lang}
	if o.lang != "dll" { // which logs to the dial by itself
		cfg.Log = slog.New(tee.From(d.handler, slog.LevelInfo)) // the log of the dial has the conversation
	}
	if !o.terminal { // which the call has then
		cfg.Terminal = d.screen.Text()
	}
	s, err := scriptfile.ReadFile(o.script, cfg)
	var list *lint.ParseError
	switch {
	case errors.As(err, &list):
		return nil, d.report(list.Findings)
	case err != nil:
		return nil, d.fail(exitUsage, err)
	case o.list:
		for _, name := range s.Sections() {
			if _, err := fmt.Fprintln(d.std.out, lint.Visible(name)); err != nil {
				return nil, d.fail(exitFailed, err)
			}
		}
		return nil, exitOK
	}
	findings := s.Findings()
	if !o.check { // lines that a run skips are no reason not to run
		for i := range findings {
			findings[i].Severity = lint.SeverityWarning
		}
	}
	status := d.report(findings)
	run := s.Executor()
	if o.section != "" {
		if run, err = s.Section(o.section); err != nil {
			status = max(status, d.fail(exitUsage, err))
		}
	}
	if status != exitOK || o.check {
		return nil, status
	}
	return run, exitOK
}

// login is script.Login with a check: a user with a name has a password.
type login struct{ script.Executor }

func (l login) Check(p *ras.DialParams) error {
	if p.UserName == "" {
		return nil
	}
	return errors.Join(l.Executor.(script.Checker).Check(p), script.CheckParam(p, "Password"))
}

// addFlags changes the entry as the flags specify.
func (d *dialer) addFlags(e *dialup.Entry) {
	o := d.opts
	e.Timeout = o.timeout
	if o.mode != (port.Mode{}) {
		e.PortConfig = &portname.Config{Port: &port.Config{Mode: o.mode}}
	}
	if o.hangup != nil {
		e.HangUp = o.hangup
	}
	switch {
	case o.answer:
		e.Dialer, e.Answerer = nil, &modem.Answerer{Config: &modem.Config{Addresses: true}, Init: o.init, Rings: o.rings}
		return
	case len(o.numbers) > 0:
		if e.Dialer == nil {
			e.Dialer = &modem.Dialer{Config: &modem.Config{Addresses: true}}
		}
		e.Dialer.Numbers, e.Params.PhoneNumber = o.numbers, o.numbers[0]
	}
	if e.Dialer != nil {
		if len(o.init) > 0 {
			e.Dialer.Init = o.init
		}
		if o.redial > 0 {
			e.Dialer.Redial.Attempts = o.redial + 1
		}
	}
}

// fromBook reads the entry from the phone book.
func (d *dialer) fromBook() (*dialup.Entry, int) {
	o := d.opts
	book, err := phonebook.ReadFile(o.phonebook, nil)
	var list *lint.ParseError
	switch {
	case errors.As(err, &list):
		return nil, d.report(list.Findings)
	case err != nil:
		return nil, d.fail(exitUsage, fmt.Errorf("-phonebook: %w", err))
	case o.listEntries:
		if err := console.Entries(d.std.out, book.Entries()); err != nil {
			return nil, d.fail(exitFailed, err)
		}
		return nil, exitOK
	}
	cfg := &phonebook.EntryConfig{Ports: o.maps, Port: o.port, Scripts: book.Dirs(o.scriptDirs...),
		Location: o.location, Phone: o.phone, Shell: o.shell, Stderr: d.std.err, Params: o.params}
	if o.logFormat == "json" {
		cfg.Stderr = console.Lines(func(line string) { d.log.Info("shell", "line", line) })
	}
	if o.lang == "dll" {
		cfg.DLL = o.script
	}
	entries := [][]string{o.names}
	if len(o.names) == 0 && o.check {
		entries = nil
		for _, i := range book.Entries() {
			entries = append(entries, []string{i.Name})
		}
	}
	status := d.report(book.Findings())
	var e *dialup.Entry
	for _, names := range entries {
		var found []lint.Finding
		e, found, err = book.Entry(cfg, names...)
		status = max(status, d.report(found))
		var own *phonebook.Error
		if err != nil && !(errors.As(err, &own) && broken(own.Findings)) {
			status = max(status, d.fail(exitUsage, err))
		}
	}
	if status != exitOK || o.check {
		return nil, status
	}
	return e, exitOK
}

// report shows what was found in a file, once, and returns the exit status for it.
func (d *dialer) report(findings []lint.Finding) int {
	for _, f := range findings {
		switch {
		case d.reported[f.String()]: // entries share what they inherit
		case d.opts.check:
			if _, err := fmt.Fprintln(d.std.out, f); err != nil {
				return d.fail(exitFailed, err)
			}
		case d.opts.logFormat == "json":
			d.log.Warn("finding", "place", f.Place(), "severity", f.Severity.String(), "text", f.Text)
		default:
			d.screen.Printf("%v\n", f)
			if f.Source != "" {
				d.screen.Printf("%s\n", f.Excerpt())
			}
		}
		d.reported[f.String()] = true
	}
	switch {
	case !broken(findings):
		return exitOK
	case d.opts.check:
		return exitUsage
	}
	return d.fail(exitUsage, fmt.Errorf("%s has errors; nothing was sent", findings[0].File))
}

// broken reports whether one of the findings is an error.
func broken(findings []lint.Finding) bool {
	return slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Severity == lint.SeverityError })
}
