package scripttest

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
)

const defaultConnect = "CONNECT 115200"

// dial makes a call. The result is sent when the call has its outcome.
func (m *Modem) dial(text string) string {
	if m.call != nil {
		return "ERROR" // V.250: not while connected
	}
	if strings.HasSuffix(text, ";") {
		return "OK" // a voice call, which is not simulated
	}
	// The number without dial modifiers and punctuation.
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789ABC#*+", r) {
			return r
		}
		return -1
	}, text)
	if address := strings.TrimLeft(text, "TP"); m.cfg.Personality.Addresses && strings.ContainsAny(address, ".:") {
		number = strings.ToLower(address)
	}
	m.begin()
	answer, known := m.cfg.Numbers[number]
	switch {
	case known:
		m.apply(m.call, answer)
	case m.cfg.Dial != nil:
		// cfg.Dial has a goroutine of its own, which ends with the call.
		call := m.call
		ctx, cancel := context.WithCancel(m.ctx)
		stop := call.cancel
		call.cancel = func() { stop(); cancel() }
		m.group.Go(func() {
			answer := m.cfg.Dial(ctx, number)
			if !m.post(func() { m.apply(call, answer) }) && answer.Far != nil {
				answer.Far.Close()
			}
		})
	}
	return ""
}

// begin starts a call, which S7 ends.
func (m *Modem) begin() context.Context {
	ctx, cancel := context.WithCancel(m.ctx)
	m.call = &modemCall{cancel: cancel, finished: make(chan struct{})}
	m.mode = modeDialing
	m.call.untimed = m.after(time.Duration(m.regs[7])*time.Second, func() { m.fail("NO CARRIER") })
	return ctx
}

// apply applies an answer to a call, after its time.
func (m *Modem) apply(call *modemCall, a Answer) {
	if m.call != call {
		if a.Far != nil {
			a.Far.Close()
		}
		return
	}
	if a.After <= 0 {
		m.complete(call, a)
		return
	}
	m.group.Go(func() {
		t := time.NewTimer(a.After)
		defer t.Stop()
		select {
		case <-t.C:
		case <-call.finished:
		case <-m.stop:
		}
		if !m.post(func() { m.complete(call, a) }) && a.Far != nil {
			a.Far.Close()
		}
	})
}

// complete ends the setup of a call.
func (m *Modem) complete(call *modemCall, a Answer) {
	switch {
	case m.call != call:
		if a.Far != nil {
			a.Far.Close()
		}
	case a.Result != "":
		if a.Far != nil {
			a.Far.Close()
		}
		m.fail(a.Result)
	case a.Far != nil:
		m.connect(a)
	}
}

// fail ends a call that is being set up.
func (m *Modem) fail(result string) {
	m.hangUp()
	m.offHook = m.cfg.Personality.OffHook
	m.finish(result)
}

// connect asserts the carrier and starts the flow of data. The result is sent
// first, and DCD is on before it.
func (m *Modem) connect(a Answer) {
	c := m.call
	c.untimed()
	c.far, c.connect, c.budget = a.Far, a.Connect, a.DropAfter
	if c.connect == "" {
		c.connect = defaultConnect
	}
	if c.budget <= 0 {
		c.budget = -1
	}
	m.driveLines()
	m.finish(c.connect)
	m.goOnline()
	m.group.Go(func() { m.readFar(c) })
}

// readFar forwards what the peer sends to the terminal while the modem is online,
// and loses the carrier when the peer closes. connect starts it.
func (m *Modem) readFar(c *modemCall) {
	buf := make([]byte, 4096)
	for {
		n, err := c.far.Read(buf)
		// Data is accepted in online mode only, and not faster than the terminal
		// reads. Data of a call that is over is dropped.
		if n > 0 && !m.until(func() bool {
			b := buf[:n]
			if m.call != c {
				return true
			}
			if m.mode != modeOnline || m.late || len(m.out) >= outLimit {
				return false
			}
			if c.budget > 0 && len(b) >= c.budget {
				m.sendData(b[:c.budget])
				m.loseCarrier()
				return true
			}
			c.budget -= min(len(b), max(0, c.budget))
			m.sendData(b)
			return true
		}) {
			return
		}
		if n == 0 && err != nil {
			m.post(func() {
				if m.call == c {
					m.loseCarrier()
				}
			})
			return
		}
	}
}

// loseCarrier ends an established call because the peer or the line ended.
func (m *Modem) loseCarrier() {
	if !m.call.carrier() {
		return
	}
	m.hangUp()
	m.send(m.result("NO CARRIER"))
}

// hangUp ends the call, if there is one, without a result. An incoming call
// continues to ring.
func (m *Modem) hangUp() {
	m.dropCall()
	m.mode = modeCommand
	m.pluses = 0
	if m.guard != nil {
		m.guard()
		m.guard = nil
	}
	m.driveLines()
	m.notify()
}

// dropCall releases the resources of a call.
func (m *Modem) dropCall() {
	c := m.call
	if c == nil {
		return
	}
	m.call = nil
	c.cancel()
	c.untimed()
	close(c.finished)
	if c.far != nil {
		c.far.Close()
	}
}

// resume is O: it returns to online mode.
func (m *Modem) resume() string {
	if !m.call.carrier() {
		return "NO CARRIER"
	}
	switch result := cmp.Or(m.cfg.Personality.Online, m.call.connect); result {
	case NoResult:
		m.fault = Fault{}
	default:
		m.finish(result)
	}
	m.goOnline()
	return ""
}

// incoming is an incoming call.
type incoming struct {
	far  port.Port
	left int // rings that follow
}

// ring rings once: two seconds on, four off.
func (m *Modem) ring(r *incoming) {
	if m.ringing != r {
		return
	}
	if r.left--; r.left < 0 {
		m.dropRinging()
		return
	}
	m.regs[1]++
	m.send(m.result("RING"))
	m.driveLines()
	if m.regs[0] > 0 && m.regs[1] >= m.regs[0] {
		m.execute("A")
		return
	}
	m.after(2*time.Second, func() { m.setLines(false) })
	m.after(6*time.Second, func() { m.ring(r) })
}

func (m *Modem) dropRinging() {
	if m.ringing == nil {
		return
	}
	m.ringing.far.Close()
	m.ringing, m.regs[1] = nil, 0
	m.driveLines()
}

// answer is A: it answers the incoming call.
func (m *Modem) answer() string {
	switch {
	case m.call != nil:
		return "ERROR"
	case m.ringing == nil:
		return "NO CARRIER"
	}
	far := m.ringing.far
	m.ringing, m.regs[1] = nil, 0
	m.begin()
	m.connect(Answer{Far: far})
	return ""
}
