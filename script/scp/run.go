package scp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// The defaults of a Config.
const (
	DefaultMaxSteps  = 1_000_000
	DefaultMaxString = 1 << 20
)

// Config holds the settings of a run. The zero Config and a nil one work.
type Config struct {
	// MaxSteps is how many commands may run between two that wait or take
	// input. Default, and for 0: DefaultMaxSteps. Negative: no limit; the
	// context alone ends a script that never waits.
	MaxSteps int

	// MaxString is how many bytes a string may have; all strings together have
	// at most 16 times as many. Default, and for 0: DefaultMaxString. Negative:
	// no limit.
	MaxString int

	// Dialog holds the settings of the dialog that the script talks through:
	// Strip7 for lines with parity, pacing, and Idle as a limit for silence,
	// which fails the script with ras.ErrRequestTimeout. Default: those of
	// script.DialogConfig.
	Dialog *script.DialogConfig

	// Log receives debug records of the dialog, with secrets masked, and
	// warnings about what the line cannot do. Default: Dialog's, or none.
	Log *slog.Logger
}

// executor is a Program with settings.
type executor struct {
	*Program
	cfg Config
}

// Executor returns an executor that runs the script with settings of its own;
// a nil cfg means the zero Config. It behaves as Execute does.
func (p *Program) Executor(cfg *Config) script.Executor {
	e := executor{Program: p}
	if cfg != nil {
		e.cfg = *cfg
	}
	return &e
}

// Execute runs the script on the call. It returns nil when the end of main is
// reached, and otherwise a *script.RunError with the place of the command that
// failed. A script that needs a name or a password that is not given is refused
// before anything is sent; see Check.
//
// $USERID and $PASSWORD are call.Params' name and password; the latter, and
// every text made from it, is never shown. "set ipaddr" sets call.IPAddr.
// "set port" changes one setting and leaves the others as the port has them, or
// as 8N1 if that cannot be known; a port without such settings is reported to
// the log and the script continues. Settings stay when the script ends.
//
// If the call has a Terminal, the user sees there what the script receives, as it
// arrives. After "set screen keyboard on" the user's typing goes to the line, with
// Enter as CR; after "off" it is dropped. The terminal should be in raw mode, so
// that each key is sent when it is typed and only the peer echoes. At halt the
// user is notified, and the script succeeds when the user presses Enter; with
// the keyboard on, typing goes to the line and Ctrl-] lets the script continue.
// Without a Terminal, or when it ends, halt fails with an error that matches
// ErrHalted and ras.ErrInteractiveMode.
//
// The Terminal is read only by scripts that switch the keyboard on or halt. A
// read of it that is running when the script ends is freed by a
// SetReadDeadline method if there is one; without it, a goroutine stays in
// the read until that returns, and drops what it brought.
func (p *Program) Execute(ctx context.Context, call *ras.Call) error {
	return p.Executor(nil).Execute(ctx, call)
}

func (e *executor) Execute(ctx context.Context, call *ras.Call) error {
	if err := e.Check(call.Params); err != nil {
		return err
	}
	p := e.Program
	cfg := &e.cfg
	m := &machine{
		ctx: ctx, prog: p, call: call,
		vars:      make([]datum, len(p.slots)),
		success:   true,
		maxString: bound(cfg.MaxString, DefaultMaxString),
		maxSteps:  bound(cfg.MaxSteps, DefaultMaxSteps),
		made:      make([]awaited, len(p.waits)),
		hidden:    map[string]bool{},
	}
	if call.Params != nil {
		m.user, m.password = call.Params.UserName, call.Params.Password.Reveal()
		m.hide(m.password)
		m.hide(expand(m.password))
	}
	var dialog script.DialogConfig
	if cfg.Dialog != nil {
		dialog = *cfg.Dialog
	}
	dialog.Consume = true
	dialog.Log = cmp.Or(cfg.Log, dialog.Log)
	m.log, m.tapped = dialog.Log, dialog.Tap
	if call.Terminal != nil {
		m.screen = &terminal{ctx: ctx, call: call, masked: call.MaskStream(call.Terminal), more: make(chan struct{})}
	}
	if m.screen != nil || m.tapped != nil {
		dialog.Tap = m.tap
	}
	m.dialog = script.NewDialog(call, &dialog)
	defer func() {
		// Leave the call to the next executor.
		if m.screen != nil {
			m.screen.stop()
		}
		m.dialog.Close()
	}()
	return m.run()
}

// bound returns the limit that a Config's field means. Products with the
// constants of this package do not overflow.
func bound(n, def int) int64 {
	if n < 0 {
		return math.MaxInt64 / 64
	}
	return int64(cmp.Or(n, def))
}

// run runs main from its first instruction.
func (m *machine) run() error {
	for {
		in := m.prog.code[m.pc]
		m.pc++
		if in.op == opEnd {
			return nil
		}
		// A script that never waits must not run for ever.
		m.work++
		if in.op >= opStore { // a command of the script
			m.steps++
		}
		var err error
		switch {
		case m.steps > m.maxSteps || m.work > m.maxSteps*workPerStep:
			err = overLimit("more than %d commands without waiting", m.maxSteps)
		case m.work%stepsPerLook == 0:
			err = context.Cause(m.ctx)
		}
		if err == nil {
			err = m.do(in)
		}
		if err != nil {
			line, col := m.prog.src.Place(int(in.pos))
			name := commandNames[in.op]
			if in.op == opWaitfor {
				// Show the first text as the script has it.
				const shown = 60
				w := m.prog.waits[in.a]
				name = strings.Join(strings.Fields(lint.Plain(m.prog.src.Text()[w.from:w.to], "")), " ")
				if len(name) > shown {
					name = strings.ToValidUTF8(name[:shown], "") + "..."
				}
				name = "waitfor " + name
			}
			e := &script.RunError{
				File: m.prog.src.Name(), Line: line, Col: col,
				Op:   string(m.call.Mask([]byte(name))),
				Code: ras.CodeOf(err),
				Err:  err,
			}
			if d := (*script.Error)(nil); errors.As(err, &d) {
				e.Tail = d.Tail
			} else if t := (*script.TimeoutError)(nil); errors.As(err, &t) {
				e.Tail = t.Tail
			}
			return e
		}
		if in.op == opHalt {
			return nil
		}
	}
}

func (m *machine) do(in instr) error {
	switch {
	case in.op < opGetIP:
		switch in.op {
		case opInteger, opBoolean:
			m.push(datum{n: in.a})
		case opString:
			m.push(datum{s: m.prog.texts[in.a]})
		case opVariable:
			m.push(m.vars[in.a])
		case opUserID:
			m.push(datum{s: m.user})
		case opPassword:
			m.push(datum{s: m.password, secret: true})
		case opSuccess:
			m.push(boolDatum(m.success))
		case opFailure:
			m.push(boolDatum(!m.success))
		}
		return nil
	case in.op == opGetIP:
		m.place(in)
		return m.getip()
	case in.op < opAnd:
		return m.operate(in)
	}
	switch in.op {
	case opAnd, opOr:
		// The value that decides the condition stays on the stack.
		if top := m.stack[len(m.stack)-1].n != 0; top == (in.op == opOr) {
			m.pc = in.a
			break
		}
		m.pop()
	case opIf, opWhile:
		if m.pop().n == 0 {
			m.pc = in.a
		}
	case opJump, opGoto:
		m.pc = in.a
	case opStore:
		v := m.pop()
		m.held += int64(len(v.s) - len(m.vars[in.a].s))
		m.vars[in.a] = v
	case opDrop:
		m.pop()
	default:
		return m.command(in)
	}
	return nil
}
