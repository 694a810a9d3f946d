package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/rasline/rasline/examples/internal/console"
	"github.com/rasline/rasline/examples/internal/demo"
	"github.com/rasline/rasline/internal/words"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
)

// dialer is one run of the program.
type dialer struct {
	opts     *options
	std      streams
	screen   *console.Screen
	handler  slog.Handler
	log      *slog.Logger
	demo     *demo.Modem // the built-in modem, if that is dialled
	leftUp   bool        // whether a call was up when it was closed
	terminal *console.Terminal
	level    slog.LevelVar   // of the log
	reported map[string]bool // findings that were shown
}

func newDialer(opts *options, std streams) *dialer {
	d := &dialer{opts: opts, std: std, reported: make(map[string]bool), screen: console.NewScreen(std.err, !opts.terminal && !opts.interact && opts.logFormat != "json")}
	var others []string // messages that are left out
	switch {
	case opts.verbose || d.isWatched() && opts.logFormat != "":
		d.level.Set(slog.LevelDebug)
	case opts.logFormat != "":
		d.level.Set(slog.LevelInfo)
	default:
		d.level.Set(slog.LevelWarn)
		others = append(others, "waiting", "hung up") // the progress line and the states show them
	}
	d.handler = d.screen.Log(opts.logFormat, "rasdial", &d.level, others...)
	d.log = slog.New(d.handler)
	return d
}

// stopNotice is how long a stop may last before the user sees why.
const stopNotice = 500 * time.Millisecond

// brokenPipe gets SIGPIPE while the line is used. What reads standard error may end
// before the call, such as tee after Ctrl-C: writes to it then fail, and do not end
// the program before it has hung up. It is of the program and not of a run, which
// tests make in bubbles of fake time.
var brokenPipe = make(chan os.Signal, 1)

func (d *dialer) run(ctx context.Context) int {
	ended := make(chan struct{})
	defer close(ended)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		case <-time.After(stopNotice):
			d.log.Warn("hanging up; once more to end the program without that")
		}
	})()
	e, status := d.entry()
	if e == nil {
		return status
	}
	if status := d.credentials(ctx, e); status != exitOK {
		return status
	}
	w, closeRecording, err := d.record()
	if err != nil {
		return d.fail(exitUsage, fmt.Errorf("-record: %w", err))
	}
	defer closeRecording()
	if d.opts.terminal || d.opts.interact {
		in, out := d.std.in, d.std.out
		if d.opts.port == "-" {
			in, out = nil, nil // the line
		}
		t, err := console.OpenTerminal(ctx, in, out, d.screen)
		if err != nil {
			return d.fail(exitUsage, fmt.Errorf("-interact and -terminal need a terminal: %w", err))
		}
		defer t.Close()
		d.terminal = t
	}
	signal.Notify(brokenPipe, syscall.SIGPIPE)
	cfg := &dialup.Config{OnState: d.state, Open: d.open, Record: w, Log: d.handler, Exact: d.opts.port == "-"}
	if d.opts.terminal {
		cfg.Terminal = d.terminal
	}
	if d.opts.persist {
		err = dialup.Persist(ctx, e, cfg, d.use)
	} else {
		err = d.once(ctx, e, cfg)
	}
	d.closeDemo()
	var part *dialup.Error
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, portname.ErrBadName), errors.As(err, &part) && part.Op == "check":
		return d.fail(exitUsage, err)
	case errors.As(err, &part) && part.Op == "open" && ctx.Err() == nil:
		return d.fail(exitNotOpen, err)
	}
	return d.fail(exitFailed, err)
}

// record begins the recording, if there is to be one.
func (d *dialer) record() (w *capture.Writer, done func(), err error) {
	if d.opts.record == "" {
		return nil, func() {}, nil
	}
	w, err = capture.Create(d.opts.record, &capture.Config{Watch: true, Log: d.log})
	if errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%s exists already: remove it, or name another file", d.opts.record)
	}
	return w, func() {
		if err := w.Close(); err != nil {
			d.log.Error("-record: " + console.OneLine(err.Error()))
		}
	}, err
}

// state shows a state. When the built-in modem dials, the conversation begins to show.
func (d *dialer) state(s dialup.State) {
	d.screen.State(s)
	if d.isWatched() && (s.Number != "" || s.Conn == ras.StateDeviceConnected) {
		d.level.Set(slog.LevelDebug)
	}
}

// once makes the connection, uses it and hangs up.
func (d *dialer) once(ctx context.Context, e *dialup.Entry, cfg *dialup.Config) error {
	c, err := dialup.Dial(ctx, e, cfg)
	if err != nil {
		return err
	}
	err = d.use(ctx, c)
	if d.opts.port == "-" && d.opts.hangup == nil && err == nil {
		return c.Port.Close() // without a hang-up: the line is pppd's
	}
	closeErr := c.Close()
	if errors.As(err, new(*exec.ExitError)) && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(ras.ContextError(ctx), console.Cause(err)) // Ctrl-C has reached the command first
	}
	var diverged *capture.DivergenceError
	switch {
	case closeErr == nil:
	case err == nil && (d.opts.hangup != nil || errors.As(closeErr, &diverged) && diverged.Want != "" && !diverged.Connected):
		return closeErr
	default:
		d.log.Warn("hang-up", "error", closeErr)
	}
	return err
}

// use is what the connection is made for.
func (d *dialer) use(ctx context.Context, c *dialup.Conn) error {
	switch {
	case d.opts.interact:
		_, err := script.Run(ctx, c, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			dialog := script.NewDialog(call, nil)
			defer dialog.Close()
			return dialog.Interact(ctx, d.terminal, nil)
		}), nil)
		return err
	case d.opts.exec != "":
		cmd, err := words.Command(d.opts.exec, d.opts.shell)
		if err != nil {
			return err
		}
		cmd.Stderr = d.std.err
		if d.opts.logFormat == "json" {
			lines := console.Lines(func(line string) { d.log.Info("exec", "line", line) })
			defer lines.Close()
			cmd.Stderr = lines
			cmd.WaitDelay = time.Second // for what the command has left running
		}
		return c.Handover(ctx, cmd)
	}
	return nil
}

// open opens the port of the entry.
func (d *dialer) open(ctx context.Context, name string, cfg *portname.Config) (port.Port, error) {
	switch {
	case d.isDemo():
		d.closeDemo() // -persist dials again
		d.demo = demo.Open(d.opts.answer)
		return d.demo.Port, nil
	case name != "-":
		return portname.Open(ctx, name, cfg)
	}
	p, err := port.Stdio(d.std.in, d.std.out, nil)
	if err != nil {
		return nil, err
	}
	if err := p.SetMode(d.opts.mode); err != nil && d.opts.mode != (port.Mode{}) {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (d *dialer) closeDemo() {
	if d.demo != nil {
		d.leftUp = d.demo.Close()
	}
}

// isDemo reports whether the built-in modem is dialled.
func (d *dialer) isDemo() bool { return d.opts.port == "" && d.opts.phonebook == "" }

// isWatched reports whether the user watches the built-in modem, so that what is sent
// and received shows without -v, and all of it on a screen of 24 lines.
func (d *dialer) isWatched() bool { return d.isDemo() && !d.opts.terminal && !d.opts.interact }

// credentials completes what the scripts need and refuses to dial without it. A
// password that is missing is prompted for if there is a user.
func (d *dialer) credentials(ctx context.Context, e *dialup.Entry) int {
	err := e.Check()
	var missing *script.MissingError
	if errors.As(err, &missing) && missing.Field == "Password" && d.opts.port != "-" {
		prompt := fmt.Sprintf("Password for %s: ", e.Params.UserName)
		password, asked, cancelled := d.screen.ReadPassword(ctx, d.std.in, prompt)
		if cancelled != nil {
			return d.fail(exitFailed, ras.ContextError(ctx))
		}
		if asked {
			e.Params.Password, e.Params.NoPassword = ras.Secret(password), password == ""
			err = e.Check()
		}
	}
	if errors.As(err, &missing) {
		return d.fail(exitUsage, fmt.Errorf("%w: %s", console.Cause(err), missingFlags[missing.Field]))
	}
	if err != nil {
		return d.fail(exitUsage, err)
	}
	return exitOK
}

// missingFlags is what to do about each parameter that is missing.
var missingFlags = map[string]string{
	"UserName":    "use -user NAME",
	"Password":    `use -password-file FILE ("-" is standard input), or -no-password if there is none`,
	"PhoneNumber": "use -dial NUMBER",
}

// fail shows an error and returns the exit status.
func (d *dialer) fail(status int, err error) int {
	log := d.log
	if d.opts.logFormat != "json" {
		log = nil
	}
	d.screen.Failure(log, "rasdial", status, status == exitFailed, err)
	return status
}
