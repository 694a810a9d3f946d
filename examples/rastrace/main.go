package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rasline/rasline/port/capture"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// program is one run.
type program struct {
	ctx         context.Context
	stdin       io.Reader
	out, errOut io.Writer

	file   string
	port   string
	hex    bool
	listen string
}

var commands = map[string]func(*program) error{
	"text":  (*program).text,
	"stats": (*program).stats,
	"html":  (*program).html,
	"serve": (*program).serve,
	"scp":   (*program).scp,
	"chat":  (*program).chat,
}

const usage = `usage: rastrace text|stats|html|serve|scp|chat [flags] FILE

  rastrace text line.pcapng                 one line for each event
  rastrace html line.pcapng >line.html      a page for the browser
  rastrace scp line.pcapng >login.scp       a draft of a script

`

// run is the program: it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		io.WriteString(stderr, usage)
		return exitUsage
	}
	if args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		io.WriteString(stderr, usage)
		return exitOK
	}
	command := commands[args[0]]
	if command == nil {
		fmt.Fprintf(stderr, "rastrace: there is no command %q: use text, stats, html, serve, scp or chat\n", args[0])
		return exitUsage
	}
	p := &program{ctx: ctx, stdin: stdin, out: stdout, errOut: stderr}
	f := flag.NewFlagSet("rastrace "+args[0], flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&p.port, "port", "", "the `name` of the port, if the recording has several")
	f.BoolVar(&p.hex, "hex", false, "text: show the bytes in hexadecimal too")
	f.StringVar(&p.listen, "listen", "127.0.0.1:0", "serve: the loopback `address`")
	err := f.Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return exitOK
	}
	if err == nil && f.NArg() != 1 {
		err = fmt.Errorf("%d files: name one", f.NArg())
	}
	if err != nil {
		fmt.Fprintf(stderr, "rastrace %s: %v; -h lists the flags\n", args[0], err)
		return exitUsage
	}
	p.file = f.Arg(0)
	if err := command(p); err != nil {
		fmt.Fprintf(stderr, "rastrace: %s: %v\n", p.file, err)
		return exitFailed
	}
	return exitOK
}

// open opens the recording.
func (p *program) open() (*capture.Reader, func() error, error) {
	in, done := p.stdin, func() error { return nil }
	if p.file != "-" {
		f, err := os.Open(p.file)
		if err != nil {
			return nil, nil, errors.Unwrap(err)
		}
		in, done = f, f.Close
	}
	r, err := capture.NewReader(in)
	if err != nil {
		done()
		return nil, nil, err
	}
	return r, done, nil
}

// each calls f with the events of the recording, those of the chosen port alone.
// A recording that is cut off ends with a warning.
func (p *program) each(f func(r *capture.Reader, e *capture.Event)) error {
	r, done, err := p.open()
	if err != nil {
		return err
	}
	defer done()
	found := p.port == ""
	for {
		e, err := r.Next()
		switch {
		case err == io.EOF:
		case errors.Is(err, io.ErrUnexpectedEOF):
			fmt.Fprintf(p.errOut, "rastrace: warning: %s: %v\n", p.file, err)
			err = io.EOF
		case err != nil:
			return err
		}
		if err == io.EOF {
			break
		}
		if p.port == "" || r.Ports()[e.Port].Name == p.port {
			found = true
			f(r, &e)
		}
	}
	if n := r.Skipped(); n > 0 {
		fmt.Fprintf(p.errOut, "rastrace: warning: %s: %d packets of other kinds were skipped\n", p.file, n)
	}
	if !found {
		return &capture.PortError{Name: p.port, Ports: r.Ports()}
	}
	return nil
}

// html writes the page.
func (p *program) html() error {
	r, done, err := p.open()
	if err != nil {
		return err
	}
	defer done()
	return capture.WriteHTML(p.out, r, &capture.HTMLConfig{Title: p.title(), Port: p.port})
}

func (p *program) title() string {
	if p.file == "-" {
		return ""
	}
	name := p.file[strings.LastIndexAny(p.file, `/\`)+1:]
	if p.port != "" {
		name += "#" + p.port
	}
	return name
}
