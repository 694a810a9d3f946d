package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rasline/rasline/internal/console"
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
		e.Port = "built-in modem"
		if e.Params.UserName == "" && e.Params.Password == "" {
			e.Params.UserName, e.Params.Password = demoUser, demoPassword
		}
		if len(d.opts.numbers) == 0 && !d.opts.answer {
			d.opts.numbers = []string{demoNumber}
		}
	}
	d.addFlags(e)
	if d.opts.script == "" {
		if d.opts.phonebook == "" && !(d.opts.interact && d.opts.params.UserName == "") {
			e.Script = login{script.Login(nil)}
		}
		return e, exitOK
	}
	section := d.opts.section
	if d.opts.check || d.opts.list { // the other sections count too
		section = ""
	}
	s, err := d.load(section)
	var list *lint.ParseError
	switch {
	case errors.As(err, &list):
		return nil, d.report(list.Findings, d.opts.script)
	case err != nil:
		return nil, d.fail(exitUsage, err)
	case d.opts.list:
		for _, name := range s.Sections() {
			fmt.Fprintln(d.std.out, lint.Visible(name))
		}
		return nil, exitOK
	}
	findings := s.Findings()
	if !d.opts.check { // lines that a run skips are no reason not to run
		for i := range findings {
			findings[i].Severity = lint.SeverityWarning
		}
	}
	status := d.report(findings, d.opts.script)
	if d.opts.check && d.opts.section != "" {
		if _, err := d.load(d.opts.section); err != nil {
			status = max(status, d.fail(exitUsage, err))
		}
	}
	if status != exitOK || d.opts.check {
		return nil, status
	}
	e.Script = s.Executor()
	return e, exitOK
}

// login is script.Login with a check: a user with a name has a password.
type login struct{ script.Executor }

func (login) Check(p *ras.DialParams) error {
	if p.UserName == "" {
		return nil
	}
	return script.CheckParam(p, "Password")
}

// addFlags changes the entry as the flags say.
func (d *dialer) addFlags(e *dialup.Entry) {
	o := d.opts
	e.Timeout = o.timeout
	if o.mode != (port.Mode{}) {
		e.PortConfig = &portname.Config{Port: &port.Config{Mode: o.mode}}
	}
	if o.hangupSet {
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
	name := o.phonebook
	if !strings.ContainsAny(name, `/\.`) {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			name = filepath.Join("/etc/ppp/peers", name)
		}
	}
	src, err := readBook(name)
	if err != nil {
		return nil, d.fail(exitUsage, fmt.Errorf("-phonebook: %w", err))
	}
	book, err := phonebook.Parse(name, src, &phonebook.Config{FS: peersFiles{}})
	var list *lint.ParseError
	switch {
	case errors.As(err, &list):
		return nil, d.report(list.Findings, name)
	case o.listEntries:
		return nil, d.listEntries(book)
	}
	cfg := &phonebook.EntryConfig{Ports: o.maps, Port: o.port, Scripts: phonebook.Dirs(append(slices.Clone(o.scriptDirs), filepath.Dir(name))...),
		Location: o.location, Phone: o.phone, Shell: o.shell, Stderr: d.std.err}
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
	d.reported = make(map[string]bool) // entries share what they inherit
	status := d.report(book.Findings(), name)
	var e *dialup.Entry
	for _, names := range entries {
		var found []lint.Finding
		e, found, err = book.Entry(cfg, names...)
		status = max(status, d.report(found, name))
		var own *phonebook.Error
		if err != nil && !(errors.As(err, &own) && broken(own.Findings)) {
			status = max(status, d.fail(exitUsage, err))
		}
	}
	if status != exitOK || o.check {
		return nil, status
	}
	if info, err := os.Stat(name); err == nil && e.Params.Password != "" && info.Mode().Perm()&0o044 != 0 && runtime.GOOS != "windows" {
		d.log.Warn(name + " holds a password and can be read by others: chmod 600")
	}
	p := &e.Params
	if o.params.UserName != "" {
		p.UserName = o.params.UserName
	}
	if o.params.Password != "" || o.params.NoPassword {
		p.Password, p.NoPassword = o.params.Password, o.params.NoPassword
	}
	if o.params.Domain != "" {
		p.Domain = o.params.Domain
	}
	return e, exitOK
}

// readBook reads a phone book, and of what has no end a little more than any has.
func readBook(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, phonebook.MaxSize+1))
}

// peersFiles is where pppd finds the files that a peers file names: peers/NAME for
// call, and others by their whole path.
type peersFiles struct{}

func (peersFiles) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "peers/") {
		return os.DirFS("/etc/ppp").Open(name)
	}
	return os.DirFS("/").Open(name)
}

// listEntries prints a line for each entry of the phone book.
func (d *dialer) listEntries(book *phonebook.Book) int {
	table := tabwriter.NewWriter(d.std.out, 0, 0, 2, ' ', 0)
	for _, i := range book.Entries() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", lint.Visible(i.Name), orDash(i.Device), orDash(lint.Visible(i.Port)), orDash(lint.Visible(i.Number)), lint.Visible(i.Why))
	}
	if err := table.Flush(); err != nil {
		return d.fail(exitFailed, err)
	}
	return exitOK
}

// report shows what was found in a file and returns the exit status for it.
func (d *dialer) report(findings []lint.Finding, name string) int {
	for _, f := range findings {
		switch {
		case d.reported[f.String()]:
		case d.opts.check:
			fmt.Fprintln(d.std.out, f)
		case d.opts.logFormat == "json":
			d.log.Warn("finding", "place", f.Place(), "severity", f.Severity.String(), "text", f.Text)
		default:
			d.screen.Printf("%v\n", f)
			if f.Source != "" {
				d.screen.Printf("%s\n", f.Excerpt())
			}
		}
		if d.reported != nil {
			d.reported[f.String()] = true
		}
	}
	if !broken(findings) {
		return exitOK
	}
	if d.opts.check {
		return exitUsage
	}
	return d.fail(exitUsage, fmt.Errorf("%s has errors; nothing was sent", name))
}

// load reads the script that the flags name, to run the section if there is one.
func (d *dialer) load(section string) (*scriptfile.Script, error) {
	o := d.opts
	var src []byte
	if o.lang != "dll" {
		f, err := os.Open(o.script)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if src, err = io.ReadAll(io.LimitReader(f, scriptfile.MaxSource+1)); err != nil {
			return nil, err
		}
	}
	cfg := &scriptfile.Config{Language: o.lang, Section: section}
	if o.lang != "dll" { // which logs to the dial by itself
		cfg.Log = slog.New(withoutDebug{d.handler})
	}
	if !o.terminal { // which the call has then
		cfg.Terminal = d.screen.Text()
	}
	return scriptfile.Load(o.script, src, cfg)
}

// broken reports whether one of the findings is an error.
func broken(findings []lint.Finding) bool {
	return slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Severity == lint.SeverityError })
}
