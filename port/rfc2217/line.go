package rfc2217

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
)

// line is the shared port's line as one client sees and sets it: settings,
// modem lines, errors and breaks. What the port lacks, such as the bit rate of a
// network connection, is remembered and has no effect, for many clients go no
// further without an acknowledgement of the value that they asked for.
type line struct {
	x *session

	breaking context.CancelFunc // execute's alone: ends the break
	broken   chan struct{}      // closed when the break has ended
	mode     port.Mode          // execute's alone: of a port that has none
	outputs  port.Lines         // execute's alone: of a port that has no lines

	mu        sync.Mutex // guards what follows, and keeps notifications in command
	lineMask  byte
	modemMask byte
	inputs    port.Lines // as last told
	told      bool
	stats     port.Stats // as last told
}

// maxBreak bounds a break that a client forgets to end.
const maxBreak = time.Minute

// raise asserts DTR and RTS for a new client.
func (l *line) raise() {
	l.mode = port.Mode{Baud: 9600, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone}
	l.outputs = port.Outputs
	l.stats = l.counts()
	l.setOutputs(port.Outputs)
}

// drop clears them when it has gone.
func (l *line) drop() { l.setOutputs(0) }

func (l *line) setOutputs(v port.Lines) {
	if c, ok := l.x.port.(port.LineController); ok && !l.x.srv.KeepLines {
		c.SetLines(port.Outputs, v)
	}
}

// watch notifies the client of changes until the session ends.
func (l *line) watch() {
	var wg sync.WaitGroup
	defer wg.Wait()
	kick := make(chan struct{}, 1)
	if c, ok := l.x.port.(port.LineController); ok {
		wg.Go(func() { l.wait(c, kick) })
	}
	tick, stop := l.ticks()
	defer stop()
	for {
		select {
		case <-kick:
		case <-tick:
		case <-l.x.ctx.Done():
			return
		}
		if l.x.idle() {
			l.x.end(errIdle)
			return
		}
		l.report(false)
		l.reportErrors()
	}
}

// ticks returns the clock of watch, which stands still if nothing is to be
// looked at.
func (l *line) ticks() (<-chan time.Time, func()) {
	_, lines := l.x.port.(port.LineController)
	_, counts := l.x.port.(port.Counter)
	if !lines && !counts && l.x.srv.IdleTimeout <= 0 {
		return nil, func() {}
	}
	every := l.x.srv.Poll
	if every <= 0 {
		every = defaultPoll
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// wait kicks at every change of an input. It ends early on a port that cannot
// wait, which is polled.
func (l *line) wait(c port.LineController, kick chan struct{}) {
	for {
		if _, err := c.WaitLines(l.x.ctx, port.Inputs); err != nil {
			return
		}
		post(kick)
	}
}

// report sends NOTIFY-MODEMSTATE if an input has changed that the client's mask
// has, or if it is forced.
func (l *line) report(force bool) {
	c, ok := l.x.port.(port.LineController)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	levels, err := c.Lines()
	if err != nil {
		return
	}
	levels &= port.Inputs
	var changed port.Lines
	if l.told {
		changed = levels ^ l.inputs
	}
	l.inputs, l.told = levels, true
	v := modemState(levels, changed)
	if force || v&(l.modemMask>>4|l.modemMask)&0x0f != 0 {
		l.notify(cmdModemState, v&l.modemMask)
	}
}

// reportErrors sends NOTIFY-LINESTATE if errors or breaks have been counted that
// the client's mask has.
func (l *line) reportErrors() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lineMask == 0 {
		return
	}
	now := l.counts()
	var v byte
	for _, c := range []struct {
		bit         byte
		before, now uint64
	}{
		{lineOverrun, l.stats.Overrun + l.stats.Buffer, now.Overrun + now.Buffer},
		{lineParity, l.stats.Parity, now.Parity},
		{lineFraming, l.stats.Framing, now.Framing},
		{lineBreak, l.stats.Breaks, now.Breaks},
	} {
		if c.now != c.before {
			v |= c.bit
		}
	}
	l.stats = now
	if v &= l.lineMask; v != 0 {
		l.notify(cmdLineState, v)
	}
}

// notify sends a command of one byte if the client speaks COM-PORT.
func (l *line) notify(cmd, v byte) {
	if l.x.comPort.Load() {
		l.x.tc.Send(appendByte(nil, cmd+fromServer, v)...)
	}
}

func (l *line) counts() port.Stats {
	if c, ok := l.x.port.(port.Counter); ok {
		if s, err := c.Stats(); err == nil {
			return s
		}
	}
	return port.Stats{}
}

// command carries out a COM-PORT command and acknowledges it with the value
// that is in force then (RFC 2217, section 2).
func (l *line) command(cmd byte, value []byte) {
	switch cmd {
	case cmdBaud:
		if rate, ok := parseBaud(value); ok {
			m := l.setMode(port.Mode{Baud: int(rate)})
			l.x.tc.Send(appendBaud(nil, cmdBaud+fromServer, uint32(m.Baud))...)
		}
	case cmdDataSize:
		l.notify(cmd, byte(l.setMode(port.Mode{DataBits: int(value[0])}).DataBits))
	case cmdParity:
		l.notify(cmd, byte(l.setMode(port.Mode{Parity: port.Parity(value[0])}).Parity))
	case cmdStopSize:
		l.notify(cmd, stopSize(l.setMode(port.Mode{StopBits: stopBits(value[0])}).StopBits))
	case cmdControl:
		l.notify(cmd, l.control(value[0]))
	case cmdLineMask, cmdModemMask:
		l.mask(cmd, value[0])
	case cmdModemState:
		l.report(true)
	case cmdLineState:
		l.notify(cmd, 0)
	case cmdPurge:
		l.purge(value[0])
	}
}

// setMode sets what is not zero in m and returns what is in force. That the
// port refuses something the client sees by the value.
func (l *line) setMode(m port.Mode) port.Mode {
	s, ok := l.x.port.(port.ModeSetter)
	if ok && m != (port.Mode{}) {
		s.SetMode(m)
	}
	if ok {
		if now, err := s.Mode(); err == nil {
			return now
		}
	}
	if m = m.Merge(l.mode); m.Validate() == nil {
		l.mode = m
	}
	return l.mode
}

// control carries out a SET-CONTROL (RFC 2217, section 3) and returns the
// acknowledgement. Flow control is the same in both directions, so the values
// for one alone only ask.
func (l *line) control(v byte) byte {
	switch i, _ := controlItem(v); i {
	case itemBreak:
		return l.setBreak(v)
	case itemDTR:
		return l.setOutput(port.DTR, v, ctlDTROn, ctlDTROff)
	case itemRTS:
		return l.setOutput(port.RTS, v, ctlRTSOn, ctlRTSOff)
	case itemFlowIn:
		return flowControl(l.setMode(port.Mode{}).Flow) + ctlInboundShift
	}
	var m port.Mode
	if v >= ctlFlowNone && v <= ctlFlowRTS {
		m.Flow = flowOf(v)
	}
	return flowControl(l.setMode(m).Flow)
}

// setOutput sets or asks for one output line.
func (l *line) setOutput(which port.Lines, v, on, off byte) byte {
	var want port.Lines
	if v == on {
		want = which
	}
	if v == on || v == off {
		l.outputs = l.outputs.With(which, want)
	}
	now := l.outputs
	if c, ok := l.x.port.(port.LineController); ok {
		if v == on || v == off {
			c.SetLines(which, want)
		}
		if have, err := c.Lines(); err == nil {
			now = have
		}
	}
	if now.Has(which) {
		return on
	}
	return off
}

func (l *line) setBreak(v byte) byte {
	switch {
	case v == ctlBreakOn:
		l.breakOn()
	case v == ctlBreakOff:
		l.breakOff()
	}
	if l.breaking != nil {
		return ctlBreakOn
	}
	return ctlBreakOff
}

// breakOn begins a break that lasts until breakOff, or the end of the session.
func (l *line) breakOn() {
	if l.breaking != nil {
		return
	}
	ctx, cancel := context.WithCancel(l.x.ctx)
	done := make(chan struct{})
	l.breaking, l.broken = cancel, done
	go func() {
		defer close(done)
		l.sendBreak(ctx, maxBreak)
	}()
}

func (l *line) breakOff() {
	if l.breaking != nil {
		l.breaking()
		<-l.broken
		l.breaking = nil
	}
}

// shortBreak answers the BRK of a plain Telnet client.
func (l *line) shortBreak(ctx context.Context) error {
	l.breakOff()
	l.sendBreak(ctx, 0)
	return nil
}

// sendBreak sends a break if the port can.
func (l *line) sendBreak(ctx context.Context, d time.Duration) {
	if b, ok := l.x.port.(port.Breaker); ok {
		b.SendBreak(ctx, d)
	}
}

// mask sets which changes the client wants to hear of.
func (l *line) mask(cmd, v byte) {
	l.mu.Lock()
	if cmd == cmdLineMask {
		l.lineMask = v & lineErrors
		l.stats = l.counts()
	} else {
		l.modemMask = v
	}
	l.mu.Unlock()
	l.notify(cmd, v)
	if cmd == cmdModemMask {
		l.report(true)
	}
}

// purge empties the port's queues. What was waiting for the port is gone since
// the purge came in.
func (l *line) purge(v byte) {
	if v > purgeInput|purgeOutput {
		return
	}
	l.x.resume() // an interruption may have come late
	if err := l.discard(port.Direction(v)); err == nil || errors.Is(err, errors.ErrUnsupported) {
		l.notify(cmdPurge, v)
	}
}

func (l *line) discard(d port.Direction) error {
	if p, ok := l.x.port.(port.Drainer); ok {
		return p.Discard(d)
	}
	return nil
}
