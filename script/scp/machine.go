package scp

import (
	"cmp"
	"context"
	"errors"
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
	stepsPerLook = 1024 // how often a run that never waits looks at its context
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
	stack    []value
	vars     []value
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
	format *format // nil before the first "set port"
}

func newMachine(ctx context.Context, p *Program, cfg *Config, call *ras.Call) *machine {
	m := &machine{
		ctx: ctx, prog: p, call: call,
		vars:      make([]value, len(p.slots)),
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
	return m
}

// bound returns the limit that a Config's field means. Products with the
// constants of this package do not overflow.
func bound(n, def int) int64 {
	if n < 0 {
		return math.MaxInt64 / 64
	}
	return int64(cmp.Or(n, def))
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
	d := time.Duration(seconds) * time.Second
	if m.screen != nil && m.screen.talking() {
		d = m.listen(d)
	}
	return m.dialog.Pause(m.ctx, d)
}

// maxHeard is how many bytes listen reads ahead.
const maxHeard = 32 << 10

// listen shows what is received in a pause in which the user talks to the peer,
// and gives it back for the next command. It returns what is left of the pause
// where it cannot read on; what ends the line is for the next command.
func (m *machine) listen(d time.Duration) (left time.Duration) {
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
	return max(0, time.Until(end))
}

// transmit sends a string. One that comes from the password is sent as a
// secret.
func (m *machine) transmit(v value, raw bool) error {
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
	line, _ := m.prog.src.Place(int(in.pos))
	return m.screen.halt(m.dialog, m.prog.src.Name(), line)
}

// failure gives an error its place in the script.
func (m *machine) failure(in instr, err error) error {
	line, col := m.prog.src.Place(int(in.pos))
	e := &script.RunError{
		File: m.prog.src.Name(), Line: line, Col: col,
		Op:   string(m.call.Mask([]byte(m.describe(in)))),
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
	text := strings.Join(strings.Fields(lint.Plain(m.prog.src.Text()[w.from:w.to], "")), " ")
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "..."
	}
	return "waitfor " + text
}

// value is a value of any type. A boolean is 0 or 1 in n.
type value struct {
	s      string
	n      int32
	secret bool // the string is made from the password
}

func boolean(b bool) value {
	if b {
		return value{n: 1}
	}
	return value{}
}

// heldPerString is how many times MaxString all strings may have together.
const heldPerString = 16

func (m *machine) push(v value) {
	m.held += int64(len(v.s))
	m.stack = append(m.stack, v)
}

func (m *machine) pop() value {
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	m.held -= int64(len(v.s))
	return v
}

func (m *machine) store(slot int32, v value) {
	m.held += int64(len(v.s) - len(m.vars[slot].s))
	m.vars[slot] = v
}

// load pushes the value that an instruction names.
func (m *machine) load(in instr) {
	switch in.op {
	case opInteger, opBoolean:
		m.push(value{n: in.a})
	case opString:
		m.push(value{s: m.prog.texts[in.a]})
	case opVariable:
		m.push(m.vars[in.a])
	case opUserID:
		m.push(value{s: m.user})
	case opPassword:
		m.push(value{s: m.password, secret: true})
	case opSuccess:
		m.push(boolean(m.success))
	case opFailure:
		m.push(boolean(!m.success))
	}
}

// operate replaces the operands of an operator by its result.
func (m *machine) operate(in instr) error {
	b := m.pop()
	switch in.op {
	case opNegate:
		return m.pushInteger(-int64(b.n))
	case opFlip:
		m.push(value{n: ^b.n})
		return nil
	case opNot:
		m.push(boolean(b.n == 0))
		return nil
	}
	a := m.pop()
	switch in.op {
	case opMultiply, opDivide, opAdd, opSubtract:
		return m.calculate(in.op, int64(a.n), int64(b.n))
	case opJoin:
		return m.join(a, b)
	}
	m.work += int64(len(a.s)+len(b.s)) / bytesPerWork
	m.push(boolean(compare(in.op, a, b)))
	return nil
}

func compare(o op, a, b value) bool {
	switch o {
	case opLess:
		return a.n < b.n
	case opGreater:
		return a.n > b.n
	case opLessEqual:
		return a.n <= b.n
	case opGreaterEqual:
		return a.n >= b.n
	case opEqual:
		return a.n == b.n
	case opNotEqual:
		return a.n != b.n
	case opSame:
		return a.s == b.s
	default:
		return a.s != b.s
	}
}

func (m *machine) calculate(o op, a, b int64) error {
	switch o {
	case opMultiply:
		return m.pushInteger(a * b)
	case opAdd:
		return m.pushInteger(a + b)
	case opSubtract:
		return m.pushInteger(a - b)
	}
	if b == 0 {
		return wrong("division by zero")
	}
	return m.pushInteger(a / b)
}

func (m *machine) pushInteger(n int64) error {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return wrong("the result %d is out of range: the language counts from -2147483648 to 2147483647", n)
	}
	m.push(value{n: int32(n)})
	return nil
}

// join pushes a and b as one string.
func (m *machine) join(a, b value) error {
	n := int64(len(a.s) + len(b.s))
	if n > m.maxString {
		return overLimit("a string would have %d bytes, more than %d", n, m.maxString)
	}
	if m.held+n > heldPerString*m.maxString {
		return overLimit("all strings together would have more than %d bytes", heldPerString*m.maxString)
	}
	m.work += n / bytesPerWork
	m.push(value{s: a.s + b.s, secret: a.secret || b.secret})
	return nil
}

// maxAwaited is how many bytes the texts of one waitfor may have together; the
// tables that look for them can take a kilobyte for each.
const maxAwaited = 8 << 10

// awaited holds the patterns that a waitfor made last, and of what.
type awaited struct {
	texts    []string
	patterns []script.Pattern
}

// waitfor waits for the texts on the stack.
func (m *machine) waitfor(in instr) error {
	site := &m.prog.waits[in.a]
	limit := int64(0)
	if site.until {
		limit = int64(m.pop().n)
	}
	patterns, err := m.patterns(in.a)
	if err != nil {
		return err
	}
	m.dialog.SetReadAhead(m.screen == nil && m.prog.sends[m.pc-1])
	match, err := m.await(site.until, limit, patterns)
	m.showAll()
	switch {
	case err == nil:
		m.success = true
		if len(match.Text) > 0 {
			m.waited()
		}
		if e := site.entries[match.Index]; e.target != next {
			m.pc = e.target
		}
	case site.until && m.expired(err):
		m.success = false
		if limit > 0 {
			m.waited()
		}
	default:
		return err
	}
	return nil
}

func (m *machine) await(until bool, seconds int64, p []script.Pattern) (script.Match, error) {
	if until && seconds <= 0 {
		return m.dialog.Poll(m.ctx, p...)
	}
	return m.dialog.WaitFor(m.ctx, time.Duration(seconds)*time.Second, p...)
}

// expired reports whether err means that the script's own limit passed, rather
// than one of the host's.
func (m *machine) expired(err error) bool {
	var t *script.TimeoutError
	return errors.As(err, &t) && !t.Idle && m.ctx.Err() == nil
}

// patterns takes the texts of a waitfor from the stack and returns what to look
// for, which is made anew only if a text has changed.
func (m *machine) patterns(number int32) ([]script.Pattern, error) {
	entries := m.prog.waits[number].entries
	values := m.stack[len(m.stack)-len(entries):]
	made := &m.made[number]
	if !made.of(values) {
		if err := m.compile(made, entries, values); err != nil {
			return nil, err
		}
	}
	for range entries {
		m.pop()
	}
	return made.patterns, nil
}

// of reports whether the patterns were made of these values.
func (a *awaited) of(values []value) bool {
	if len(a.texts) != len(values) {
		return false
	}
	for i, v := range values {
		if a.texts[i] != v.s {
			return false
		}
	}
	return true
}

func (m *machine) compile(a *awaited, entries []waitEntry, values []value) error {
	texts := make([]string, len(values))
	patterns := make([]script.Pattern, len(values))
	total := 0
	for i, v := range values {
		text := expand(v.s)
		if total += len(text); total > maxAwaited {
			return overLimit("the texts of a waitfor have more than %d bytes together", maxAwaited)
		}
		if v.secret {
			if err := m.hide(text); err != nil {
				return err
			}
		}
		texts[i], patterns[i] = v.s, pattern(text, entries[i].exact)
	}
	m.work += int64(total)
	a.texts, a.patterns = texts, patterns
	return nil
}

func pattern(text string, exact bool) script.Pattern {
	if exact {
		return script.Text(text)
	}
	return script.Fold(text)
}

// format is the character format in force. long means more than one stop bit:
// two, or one and a half with 5 data bits, which is what a UART makes of two.
type format struct {
	bits, parity uint8
	long         bool
}

// setPort changes one setting of the line and sets all three.
func (m *machine) setPort(in instr) error {
	if m.format == nil {
		m.format = m.currentFormat()
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
	err := m.dialog.SetComm(f.settings())
	if errors.Is(err, errors.ErrUnsupported) {
		// Log that the port has no settings to change.
		if m.log != nil {
			line, _ := m.prog.src.Place(int(in.pos))
			m.log.WarnContext(m.ctx, "scp: the port has no character format to set", "file", m.prog.src.Name(), "line", line, "command", commandNames[in.op])
		}
		return nil
	}
	return err
}

// currentFormat is what the port has, or 8N1 if it does not tell.
func (m *machine) currentFormat() *format {
	s := ras.SettingsOf(port.Mode{})
	if p, ok := m.call.Line().(port.ModeSetter); ok {
		if mode, err := p.Mode(); err == nil {
			s = ras.SettingsOf(mode)
		}
	}
	return &format{bits: s.ByteSize, parity: s.Parity, long: s.StopBits > 0}
}

// settings returns the format as RAS writes it: stop bits 0 one, 1 one and a
// half, 2 two.
func (f format) settings() ras.CommSettings {
	s := ras.CommSettings{ByteSize: f.bits, Parity: f.parity}
	switch {
	case f.long && f.bits == 5:
		s.StopBits = 1
	case f.long:
		s.StopBits = 2
	}
	return s
}
