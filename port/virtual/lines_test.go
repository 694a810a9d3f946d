package virtual_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// wantLines checks the lines of p.
func wantLines(t *testing.T, p *virtual.Port, want port.Lines) {
	t.Helper()
	if got, err := p.Lines(); got != want || err != nil {
		t.Errorf("lines of %s are %v, %v; want %v", p.Name(), got, err, want)
	}
}

func TestLinesCross(t *testing.T) {
	const in = port.DSR | port.DCD
	tests := []struct {
		name string
		do   func(a, b *virtual.Port)
		want port.Lines // at b
	}{
		{"at first", func(a, b *virtual.Port) {}, port.Outputs | in | port.CTS},
		{"far DTR cleared", func(a, b *virtual.Port) { a.SetLines(port.DTR, 0) }, port.Outputs | port.CTS},
		{"far RTS cleared", func(a, b *virtual.Port) { a.SetLines(port.RTS, port.DTR) }, port.Outputs | in},
		{"own outputs cleared", func(a, b *virtual.Port) { b.SetLines(port.Outputs, 0) }, in | port.CTS},
		{"ringing", func(a, b *virtual.Port) { a.Ring(true) }, port.Outputs | in | port.CTS | port.RI},
		{"no longer ringing", func(a, b *virtual.Port) { a.Ring(true); a.Ring(false) }, port.Outputs | in | port.CTS},
		{"a modem without carrier", func(a, b *virtual.Port) { a.Drive(port.DCD, 0) }, port.Outputs | port.DSR | port.CTS},
		{"a modem's lines do not follow DTR", func(a, b *virtual.Port) {
			a.Drive(port.DCD|port.DSR, port.DSR)
			a.SetLines(port.DTR, 0)
		}, port.Outputs | port.DSR | port.CTS},
		{"outputs cannot be driven", func(a, b *virtual.Port) { a.Drive(port.Outputs, 0) }, port.Outputs | in | port.CTS},
		{"far end closed", func(a, b *virtual.Port) { a.Drive(port.DCD, port.DCD); a.Close() }, port.Outputs},
		{"far end unplugged", func(a, b *virtual.Port) { a.Ring(true); a.Unplug() }, port.Outputs},
		{"hung up", func(a, b *virtual.Port) { b.HangUp() }, port.Outputs | port.DSR | port.CTS},
		{"nothing moves on a closed port", func(a, b *virtual.Port) { a.Close(); a.Ring(true); a.HangUp() }, port.Outputs},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := virtual.Pair()
			tt.do(a, b)
			wantLines(t, b, tt.want)
		})
	}
}

func TestSetLinesRefusesInputs(t *testing.T) {
	a, _ := virtual.Pair()
	err := a.SetLines(port.DTR|port.CTS|port.RI, 0)
	if err == nil || !strings.Contains(err.Error(), "CTS|RI cannot be set") {
		t.Errorf("SetLines of CTS and RI: %v; want an error that names them", err)
	}
	wantLines(t, a, port.Outputs|port.CTS|port.DSR|port.DCD)
}

func TestNoLines(t *testing.T) {
	a, b := virtual.Pair(virtual.NoLines(), virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}))
	_, err := a.Lines()
	wantErr(t, "Lines", err, errors.ErrUnsupported)
	wantErr(t, "SetLines", a.SetLines(port.DTR, 0), errors.ErrUnsupported)
	_, err = a.WaitLines(t.Context(), port.DCD)
	wantErr(t, "WaitLines", err, errors.ErrUnsupported)
	mustWrite(t, a, "no line holds this off")
	mustRead(t, b, "no line holds this off")
}

func TestWaitLinesMissesNoPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		got := make(chan port.Lines)
		go func() {
			l, err := b.WaitLines(t.Context(), port.RI)
			if err != nil {
				t.Errorf("WaitLines: %v", err)
			}
			got <- l
		}()
		synctest.Wait()
		a.SetLines(port.RTS, 0) // not what is awaited
		a.Ring(true)
		a.Ring(false)
		if l := <-got; l.Has(port.RI) || l.Has(port.CTS) {
			t.Errorf("WaitLines returned %v; want the lines after the pulse, without RI and CTS", l)
		}
	})
}

func TestWaitLinesEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(a, b *virtual.Port, cancel func())
		want error
	}{
		{"context", func(a, b *virtual.Port, cancel func()) { cancel() }, context.Canceled},
		{"Close", func(a, b *virtual.Port, cancel func()) { b.Close() }, net.ErrClosed},
		{"Unplug", func(a, b *virtual.Port, cancel func()) { b.Unplug() }, port.ErrRemoved},
		{"far Close", func(a, b *virtual.Port, cancel func()) { a.Close() }, port.ErrCarrierLost},
		{"HangUp", func(a, b *virtual.Port, cancel func()) { a.HangUp() }, port.ErrCarrierLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				a, b := virtual.Pair()
				result := make(chan error)
				go func() { _, err := b.WaitLines(ctx, port.RI|port.Outputs); result <- err }()
				synctest.Wait()
				tt.end(a, b, cancel)
				wantErr(t, "WaitLines", <-result, tt.want)
			})
		})
	}
}

// TestWaitLinesSeesTheEnd shows that the fall of an awaited line counts for
// more than the end that made it fall.
func TestWaitLinesSeesTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		time.AfterFunc(time.Second, func() { a.Close() })
		if l, err := b.WaitLines(t.Context(), port.DCD); err != nil || l.Has(port.DCD) {
			t.Errorf("WaitLines for DCD = %v, %v; want DCD cleared, no error", l, err)
		}
	})
}

func TestRTSCTSHoldsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(9600), virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}))
		b.SetLines(port.RTS, 0)
		mustWrite(t, a, "held")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		wantErr(t, "Drain of a line that is held off", a.Drain(ctx), context.DeadlineExceeded)
		if s, _ := b.Stats(); s.Received != 0 {
			t.Errorf("%d bytes arrived although CTS is off", s.Received)
		}
		start := time.Now()
		b.SetLines(port.RTS, port.RTS)
		mustRead(t, b, "held")
		if took := time.Since(start); took < 4*time.Millisecond {
			t.Errorf("4 characters took %v at 9600 bit/s after the hold", took)
		}
	})
}

func TestFlowNoneIgnoresCTS(t *testing.T) {
	a, b := virtual.Pair()
	b.SetLines(port.RTS, 0)
	mustWrite(t, a, "through")
	mustRead(t, b, "through")
}

func TestCloseWhileHeldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.Mode(port.Mode{Flow: port.FlowBoth}))
		a.Drive(port.DCD, 0)
		b.Drive(port.CTS, 0)
		mustWrite(t, a, "x")
		result := make(chan error, 2)
		go func() { result <- a.Drain(t.Context()) }()
		go func() { result <- a.SetMode(port.Mode{Baud: 300}) }()
		synctest.Wait()
		a.Close()
		for range 2 {
			wantErr(t, "call on a line that is held off", <-result, net.ErrClosed)
		}
	})
}
