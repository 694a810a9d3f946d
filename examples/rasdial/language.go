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
	findings []script.Finding // in the order of the places
	broken   bool             // whether one of them is an error
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

// mistakes makes a program of what a parser found wrong.
func mistakes(err error) (*program, error) {
	var wrong *script.ParseError
	if !errors.As(err, &wrong) {
		return nil, err
	}
	p := new(program)
	for _, f := range wrong.Findings {
		p.note(f)
	}
	return p, nil
}

func (d *dialer) loadSCP(src []byte) (*program, error) {
	prog, err := scp.Parse(d.opts.script, src)
	if err != nil {
		return mistakes(err)
	}
	prog.Dialog.Log = d.log
	p := &program{executor: func() (script.Executor, error) { return prog, nil }}
	for _, f := range prog.Warnings() {
		p.note(f)
	}
	return p, nil
}

func (d *dialer) loadSwitch(src []byte) (*program, error) {
	file, err := switchinf.Parse(d.opts.script, src)
	if err != nil {
		return mistakes(err)
	}
	p := &program{sections: file.Sections()}
	p.executor = func() (script.Executor, error) {
		return file.ScriptConfig(d.opts.section, &switchinf.Config{Log: d.log})
	}
	findings := file.Warnings()
	if d.opts.check {
		findings = file.Findings() // lines that a run passes over are errors here
	}
	for _, f := range findings {
		p.note(f)
	}
	return p, nil
}

func (d *dialer) loadChat(src []byte) (*program, error) {
	s, err := chat.ParseFile(d.opts.script, src)
	if err != nil {
		return mistakes(err)
	}
	s.Options.Log = d.log
	s.Options.Stderr = d.screen
	s.Options.T, s.Options.U = d.chatTexts()
	p := &program{executor: func() (script.Executor, error) { return s, nil }}
	for _, f := range s.Warnings() {
		p.note(f)
	}
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

func (p *program) note(f script.Finding) {
	p.findings = append(p.findings, f)
	p.broken = p.broken || f.Severity == script.SeverityError
}
