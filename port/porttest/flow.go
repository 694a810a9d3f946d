package porttest

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
)

var flowChecks = []Check{
	{
		"XOFFStops",
		"under XON/XOFF flow control a received XOFF stops the output until an XON, and neither is read as data",
		func(e *env) {
			e.setFlow(e.a, port.FlowXONXOFF)
			e.sent(e.start("Write of an XOFF", func() (int, error) { return e.b.Write([]byte("x\x13y")) }), 3)
			e.expect(e.a, []byte("xy"), 2)
			// The write may queue bytes; none of them may arrive.
			w := e.start("Write after an XOFF", func() (int, error) { return e.a.Write([]byte("held")) })
			e.rest(e.b, brief)
			e.sent(e.start("Write of an XON", func() (int, error) { return e.b.Write([]byte("\x11")) }), 1)
			e.expect(e.b, []byte("held"), 4)
			e.sent(w, 4)
			e.rest(e.a, brief)
		},
	},
	{
		"RTSFollowsBuffer",
		"under RTS/CTS flow control the peer's CTS falls when the input is not read and the buffers are nearly full, and rises when they are read",
		func(e *env) {
			a, b := e.liner(e.a), e.liner(e.b)
			e.setFlow(e.a, port.FlowRTSCTS)
			e.setFlow(e.b, port.FlowRTSCTS)
			e.awaitLines(a, func(l port.Lines) bool { return l.Has(port.CTS) }, "the peer has opened")
			e.awaitLines(b, func(l port.Lines) bool { return l.Has(port.CTS) }, "the peer has opened")
			fell := e.start("WaitLines for the fall of CTS", func() (n int, err error) {
				l, err := a.WaitLines(context.Background(), port.CTS)
				return int(l & port.CTS), err
			})
			e.rest(e.a, brief)
			total := e.fill(e.a)
			if l, err := e.wait(fell); err != nil || l != 0 {
				e.fatalf("%s returned lines %v, %v; want CTS off", fell.what, port.Lines(l), err)
			}
			rose := e.start("WaitLines for the rise of CTS", func() (n int, err error) {
				l, err := a.WaitLines(context.Background(), port.CTS)
				return int(l & port.CTS), err
			})
			e.rest(e.a, brief)
			e.expect(e.b, pattern(0, total), 1000)
			if _, err := e.wait(rose); err != nil {
				e.fatalf("%s: %v", rose.what, err)
			}
			e.usable()
		},
	},
}

// setFlow sets the flow control of p, or skips the check if its line has none.
func (e *env) setFlow(p port.Port, f port.Flow) {
	e.t.Helper()
	if _, ok := p.(interface{ ignoresFlow() }); ok {
		e.skipf("this port's flow control works at the peer, which is declared")
	}
	m := e.moder(p)
	e.must("SetWriteDeadline", p.SetWriteDeadline(time.Now().Add(limit/2)))
	if err := m.SetMode(port.Mode{Flow: f}); errors.Is(err, errors.ErrUnsupported) {
		e.skipf("flow control %v: %v", f, err)
	} else if err != nil {
		e.fatalf("SetMode to flow control %v: %v", f, err)
	}
	e.must("SetWriteDeadline", p.SetWriteDeadline(time.Time{}))
}
