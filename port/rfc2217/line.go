package rfc2217

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
)

// line is the shared port's line as one client sees and sets it: settings,
// modem lines, errors and breaks. What the port lacks, such as the bit rate of a
// network connection, is remembered and has no effect, for many clients go no
// further without an acknowledgement of the value that they requested.
type line struct {
	x *session

	outputs port.Lines // control's alone: of a port that has no lines

	breaking context.CancelFunc // control's alone: ends the break
	broken   chan struct{}      // control's alone: closed when the break has ended

	mu        sync.Mutex // guards what follows, and keeps notifications in order
	mode      port.Mode  // of a port that has none
	lineMask  byte
	modemMask byte
	inputs    port.Lines // as last notified
	notified  bool
	stats     port.Stats // as last notified
}

// maxBreak bounds a break that a client forgets to end.
const maxBreak = time.Minute

// noLinesState is the modem state of a port without modem lines, for clients
// that insist on one: what a null-modem cable shows.
const noLinesState = port.CTS | port.DSR | port.DCD

// reset empties the port's queues and sets its mode.
func (l *line) reset() error {
	if l.x.srv.KeepState {
		return nil
	}
	if d, ok := l.x.port.(port.Drainer); ok {
		if err := d.Discard(port.Input | port.Output); l.failed(err) {
			return portError("discard", err)
		}
	}
	want := l.x.srv.Mode.Merge(l.x.shared.mode)
	s, ok := l.x.port.(port.ModeSetter)
	if !ok || want == (port.Mode{}) {
		return nil
	}
	if now, err := s.Mode(); err == nil && now == want {
		return nil
	}
	// SetMode waits for output; there should be none.
	l.x.port.SetWriteDeadline(time.Now().Add(time.Second))
	err := s.SetMode(want)
	l.x.port.SetWriteDeadline(time.Time{})
	if l.failed(err) {
		return portError("set mode of", err)
	}
	return nil
}

// failed reports whether err is the end of the port.
func (l *line) failed(err error) bool {
	return errors.Is(err, port.ErrRemoved) || errors.Is(err, port.ErrCarrierLost)
}

func (l *line) setOutputs(v port.Lines) error {
	if c, ok := l.x.port.(port.LineController); ok && !l.x.srv.KeepLines {
		if err := c.SetLines(port.Outputs, v); l.failed(err) {
			return portError("set lines of", err)
		}
	}
	return nil
}

const (
	pieceChars = 512  // in pieces of which a driver makes room
	queueChars = 4096 // that a driver queues
)

// stallLimit returns the time after which a port that accepts nothing is taken
// to be stalled: base, and the time of some characters. A negative base is no
// limit.
func (l *line) stallLimit(base time.Duration, chars int) time.Duration {
	if base < 0 {
		return base
	}
	if s, ok := l.x.port.(port.ModeSetter); ok {
		if m, err := s.Mode(); err == nil && m.Baud > 0 {
			base += time.Duration(chars) * 10 * time.Second / time.Duration(m.Baud)
		}
	}
	return base
}

// watch notifies the client of changes until the session ends.
func (l *line) watch() {
	var wg sync.WaitGroup
	defer wg.Wait()
	kick := make(chan struct{}, 1)
	c, lines := l.x.port.(port.LineController)
	if lines {
		wg.Go(func() {
			// A port that cannot wait for its lines is polled.
			for {
				if _, err := c.WaitLines(l.x.ctx, port.Inputs); err != nil {
					return
				}
				post(kick)
			}
		})
	}
	var tick <-chan time.Time
	_, counts := l.x.port.(port.Counter)
	if lines || counts || l.x.srv.IdleTimeout > 0 {
		every := l.x.srv.Poll
		if every <= 0 {
			every = defaultPoll
		}
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-kick:
		case <-tick:
		case <-l.x.ctx.Done():
			return
		}
		if limit := l.x.srv.IdleTimeout; limit > 0 && time.Since(time.Unix(0, l.x.moved.Load())) >= limit {
			l.x.end(errIdle)
			return
		}
		l.report(false)
		l.reportErrors()
	}
}

// report sends NOTIFY-MODEMSTATE if an input has changed for which the client's
// mask has a bit, or if it is forced. The mask selects when the client is
// notified; the value has the levels of all lines.
func (l *line) report(force bool) {
	levels, ok := l.levels()
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	levels &= port.Inputs
	var changed port.Lines
	if l.notified {
		changed = levels ^ l.inputs
	}
	l.inputs, l.notified = levels, true
	v := modemState(levels, changed)
	if force || v&(l.modemMask>>4|l.modemMask)&0x0f != 0 {
		l.notify(cmdModemState, v)
	}
}

// reportNoLines sends the modem state of a null-modem cable if the port has no
// modem lines.
func (l *line) reportNoLines() {
	if _, ok := l.levels(); !ok {
		l.notify(cmdModemState, modemState(noLinesState, 0))
	}
}

// levels returns the lines of the port, if it has any.
func (l *line) levels() (port.Lines, bool) {
	c, ok := l.x.port.(port.LineController)
	if !ok {
		return 0, false
	}
	levels, err := c.Lines()
	return levels, err == nil
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

// command carries out a COM-PORT command that is not ordered with the data, and
// acknowledges it with the value that is in force then (RFC 2217, section 2).
// at is its place in what the client sent.
func (l *line) command(cmd byte, value []byte, at place) {
	switch cmd {
	case cmdBaud, cmdDataSize, cmdParity, cmdStopSize: // queries
		l.acknowledgeMode(cmd, value, l.currentMode())
	case cmdControl:
		l.control(value[0], at)
	case cmdLineMask, cmdModemMask:
		// Set the changes of which the client is notified, and acknowledge
		// the bits that are in force. A mask of modem lines is followed by their state.
		v := value[0]
		if cmd == cmdLineMask {
			v &= lineErrors
		}
		l.mu.Lock()
		if cmd == cmdLineMask {
			l.lineMask = v
			l.stats = l.counts()
		} else {
			l.modemMask = v
		}
		l.mu.Unlock()
		l.notify(cmd, v)
		if cmd == cmdModemMask && v != 0 {
			l.report(true)
		}
	case cmdModemState:
		if len(value) == 0 {
			l.reportNoLines()
		}
		l.report(true)
	case cmdLineState:
		l.notify(cmd, 0)
	}
}

// setMode carries out a command that sets a field of the mode, and acknowledges
// it. It reports false if ctx has ended before the port accepted the mode.
func (l *line) setMode(ctx context.Context, cmd byte, value []byte) bool {
	var m port.Mode
	switch cmd {
	case cmdBaud:
		rate, ok := parseBaud(value)
		if !ok {
			return true
		}
		m.Baud = int(rate)
	case cmdDataSize:
		m.DataBits = int(value[0])
	case cmdParity:
		m.Parity = port.Parity(value[0])
	case cmdStopSize:
		m.StopBits = stopBits(value[0])
	}
	l.changeMode(m)
	if ctx.Err() != nil {
		return false
	}
	l.acknowledgeMode(cmd, value, l.currentMode())
	return true
}

// changeMode sets what is not zero in m. That the port refuses something the
// client sees by the value that is acknowledged.
func (l *line) changeMode(m port.Mode) {
	if m == (port.Mode{}) {
		return
	}
	if s, ok := l.x.port.(port.ModeSetter); ok {
		if err := s.SetMode(m); !errors.Is(err, errors.ErrUnsupported) {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m = m.Merge(l.mode); m.Validate() == nil {
		l.mode = m
	}
}

// currentMode returns the mode in force.
func (l *line) currentMode() port.Mode {
	if s, ok := l.x.port.(port.ModeSetter); ok {
		if now, err := s.Mode(); err == nil {
			return now
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mode
}

// acknowledgeMode acknowledges cmd with its field of m. A bit rate is sent in
// the form in which the client has sent it.
func (l *line) acknowledgeMode(cmd byte, value []byte, m port.Mode) {
	switch cmd {
	case cmdBaud:
		if code := slices.Index(baudCodes[:], uint32(m.Baud)); len(value) == 1 && code >= 0 && m.Baud != 0 {
			l.x.tc.Send(appendByte(nil, cmdBaud+fromServer, byte(code))...)
			break
		}
		l.x.tc.Send(appendBaud(nil, cmdBaud+fromServer, uint32(m.Baud))...)
	case cmdDataSize:
		l.notify(cmd, byte(m.DataBits))
	case cmdParity:
		l.notify(cmd, byte(m.Parity))
	case cmdStopSize:
		l.notify(cmd, stopSize(m.StopBits))
	}
}

// control carries out a SET-CONTROL (RFC 2217, section 3). Flow control is the
// same in both directions, so the values for one alone only ask. Values that
// the RFC does not define are not acknowledged.
func (l *line) control(v byte, at place) {
	i, ok := controlItem(v)
	if !ok {
		return
	}
	switch i {
	case itemBreak:
		if v == ctlBreakOn && l.breaking == nil {
			l.beginBreak(at, maxBreak, func(begun bool) {
				// A break cannot begin if the port accepts none of the data
				// before it.
				if begun {
					l.notify(cmdControl, ctlBreakOn)
				} else {
					l.notify(cmdControl, ctlBreakOff)
				}
			})
			return
		}
		if v == ctlBreakOff {
			l.breakOff()
		}
		if l.breaking != nil {
			l.notify(cmdControl, ctlBreakOn)
		} else {
			l.notify(cmdControl, ctlBreakOff)
		}
	case itemDTR:
		l.notify(cmdControl, l.setOutput(port.DTR, v, ctlDTROn, ctlDTROff))
	case itemRTS:
		l.notify(cmdControl, l.setOutput(port.RTS, v, ctlRTSOn, ctlRTSOff))
	case itemFlowIn:
		l.notify(cmdControl, flowControl(l.currentMode().Flow)+ctlInboundShift)
	case itemFlow:
		if v >= ctlFlowNone && v <= ctlFlowRTS {
			l.x.clearStepDeadline() // of a port that waits for its output all the same
			l.changeMode(port.Mode{Flow: flowOf(v)})
		}
		l.notify(cmdControl, flowControl(l.currentMode().Flow))
	}
}

// setOutput sets or asks for one output line and returns the acknowledgement.
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

// breakStall is how long a break waits for a port that accepts no data.
const breakStall = 500 * time.Millisecond

// beginBreak begins a break after the data before it, that lasts for d, until
// breakOff, which waits for its goroutine, or the end of the session. It calls begun
// when the break begins or cannot begin.
func (l *line) beginBreak(at place, d time.Duration, begun func(ok bool)) {
	ctx, cancel := context.WithCancel(l.x.ctx)
	done := make(chan struct{})
	l.breaking, l.broken = cancel, done
	go func() {
		defer close(done)
		l.x.startSteps()
		err := l.x.queue.awaitDone(ctx, at, l.stallLimit(breakStall, pieceChars))
		l.x.endSteps()
		if d, ok := l.x.port.(port.Drainer); ok && err == nil {
			// The port waits for its own queue before a break, and begins none
			// that the client has ended by then.
			limit, cancel := context.WithTimeout(ctx, l.stallLimit(breakStall, queueChars))
			if d.Drain(limit); limit.Err() != nil {
				err = limit.Err()
			}
			cancel()
		}
		begun(err == nil)
		if b, ok := l.x.port.(port.Breaker); ok && err == nil {
			b.SendBreak(ctx, d)
		}
	}()
}

func (l *line) breakOff() {
	if l.breaking != nil {
		l.breaking()
		<-l.broken
		l.breaking = nil
	}
}
