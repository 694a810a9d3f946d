package scp

import (
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/plain"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Besides the commands, the work that they do is limited: in instructions and
// in pieces of bytesPerWork bytes that are copied or compared.
const (
	workPerStep  = 16
	bytesPerWork = 64
	stepsPerLook = 1024 // how often a run that never waits looks at its context
)

// machine is one run of a Program. It belongs to the goroutine of Execute.
type machine struct {
	ctx    context.Context
	prog   *Program
	call   *ras.Call
	dialog *script.Dialog
	screen *terminal // nil without a Terminal

	pc       int32
	stack    []value
	vars     []value
	success  bool
	user     string
	password string

	maxString int
	held      int // bytes of all strings in stack and vars
	maxSteps  int
	steps     int // since the last wait
	work      int // since the last wait

	made   []awaited // by number of the waitfor
	seen   int       // bytes that come once more and were shown already
	hidden map[string]bool
	format *format // nil before the first "set port"
}

func newMachine(ctx context.Context, p *Program, call *ras.Call) *machine {
	m := &machine{
		ctx: ctx, prog: p, call: call,
		vars:      make([]value, len(p.slots)),
		success:   true,
		maxString: orDefault(p.MaxString, DefaultMaxString),
		maxSteps:  orDefault(p.MaxSteps, DefaultMaxSteps),
		made:      make([]awaited, len(p.waits)),
		hidden:    map[string]bool{},
	}
	if call.Params != nil {
		m.user, m.password = call.Params.UserName, call.Params.Password.Reveal()
		m.hide(m.password)
		m.hide(expand(m.password))
	}
	cfg := p.Dialog
	if call.Terminal != nil {
		m.screen = newTerminal(ctx, call)
	}
	if m.screen != nil || cfg.Tap != nil {
		cfg.Tap = m.tap
	}
	m.dialog = script.NewDialog(call, &cfg)
	return m
}

// finish leaves the call to the next executor.
func (m *machine) finish() {
	if m.screen != nil {
		m.screen.stop()
	}
	m.dialog.Close()
}

// tap shows received bytes to the user and to the host.
func (m *machine) tap(b []byte) {
	again := min(m.seen, len(b))
	m.seen -= again
	if b = b[again:]; len(b) == 0 {
		return
	}
	if m.prog.Dialog.Tap != nil {
		m.prog.Dialog.Tap(b)
	}
	if m.screen != nil {
		m.screen.show(b)
	}
}

// run runs main from its first instruction.
func (m *machine) run() error {
	for {
		in := m.prog.code[m.pc]
		m.pc++
		if in.op == opEnd {
			return nil
		}
		err := m.count(in.op)
		if err == nil {
			err = m.do(in)
		}
		if err != nil {
			return m.failure(in, err)
		}
		if in.op == opHalt {
			return nil
		}
	}
}

// count keeps a script that never waits from running for ever.
func (m *machine) count(o op) error {
	m.work++
	if o.command() {
		m.steps++
	}
	if m.steps > m.maxSteps || m.work > m.maxSteps*workPerStep {
		return overLimit("more than %d commands without waiting", m.maxSteps)
	}
	if m.work%stepsPerLook == 0 {
		return context.Cause(m.ctx)
	}
	return nil
}

// waited starts the count of steps again.
func (m *machine) waited() { m.steps, m.work = 0, 0 }

func (m *machine) do(in instr) error {
	switch {
	case in.op < opGetIP:
		m.load(in)
		return nil
	case in.op == opGetIP:
		return m.getip()
	case in.op < opAnd:
		return m.operate(in)
	case in.op.jumps():
		m.jump(in)
		return nil
	}
	switch in.op {
	case opStore:
		m.store(in.a, m.pop())
	case opDrop:
		m.pop()
	default:
		return m.command(in)
	}
	return nil
}

// jump goes to in.a if the instruction says so. "and" and "or" keep the value
// that decides them.
func (m *machine) jump(in instr) {
	switch in.op {
	case opAnd, opOr:
		if top := m.stack[len(m.stack)-1].n != 0; top == (in.op == opOr) {
			m.pc = in.a
			return
		}
		m.pop()
	case opIf, opWhile:
		if m.pop().n == 0 {
			m.pc = in.a
		}
	default:
		m.pc = in.a
	}
}

func (m *machine) command(in instr) error {
	switch in.op {
	case opDelay:
		return m.delay(m.pop().n)
	case opHalt:
		return m.halt(in)
	case opKeyboard:
		if m.screen != nil {
			m.screen.keyboard(in.a == 1)
		}
		return nil
	case opDataBits, opParity, opStopBits:
		return m.setPort(in)
	case opAddress:
		return m.setAddress(m.pop())
	case opTransmit:
		return m.transmit(m.pop(), in.a == 1)
	default:
		return m.waitfor(in)
	}
}

func (m *machine) delay(seconds int32) error {
	if seconds <= 0 {
		return nil
	}
	m.waited()
	m.showAll()
	return m.dialog.Pause(m.ctx, time.Duration(seconds)*time.Second)
}

// transmit sends a string. One that comes from the password is sent as a
// secret.
func (m *machine) transmit(v value, raw bool) error {
	text := v.s
	if !raw {
		text = expand(text)
	}
	m.work += len(text) / bytesPerWork
	m.showAll()
	if !v.secret {
		return m.dialog.Send(m.ctx, []byte(text))
	}
	if err := m.hide(text); err != nil {
		return err
	}
	return m.dialog.SendSecret(m.ctx, ras.Secret(text))
}

// What is hidden is searched for in all that is shown, so there cannot be much
// of it.
const (
	maxHidden      = 256
	maxHiddenBytes = 64 << 10
)

// hide registers a text that comes from the password.
func (m *machine) hide(text string) error {
	switch {
	case m.hidden[text]:
		return nil
	case len(m.hidden) >= maxHidden || len(text) > maxHiddenBytes:
		return overLimit("more than %d different texts, or one of more than %d bytes, were made from the password", maxHidden, maxHiddenBytes)
	}
	m.hidden[text] = true
	m.call.Hide(ras.Secret(text))
	return nil
}

// showAll shows the user what was received up to now.
func (m *machine) showAll() {
	if m.screen != nil {
		m.screen.flush()
	}
}

// halt ends the script, with success if there is a user who continues.
func (m *machine) halt(in instr) error {
	if m.screen == nil {
		return ErrHalted
	}
	line, _ := m.prog.src.place(int(in.pos))
	return m.screen.halt(m.dialog, m.prog.src.name, line)
}

// failure gives an error its place in the script.
func (m *machine) failure(in instr, err error) error {
	line, col := m.prog.src.place(int(in.pos))
	return &Error{
		File: m.prog.src.name, Line: line, Col: col,
		Command: string(m.call.Mask([]byte(m.describe(in)))),
		Err:     err,
	}
}

var commandNames = map[op]string{
	opGetIP: "getip", opDelay: "delay", opHalt: "halt", opTransmit: "transmit",
	opAddress: "set ipaddr", opDataBits: "set port databits", opStopBits: "set port stopbits",
	opParity: "set port parity", opKeyboard: "set screen keyboard",
}

// describe names the command of an instruction. Of a waitfor it shows the first
// text as the script has it; what is sent is never shown.
func (m *machine) describe(in instr) string {
	if in.op != opWaitfor {
		return commandNames[in.op]
	}
	const shown = 60
	w := m.prog.waits[in.a]
	text := strings.Join(strings.Fields(plain.Text(m.prog.src.text[w.from:w.to])), " ")
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "..."
	}
	return "waitfor " + text
}
