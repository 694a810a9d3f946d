package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/lint"
)

// program is one run of chat.
type program struct {
	opts    *options
	log     *slog.Logger
	line    struct{ in, out *os.File }
	stderr  io.Writer
	hangups atomic.Bool // SIGHUP ends the script
}

// run is the program. It returns the exit status.
func run(args []string, stdin, stdout *os.File, stderr io.Writer, env func(string) (string, bool)) int {
	o, err := parseOptions(args[1:])
	if err != nil {
		fmt.Fprintf(stderr, usage, args[0])
		return chat.ExitFault
	}
	p := &program{opts: o, stderr: stderr}
	p.line.in, p.line.out = stdin, stdout
	p.hangups.Store(true)
	j := &journal{verbose: o.verbose}
	if o.stderr {
		j.stderr = stderr
	}
	if !o.silent {
		var closeLog func()
		j.system, closeLog = openSystemLog()
		defer closeLog()
	}
	p.log = slog.New(j)
	if o.env {
		o.chat.Env = env
	}
	return p.onTerminal()
}

// onTerminal runs the script with the terminal in raw mode.
func (p *program) onTerminal() (status int) {
	defer p.opts.closeReport(p.stderr)
	ctx, stop := p.signals()
	defer stop()
	t, err := getTerminal(p.line.in)
	if err != nil {
		return p.fatal("Can't get terminal parameters: ", err)
	}
	if err := t.makeRaw(); err != nil {
		return p.fatal("Can't set terminal parameters: ", err)
	}
	defer func() {
		if err := t.restore(); err != nil {
			status = p.fatal("Can't restore terminal parameters: ", err)
		}
	}()
	s, err := p.script()
	if err != nil {
		return chat.ExitFault
	}
	cfg := p.opts.chat
	cfg.Stderr = p.stderr
	cfg.Log = p.log
	cfg.Hangup = p.hangups.Store
	if p.opts.reportFile != nil {
		cfg.Report = p.opts.reportFile
	}
	line, err := port.Stdio(p.line.in, p.line.out, nil)
	if err != nil {
		return p.fatal("", err)
	}
	defer line.Close()
	_, err = script.Run(ctx, line, s.Executor(&cfg), &script.Config{Exact: true, SendTimeout: -1})
	var exit *chat.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Status
	case err != nil:
		return chat.ExitSignal
	}
	return 0
}

func (p *program) fatal(text string, err error) int {
	p.log.Error(text + chat.SystemText(err))
	return chat.ExitSignal
}

// signalError is the cause for which a signal ends the script.
type signalError string

func (e signalError) Error() string { return string(e) }

// signalNames are the names of the signals that the system's texts do not have.
var signalNames = map[os.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP"}

// signals returns a context that ends at the first signal that counts.
func (p *program) signals() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		for s := range arrived {
			if s != syscall.SIGHUP || p.hangups.Load() {
				cancel(signalError(cmp.Or(signalNames[s], strings.ToUpper(s.String()))))
			}
		}
	}()
	return ctx, func() {
		signal.Stop(arrived)
		close(arrived)
		<-done
		cancel(nil)
	}
}

// script reads the script from where the options specify. It logs what is wrong
// with it.
func (p *program) script() (*chat.Script, error) {
	if p.opts.file == "" {
		return chat.Parse(p.opts.words)
	}
	src, err := os.ReadFile(p.opts.file)
	if err != nil {
		p.log.Error(p.opts.file + " -- open failed: " + chat.SystemText(err))
		return nil, err
	}
	s, err := chat.ParseFile(p.opts.file, src)
	var parse *lint.ParseError
	if errors.As(err, &parse) {
		for _, f := range parse.Errors() {
			text, _, _ := strings.Cut(f.Text, ":")
			p.log.Error(text)
		}
	}
	return s, err
}
