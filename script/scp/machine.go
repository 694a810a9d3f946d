package scp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// Besides the commands, the work that they do is limited: in instructions and
// in pieces of bytesPerWork bytes that are copied or compared.
const (
	workPerStep  = 16
	bytesPerWork = 64
	stepsPerLook = 1024 // how often a run that never waits checks its context
)

// machine is one run of a Program. It belongs to the goroutine of Execute.
type machine struct {
	ctx    context.Context
	prog   *Program
	log    *slog.Logger
	tapped func(b []byte) // the host's own tap, or nil
	call   *ras.Call
	dialog *script.Dialog
	screen *terminal // nil without a Terminal

	pc       int32
	stack    []datum
	vars     []datum
	success  bool
	user     string
	password string

	maxString int64
	held      int64 // bytes of all strings in stack and vars
	maxSteps  int64
	steps     int64 // since the last wait
	work      int64 // since the last wait

	made   []awaited // by number of the waitfor
	seen   int       // bytes that are received once more and were shown already
	heard  *[]byte   // gets what is received in a pause; nil otherwise
	hidden map[string]bool
	format *charFormat // nil before the first "set port"
}

// bound returns the limit that a Config's field means. Products with the
// constants of this package do not overflow.
func bound(n, def int) int64 {
	if n < 0 {
		return math.MaxInt64 / 64
	}
	return int64(cmp.Or(n, def))
}

// tap shows received bytes to the user and to the host.
func (m *machine) tap(b []byte) {
	if m.heard != nil {
		*m.heard = append(*m.heard, b...)
	}
	again := min(m.seen, len(b))
	m.seen -= again
	if b = b[again:]; len(b) == 0 {
		return
	}
	if m.tapped != nil {
		m.tapped(b)
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

// waited starts the count of steps again.
func (m *machine) waited() { m.steps, m.work = 0, 0 }

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

// place gives the log the place of an instruction.
func (m *machine) place(in instr) {
	line, _ := m.prog.src.Place(int(in.pos))
	m.dialog.SetPlace(m.prog.src.Name(), line)
}

func (m *machine) command(in instr) error {
	m.place(in)
	switch in.op {
	case opDelay:
		seconds := m.pop().n
		if seconds <= 0 {
			return nil
		}
		m.waited()
		m.showAll()
		d := time.Duration(seconds) * time.Second
		if m.screen != nil && m.screen.talking() {
			// Show what is received while the user talks to the peer, and give it
			// back for the next command, which also finds what ended the line.
			var left time.Duration
			end := time.Now().Add(d)
			heard := []byte{}
			m.heard = &heard
			for len(heard) < maxHeard {
				if left = time.Until(end); left <= 0 {
					break
				}
				if _, err := m.dialog.NextByte(m.ctx, left); err != nil {
					break
				}
			}
			m.heard = nil
			m.dialog.Unread(heard)
			m.seen += len(heard)
			d = max(0, time.Until(end))
		}
		return m.dialog.Pause(m.ctx, d)
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
		v := m.pop()
		addr, ok := parseAddress(v.s)
		switch {
		case ok:
			m.call.IPAddr = addr
			return nil
		case v.secret:
			return wrong("the text is no address such as 10.0.0.7")
		}
		const shown = 40
		return wrong("%q is no address such as 10.0.0.7", v.s[:min(len(v.s), shown)])
	case opTransmit:
		return m.transmit(m.pop(), in.a == 1)
	default:
		return m.waitfor(in)
	}
}

// maxHeard is how many bytes listen reads ahead.
const maxHeard = 32 << 10

// transmit sends a string. One that contains the password is sent as a
// secret.
func (m *machine) transmit(v datum, raw bool) error {
	text := v.s
	if !raw {
		text = expand(text)
	}
	m.work += int64(len(text) / bytesPerWork)
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

// hide registers a text that contains the password.
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
	line, _ := m.prog.src.Place(int(in.pos))
	// Show the user that the script has stopped and wait for Enter. With the
	// keyboard on, every key goes to the peer meanwhile, and Ctrl-] ends that.
	t := m.screen
	file := m.prog.src.Name()
	t.flush()
	t.mu.Lock()
	t.halted = true
	talk := t.open
	t.mu.Unlock()
	how := "Press Enter to continue."
	if talk {
		how = "Keys go to the line; Ctrl-] continues."
	}
	t.out.Lock()
	fmt.Fprintf(t.call.Terminal, "\r\n%s:%d: the script has stopped. %s\r\n", lint.Visible(file), line, how)
	t.out.Unlock()
	t.listen()
	if talk {
		return t.talk(m.dialog)
	}
	select {
	case <-t.more:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-t.done:
		return t.ended()
	}
}

// commandNames names the commands for errors. What is sent is never shown.
var commandNames = map[op]string{
	opGetIP: "getip", opDelay: "delay", opHalt: "halt", opTransmit: "transmit",
	opAddress: "set ipaddr", opDataBits: "set port databits", opStopBits: "set port stopbits",
	opParity: "set port parity", opKeyboard: "set screen keyboard",
}

// charFormat is the character format in force. long means more than one stop bit:
// two, or one and a half with 5 data bits, which is what a UART makes of two.
type charFormat struct {
	bits, parity uint8
	long         bool
}

// setPort changes one setting of the line and sets all three.
func (m *machine) setPort(in instr) error {
	if m.format == nil {
		// What the port has, or 8N1 if it does not report that.
		s := ras.SettingsOf(port.Mode{})
		if p, ok := m.call.Line().(port.ModeSetter); ok {
			if mode, err := p.Mode(); err == nil {
				s = ras.SettingsOf(mode)
			}
		}
		m.format = &charFormat{bits: s.ByteSize, parity: s.Parity, long: s.StopBits > 0}
	}
	f := *m.format
	switch in.op {
	case opDataBits:
		f.bits = uint8(in.a)
	case opParity:
		f.parity = uint8(in.a)
	case opStopBits:
		f.long = in.a == 2
	}
	*m.format = f
	// The format as RAS writes it: stop bits 0 one, 1 one and a
	// half, 2 two.
	s := ras.CommSettings{ByteSize: f.bits, Parity: f.parity}
	switch {
	case f.long && f.bits == 5:
		s.StopBits = 1
	case f.long:
		s.StopBits = 2
	}
	err := m.dialog.SetComm(s)
	if errors.Is(err, errors.ErrUnsupported) {
		if m.log != nil {
			line, _ := m.prog.src.Place(int(in.pos))
			m.log.WarnContext(m.ctx, "scp: the port has no character format to set", "file", m.prog.src.Name(), "line", line, "command", commandNames[in.op])
		}
		return nil
	}
	return err
}
