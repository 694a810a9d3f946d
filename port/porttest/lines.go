package porttest

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
)

var lineChecks = []Check{
	{
		"UnsupportedIsSaid",
		"a method that the device cannot do returns an error that matches errors.ErrUnsupported, and the port can be used further",
		func(e *env) {
			for _, p := range e.both() {
				for _, call := range abilities(p) {
					e.doing("%s", call.name)
					ctx, cancel := within(brief)
					err := call.do(ctx)
					cancel()
					if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, context.DeadlineExceeded) {
						e.fatalf("%s: error %v; want nil or one that matches errors.ErrUnsupported", call.name, err)
					}
				}
			}
		},
	},
	{
		"ModeIsComplete",
		"Mode sets all fields",
		func(e *env) {
			m, err := e.moder(e.a).Mode()
			e.must("Mode", err)
			if m.Baud == 0 || m.DataBits == 0 || m.Parity == 0 || m.StopBits == 0 || m.Flow == 0 {
				e.fatalf("Mode returned %+v; want no zero field", m)
			}
			e.must("Validate of the mode", m.Validate())
		},
	},
	{
		"SetModeReadsBack",
		"after SetMode, Mode returns the fields that were set, and the others as they were; a zero Mode changes nothing",
		func(e *env) {
			m := e.moder(e.a)
			before, err := m.Mode()
			e.must("Mode", err)
			for _, set := range []port.Mode{{}, before, {Baud: 19200}, {DataBits: 7, Parity: port.ParityEven}, {Flow: port.FlowRTSCTS}, before} {
				want, _ := m.Mode()
				e.doing("SetMode(%v)", set)
				err := m.SetMode(set)
				if err == nil {
					want = set.Merge(want)
				} else if set == before || set == (port.Mode{}) {
					e.fatalf("SetMode(%v), which changes nothing: %v", set, err)
				}
				got, err := m.Mode()
				e.must("Mode", err)
				if err == nil && got != want && set.Merge(got) != got {
					e.fatalf("Mode after SetMode(%v) is %v, want %v", set, got, want)
				}
			}
			e.usable()
		},
	},
	{
		"SetModeRefuses",
		"SetMode with a value that no line has fails and changes nothing",
		func(e *env) {
			m := e.moder(e.a)
			before, err := m.Mode()
			e.must("Mode", err)
			for _, bad := range []port.Mode{{DataBits: 9}, {Baud: -1}, {Parity: 17}, {StopBits: 17}, {Flow: 17}} {
				e.doing("SetMode(%+v)", bad)
				if m.SetMode(bad) == nil {
					e.fatalf("SetMode(%+v) returned nil; want an error", bad)
				}
				if after, err := m.Mode(); err != nil || after != before {
					e.fatalf("Mode after a refused SetMode is %v, %v; want %v", after, err, before)
				}
			}
		},
	},
	{
		"LinesCross",
		"DTR arrives at the peer as DSR or DCD, and RTS as CTS",
		func(e *env) {
			a, b := e.liner(e.a), e.liner(e.b)
			for range 2 {
				for _, to := range []port.Lines{0, port.DTR, port.RTS, port.DTR | port.RTS} {
					e.must("SetLines", a.SetLines(port.Outputs, to))
					if l, err := a.Lines(); err != nil || l&port.Outputs != to {
						e.fatalf("Lines after SetLines(%v) are %v, %v", to, l, err)
					}
					e.awaitLines(b, func(l port.Lines) bool {
						return l.Has(port.CTS) == to.Has(port.RTS) && (l&(port.DSR|port.DCD) != 0) == to.Has(port.DTR)
					}, "the peer's DTR and RTS are "+to.String())
				}
				a, b = b, a
			}
			e.usable()
		},
	},
	{
		"SetLinesOutputsOnly",
		"SetLines sets DTR and RTS only; any other line is an error that matches errors.ErrUnsupported, and the lines outside its mask stay",
		func(e *env) {
			l := e.liner(e.a)
			if err := l.SetLines(port.CTS|port.DTR, port.CTS|port.DTR); !errors.Is(err, errors.ErrUnsupported) {
				e.fatalf("SetLines of CTS: error %v; want one that matches errors.ErrUnsupported", err)
			}
			e.must("SetLines", l.SetLines(port.Outputs, port.RTS))
			e.must("SetLines", l.SetLines(port.DTR, port.DTR|port.RTS))
			e.must("SetLines", l.SetLines(0, 0))
			if got, err := l.Lines(); err != nil || got&port.Outputs != port.Outputs {
				e.fatalf("Lines are %v, %v; want DTR and RTS", got, err)
			}
		},
	},
	{
		"WaitLinesSees",
		"WaitLines blocks until a line of its mask changes, and returns the lines after that",
		func(e *env) {
			a, b := e.liner(e.a), e.liner(e.b)
			e.awaitLines(b, func(l port.Lines) bool { return l.Has(port.CTS) }, "the peer has opened")
			var lines port.Lines
			w := e.start("WaitLines for CTS", func() (n int, err error) {
				lines, err = b.WaitLines(context.Background(), port.CTS)
				return 0, err
			})
			e.rest(e.a, brief)
			e.must("SetLines", a.SetLines(port.DTR, 0))
			e.rest(e.a, brief)
			e.running(w)
			e.must("SetLines", a.SetLines(port.RTS, 0))
			e.sent(w, 0)
			if lines.Has(port.CTS) {
				e.fatalf("WaitLines returned %v; want CTS cleared", lines)
			}
		},
	},
	{
		"WaitLinesCancel",
		"WaitLines ends with its context's error when that is cancelled, and the port can be used further",
		func(e *env) {
			l := e.liner(e.a)
			ctx, cancel := context.WithCancel(context.Background())
			w := e.start("WaitLines", func() (int, error) { _, err := l.WaitLines(ctx, port.RI); return 0, err })
			e.rest(e.a, brief)
			e.running(w)
			cancel()
			_, err := e.wait(w)
			e.isContext(w.what, err)
			e.usable()
		},
	},
	{
		"CloseFreesWaitLines",
		"Close ends a blocked WaitLines immediately with net.ErrClosed",
		func(e *env) {
			l := e.liner(e.a)
			w := e.start("WaitLines while the port is closed", func() (int, error) {
				_, err := l.WaitLines(context.Background(), port.RI)
				return 0, err
			})
			e.rest(e.a, brief)
			e.running(w)
			e.close(e.a)
			_, err := e.wait(w)
			e.isClosed(e.a, w.what, err)
		},
	},
}

// awaitLines waits until ok holds for the lines.
func (e *env) awaitLines(l port.LineController, ok func(port.Lines) bool, why string) {
	e.t.Helper()
	e.doing("waiting for the lines: %s", why)
	for begin := time.Now(); ; {
		lines, err := l.Lines()
		e.must("Lines", err)
		if ok(lines) {
			return
		}
		if time.Since(begin) > limit/2 {
			e.fatalf("lines are %v although %s", lines, why)
		}
		ctx, cancel := within(brief)
		l.WaitLines(ctx, port.Inputs)
		cancel()
	}
}
