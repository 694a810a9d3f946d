package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/modem"
)

// hangupLimit bounds the hang-up at the end, which a cancelled run gets too.
const hangupLimit = 20 * time.Second

// dialer is one run of the program.
type dialer struct {
	opts     *options
	std      streams
	screen   *screen
	log      *slog.Logger
	demo     *demo // the built-in modem, if that is dialled
	recorder *recorder
	online   bool // whether a call was set up
	ended    bool // whether the end of a failed run has hung up
}

func (d *dialer) run(ctx context.Context) int {
	var login script.Executor = script.Login(&script.LoginConfig{Log: d.log})
	if d.opts.script != "" {
		s, err := d.load()
		var list *lint.ParseError
		switch {
		case errors.As(err, &list):
			return d.report(list.Findings)
		case err != nil:
			return d.fail(exitUsage, err)
		case d.opts.list:
			for _, name := range s.Sections() {
				fmt.Fprintln(d.std.out, name)
			}
			return exitOK
		}
		findings := s.Findings()
		if !d.opts.check { // lines that a run skips are no reason not to run
			for i := range findings {
				findings[i].Severity = lint.SeverityWarning
			}
		}
		if code := d.report(findings); code != exitOK || d.opts.check {
			return code
		}
		login = s.Executor()
	}
	if code := d.credentials(ctx, login); code != exitOK {
		return code
	}
	return d.dial(ctx, d.executor(login))
}

// credentials completes what the script needs and refuses to dial without it. A
// password that is missing is asked for if there is a user to ask.
func (d *dialer) credentials(ctx context.Context, login script.Executor) int {
	p := &d.opts.params
	if len(d.opts.numbers) > 0 {
		p.PhoneNumber = d.opts.numbers[0]
	}
	if d.opts.port == "" && p.UserName == "" && p.Password == "" {
		p.UserName, p.Password = demoUser, demoPassword
	}
	check := func() (err error) {
		if c, ok := login.(script.Checker); ok {
			return c.Check(p)
		}
		if d.opts.script == "" && p.UserName != "" {
			return script.CheckParam(p, "Password")
		}
		return nil
	}
	err := check()
	var missing *script.MissingError
	if errors.As(err, &missing) && missing.Field == "Password" {
		password, asked, cancelled := d.askPassword(ctx)
		if cancelled != nil {
			return d.fail(exitFailed, cancelled)
		}
		if asked {
			p.Password, p.NoPassword = ras.Secret(password), password == ""
			err = check()
		}
	}
	if errors.As(err, &missing) {
		d.screen.printf("rasdial: %v: %s\n", err, missingFlags[missing.Field])
		return exitUsage
	}
	if err != nil {
		return d.fail(exitUsage, err)
	}
	return exitOK
}

// missingFlags says what to do about each parameter that is missing.
var missingFlags = map[string]string{
	"UserName":    "use -user NAME",
	"Password":    `use -password-file FILE ("-" is standard input), or -no-password if there is none`,
	"PhoneNumber": "use -dial NUMBER",
}

// report shows what was found in the script and returns the exit status for it.
func (d *dialer) report(findings []lint.Finding) int {
	out := d.std.err
	if d.opts.check {
		out = d.std.out
	}
	for _, f := range findings {
		fmt.Fprintln(out, f)
		if !d.opts.check && f.Source != "" {
			fmt.Fprintln(out, f.Excerpt())
		}
	}
	if !broken(findings) {
		return exitOK
	}
	if !d.opts.check {
		fmt.Fprintf(out, "rasdial: %s has errors; nothing was sent\n", d.opts.script)
	}
	return exitUsage
}

// executor returns what is to be run: the modem's dialling or answering if asked
// for, then the script.
func (d *dialer) executor(login script.Executor) script.Executor {
	numbers := d.opts.numbers
	if d.opts.port == "" && len(numbers) == 0 && !d.opts.answer {
		numbers = []string{demoNumber}
	}
	if len(numbers) == 0 && !d.opts.answer {
		return d.interactive(login)
	}
	login = d.interactive(modem.WatchCarrier(login, &modem.CarrierConfig{Step: "login"}))
	dialog := &script.DialogConfig{Log: d.log}
	if d.opts.answer {
		return script.Sequence(&modem.Answerer{
			Config: d.modem(), Dialog: dialog, Init: d.opts.init, Rings: d.opts.rings,
			OnRing: d.rings, OnState: d.progress,
		}, login)
	}
	d.opts.params.PhoneNumber = numbers[0]
	dial := &modem.Dialer{
		Config: d.modem(), Dialog: dialog, Init: d.opts.init, Numbers: numbers,
		OnState: d.progress,
	}
	if d.opts.redial > 0 {
		dial.Redial.Attempts = d.opts.redial + 1
	}
	return script.Sequence(dial, login)
}

// modem returns what is expected of the modem. A call does not outlive a run that
// fails or is stopped, unless -hangup none asks for that.
func (d *dialer) modem() *modem.Config {
	return &modem.Config{
		Log:       d.log,
		Addresses: true,
		HangUp:    d.opts.hangup,
		KeepCall:  d.opts.hangupSet && len(d.opts.hangup) == 0,
		OnHangUp: func(r modem.HangupReport, err error) {
			d.ended = true
			if err == nil {
				d.state(ras.StateDisconnected, "hung up by "+proof(r))
			}
		},
	}
}

// interactive announces the state in which a script runs.
func (d *dialer) interactive(e script.Executor) script.Executor {
	return script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d.state(ras.StateInteractive, "")
		return e.Execute(ctx, call)
	})
}

func (d *dialer) progress(p script.State) {
	text := p.Text
	if p.Err != nil {
		text = p.Err.Error()
	}
	if p.Number != "" && !strings.Contains(text, p.Number) {
		text = strings.TrimSpace(p.Number + " " + text)
	}
	d.online = d.online || p.Conn == ras.StateDeviceConnected && p.Err == nil
	d.state(p.Conn, text)
}

// rings announces a call that rings.
func (d *dialer) rings(c modem.IncomingCall) {
	text := fmt.Sprintf("ring %d", c.Count)
	for _, more := range []string{c.Number, c.Name, c.Kind} {
		if more != "" {
			text += ", " + more
		}
	}
	d.state(ras.StateWaitForCallback, text)
}

// dial opens the port, runs e and hangs up.
func (d *dialer) dial(ctx context.Context, e script.Executor) int {
	if err := d.startRecording(); err != nil {
		return d.fail(exitUsage, err)
	}
	defer d.stopRecording()
	d.state(ras.StateOpenPort, d.portName())
	p, exact, err := d.openPort(ctx)
	if err != nil {
		if errors.Is(err, portname.ErrBadName) {
			return d.fail(exitUsage, err)
		}
		return d.fail(exitNotOpen, err)
	}
	p = d.record(p)
	defer p.Close()
	if d.demo != nil {
		defer d.demo.close()
	}
	terminal, err := d.openTerminal(ctx)
	if err != nil {
		return d.fail(exitNotOpen, err)
	}
	if terminal != nil {
		defer terminal.Close()
	}
	d.state(ras.StatePortOpened, "")
	cfg := &script.Config{
		Params:    &d.opts.params,
		Phonebook: d.opts.phonebook,
		Entry:     d.opts.params.EntryName,
		Timeout:   d.opts.timeout,
		Exact:     exact,
		Log:       d.log,
	}
	if terminal != nil {
		cfg.Terminal = terminal
	}
	res, err := script.Run(ctx, p, e, cfg)
	d.end(p, res, err)
	if err != nil {
		return d.fail(exitFailed, err)
	}
	return exitOK
}

func (d *dialer) drain(p port.Port) {
	drainer, ok := p.(port.Drainer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if err := drainer.Drain(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		d.log.Warn("what was sent last may not have left", "error", err)
	}
}

func (d *dialer) portName() string {
	if d.opts.port == "" {
		return "built-in modem"
	}
	return d.opts.port
}

// drainLimit bounds the wait for what a script sent last.
const drainLimit = 5 * time.Second

// end announces how the run went and hangs up. What a script that succeeded has
// sent last leaves before the port is closed, which would discard it.
func (d *dialer) end(p port.Port, res *script.Result, err error) {
	if err != nil {
		d.state(ras.StateDisconnected, ras.CodeOf(err).Name())
	} else {
		d.state(ras.StateConnected, outcome(res))
		d.drain(p)
	}
	methods := d.opts.hangup
	if !d.opts.hangupSet {
		methods = d.defaultHangup(err)
	}
	if len(methods) == 0 || d.ended {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangupLimit)
	defer cancel()
	report, hangErr := modem.HangUp(ctx, p, &modem.Config{Log: d.log}, methods...)
	switch {
	case hangErr == nil:
		d.state(ras.StateDisconnected, "hung up by "+proof(report))
	case d.opts.hangupSet || !errors.Is(hangErr, errors.ErrUnsupported):
		d.log.Warn("hang-up", "error", hangErr)
	}
}

// defaultHangup hangs up a call that was dialled, and drops DTR on a line that
// failed, so that a modem there is not left online. A line that is somebody
// else's, such as pppd's, is left alone, and a device that was pulled is past
// hanging up.
func (d *dialer) defaultHangup(err error) []modem.Method {
	switch {
	case d.opts.port == "-" || errors.Is(err, port.ErrRemoved):
		return nil
	case d.online:
		return []modem.Method{modem.DTR, modem.ATH}
	case err != nil && len(d.opts.numbers) == 0:
		return []modem.Method{modem.DTR}
	}
	return nil
}

func proof(r modem.HangupReport) string {
	switch {
	case r.Proved:
		return r.Method.String() + ", DCD has fallen"
	case r.Confirmed:
		return r.Method.String() + ", the modem has confirmed it"
	}
	return r.Method.String()
}

func outcome(res *script.Result) string {
	text := fmt.Sprintf("logged in after %v, %d bytes in, %d out", res.Duration.Round(time.Millisecond), res.Stats.Received, res.Stats.Sent)
	if res.Params.UserName != "" {
		text = res.Params.UserName + " " + text
	}
	if res.IPAddr.IsValid() {
		text += ", address " + res.IPAddr.String()
	}
	if n := len(res.Unread); n > 0 {
		text += fmt.Sprintf(", %d bytes wait for PPP", n)
	}
	return text
}

// fail shows an error. A failed run's last line begins with the RAS code.
func (d *dialer) fail(status int, err error) int {
	if status != exitFailed {
		d.screen.printf("rasdial: %v\n", err)
		return status
	}
	code := ras.CodeOf(err)
	text := strings.ReplaceAll(err.Error(), fmt.Sprintf("error %d %s: ", uint32(code), code.Name()), "")
	if errors.As(err, new(*script.RunError)) { // it names the line of the script, which is worth one of its own
		d.screen.printf("rasdial: %s\n", oneLine(text))
		text = code.Text()
		if code == ras.ErrScriptSyntax { // the script has parsed
			text = "the script failed while it ran"
		}
	}
	d.screen.printf("rasdial: error %d %s: %s\n", uint32(code), code.Name(), oneLine(text))
	return status
}

// oneLine joins the parts of a joined error.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
