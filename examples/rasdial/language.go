package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/dll"
	"github.com/rasline/rasline/script/scp"
	"github.com/rasline/rasline/script/switchinf"
)

// program is a script in one of the languages, read and checked.
type program struct {
	findings []fmt.Stringer // in the order of the places
	excerpts []string       // the source line and a caret for each, or ""
	broken   bool           // whether one of them is an error
	sections []switchinf.Section
	executor func() (script.Executor, error)
}

// load reads the script that the flags name. Mistakes in the script are in the
// program; the error says that it could not be read.
func (d *dialer) load() (*program, error) {
	o := d.opts
	if o.lang == "dll" {
		return d.loadDLL()
	}
	src, err := readScript(o.script)
	if err != nil {
		return nil, err
	}
	switch o.lang {
	case "scp":
		return d.loadSCP(src)
	case "switchinf":
		return d.loadSwitch(src)
	}
	return d.loadChat(src)
}

// maxScript bounds what is read; the parsers say what is too long for them.
const maxScript = 4 << 20

func readScript(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxScript))
}

func (d *dialer) loadSCP(src []byte) (*program, error) {
	prog, err := scp.Parse(d.opts.script, src)
	p := new(program)
	var mistakes *scp.ParseError
	switch {
	case errors.As(err, &mistakes):
		p.broken = true
		for _, f := range mistakes.Findings {
			p.note(f, f.Excerpt())
		}
		return p, nil
	case err != nil:
		return nil, err
	}
	for _, f := range prog.Warnings() {
		p.note(f, f.Excerpt())
	}
	prog.Dialog.Log = d.log
	p.executor = func() (script.Executor, error) { return prog, nil }
	return p, nil
}

func (d *dialer) loadSwitch(src []byte) (*program, error) {
	file, err := switchinf.Parse(d.opts.script, src)
	p := new(program)
	var mistakes *switchinf.ParseError
	switch {
	case errors.As(err, &mistakes):
		p.broken = true
		for _, f := range mistakes.Findings {
			p.note(f, f.Excerpt())
		}
		return p, nil
	case err != nil:
		return nil, err
	}
	for _, f := range file.Findings() {
		p.broken = p.broken || d.opts.check && f.Severity == switchinf.SeverityError
		p.note(f, f.Excerpt())
	}
	p.sections = file.Sections()
	p.executor = func() (script.Executor, error) {
		return file.ScriptConfig(d.opts.section, &switchinf.Config{Log: d.log})
	}
	return p, nil
}

func (d *dialer) loadChat(src []byte) (*program, error) {
	s, err := chat.ParseFile(d.opts.script, src)
	p := new(program)
	var mistakes *chat.ParseError
	switch {
	case errors.As(err, &mistakes):
		p.broken = true
		for _, f := range mistakes.Findings {
			p.note(f, "")
		}
		return p, nil
	case err != nil:
		return nil, err
	}
	for _, f := range s.Warnings() {
		p.note(f, "")
	}
	s.Options.Log = d.log
	s.Options.Stderr = d.screen
	s.Options.T, s.Options.U = d.chatTexts()
	p.executor = func() (script.Executor, error) { return s, nil }
	return p, nil
}

// chatTexts gives chat scripts the user name as \T and the password as \U.
func (d *dialer) chatTexts() (t, u *ras.Secret) {
	if name := ras.Secret(d.opts.params.UserName); name != "" {
		t = &name
	}
	if d.opts.params.Password != "" {
		u = &d.opts.params.Password
	}
	return t, u
}

func (d *dialer) loadDLL() (*program, error) {
	if runtime.GOOS != "windows" {
		return nil, fmt.Errorf("-script %s: a custom-scripting DLL runs on Windows only (under Linux, use a Windows build of rasdial with wine)", d.opts.script)
	}
	library, err := dll.Load(d.opts.script, &dll.Config{Log: d.log})
	if err != nil {
		return nil, err
	}
	return &program{executor: func() (script.Executor, error) { return library, nil }}, nil
}

func (p *program) note(f fmt.Stringer, excerpt string) {
	p.findings = append(p.findings, f)
	p.excerpts = append(p.excerpts, excerpt)
}
