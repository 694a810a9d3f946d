package virtual_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func withFlow(f port.Flow) virtual.Option { return virtual.Mode(port.Mode{Flow: f}) }

// TestReadersDoNotDelayEachOther has a Read of one byte wait beside one of many:
// it gets its byte when that arrives.
func TestReadersDoNotDelayEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(300))
		const char = time.Second / 30
		begin := time.Now()
		took := make(chan time.Duration, 2)
		for _, size := range []int{1, 100} {
			go func() {
				b.Read(make([]byte, size))
				took <- time.Since(begin)
			}()
			synctest.Wait()
		}
		mustWrite(t, a, "0123456789abcdef")
		if first := <-took; first > char+time.Millisecond {
			t.Errorf("the first byte was read after %v, want %v", first, char)
		}
		<-took
	})
}

func TestXOFFStopsTheSender(t *testing.T) {
	for name, opts := range map[string][]virtual.Option{
		"no time":   {withFlow(port.FlowXONXOFF)},
		"slow":      {withFlow(port.FlowBoth), virtual.LineSpeed(1200)},
		"far apart": {withFlow(port.FlowXONXOFF), virtual.LineSpeed(9600), virtual.Delay(300 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := virtual.Pair(opts...)
				mustWrite(t, b, "x\x13y")
				mustRead(t, a, "xy")
				mustWrite(t, a, "hello")
				b.SetReadDeadline(time.Now().Add(time.Minute))
				if n, err := b.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("after an XOFF %d bytes arrived, %v", n, err)
				}
				b.SetReadDeadline(time.Time{})
				mustWrite(t, b, "\x11")
				mustRead(t, b, "hello")
				a.SetReadDeadline(time.Now().Add(time.Second))
				if n, err := a.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the XON was read as data: %d bytes, %v", n, err)
				}
			})
		})
	}
}

// TestXOFFStopsAtOnce: what has left when the XOFF arrives is all that arrives.
func TestXOFFStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(withFlow(port.FlowXONXOFF), virtual.LineSpeed(1200)) // 120 characters a second
		mustWrite(t, a, string(make([]byte, 600)))
		<-time.After(time.Second - 8*time.Millisecond)
		mustWrite(t, b, "\x13") // arrives at the second, to the millisecond
		<-time.After(10 * time.Second)
		if in, _, err := b.Queued(); err != nil || in < 119 || in > 121 {
			t.Errorf("%d bytes arrived, %v; want 120", in, err)
		}
		mustWrite(t, b, "\x11")
		mustRead(t, b, string(make([]byte, 600)))
	})
}

// TestXOFFIsDataToOthers: only the end that has the flow control obeys.
func TestXOFFIsDataToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		if err := b.SetMode(port.Mode{Flow: port.FlowXONXOFF}); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, b, "\x13\x11")
		mustRead(t, a, "\x13\x11")
		mustWrite(t, a, "\x13x") // b obeys
		mustRead(t, b, "x")
		mustWrite(t, b, "held")
		a.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := a.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("b sent although a had stopped it: %v", err)
		}
		a.SetReadDeadline(time.Time{})
		b.SetWriteDeadline(time.Now().Add(time.Second))
		if err := b.SetMode(port.Mode{Baud: 300}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the mode was set before the output had left: %v", err)
		}
		mustWrite(t, a, "\x11")
		mustRead(t, a, "held")
	})
}

// TestGivingUpXONXOFFFreesTheSender changes the flow control of an end that an
// XOFF has stopped.
func TestGivingUpXONXOFFFreesTheSender(t *testing.T) {
	for _, opts := range [][]virtual.Option{nil, {virtual.LineSpeed(1200)}} {
		synctest.Test(t, func(t *testing.T) {
			a, b := virtual.Pair(append(opts, withFlow(port.FlowXONXOFF))...)
			mustWrite(t, b, "\x13.")
			mustRead(t, a, ".")
			mustWrite(t, a, "held")
			if err := a.SetMode(port.Mode{Flow: port.FlowNone}); err != nil {
				t.Fatal(err)
			}
			mustRead(t, b, "held")
		})
	}
}

// TestRTSFollowsTheBuffer fills a buffer that is not read.
func TestRTSFollowsTheBuffer(t *testing.T) {
	for name, opts := range map[string][]virtual.Option{
		"no time": {virtual.BufferSize(100)},
		"slow":    {virtual.BufferSize(100), virtual.LineSpeed(1200)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := virtual.Pair(append(opts, withFlow(port.FlowRTSCTS))...)
				changed := make(chan port.Lines, 2)
				go func() {
					for range 2 {
						l, err := a.WaitLines(t.Context(), port.CTS)
						if err != nil {
							t.Error(err)
						}
						changed <- l
					}
				}()
				synctest.Wait()
				mustWrite(t, a, string(make([]byte, 90)))
				if l := <-changed; l.Has(port.CTS) {
					t.Errorf("lines %v; want CTS off", l)
				}
				if in, _, _ := b.Queued(); in != 75 {
					t.Errorf("%d bytes arrived before the sender stopped, want 75", in)
				}
				wantLines(t, b, port.DTR|port.CTS|port.DSR|port.DCD)
				synctest.Wait()
				mustRead(t, b, string(make([]byte, 90)))
				if l := <-changed; !l.Has(port.CTS) {
					t.Errorf("lines %v; want CTS on", l)
				}
				wantLines(t, b, port.Outputs|port.CTS|port.DSR|port.DCD)
			})
		})
	}
}

func TestDSRHoldsTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(withFlow(port.FlowDSRDTR))
		if err := b.SetLines(port.DTR, 0); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, a, "x")
		b.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a sent although DSR is off: %v", err)
		}
		b.SetReadDeadline(time.Time{})
		b.SetLines(port.DTR, port.DTR)
		mustRead(t, b, "x")
	})
}

// TestCarrierPolicy drops the peer's DTR, which is our DCD.
func TestCarrierPolicy(t *testing.T) {
	for policy, lost := range map[port.CarrierPolicy]bool{port.CarrierIgnore: false, port.CarrierWatch: true, port.CarrierRequire: true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := virtual.Pair(virtual.Carrier(policy))
			mustWrite(t, b, "last")
			read := make(chan error, 1)
			go func() {
				buf := make([]byte, 4)
				a.Read(buf)
				_, err := a.Read(buf)
				read <- err
			}()
			synctest.Wait()
			b.SetLines(port.DTR, 0)
			if !lost {
				mustWrite(t, b, "on")
				if err := <-read; err != nil {
					t.Errorf("without a policy: %v", err)
				}
				return
			}
			if err := <-read; !errors.Is(err, port.ErrCarrierLost) {
				t.Errorf("policy %d: %v, want %v", policy, err, port.ErrCarrierLost)
			}
			b.SetLines(port.DTR, port.DTR)
			if _, err := a.Write([]byte("x")); !errors.Is(err, port.ErrCarrierLost) {
				t.Errorf("policy %d: a write after the carrier came back: %v, want %v", policy, err, port.ErrCarrierLost)
			}
			if l, err := a.Lines(); err != nil || !l.Has(port.DCD) {
				t.Errorf("the lines cannot be read any more: %v, %v", l, err)
			}
		})
	}
}

func TestSetBreakHoldsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.BreakAsNUL())
		for range 2 { // the second changes nothing
			if err := a.SetBreak(true); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, a, "x")
		mustRead(t, b, "\x00")
		b.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a byte left during the break: %v", err)
		}
		b.SetReadDeadline(time.Time{})
		a.SetBreak(false)
		mustRead(t, b, "x")
		if s, err := b.Stats(); err != nil || s.Breaks != 1 {
			t.Errorf("%d breaks, %v; want 1", s.Breaks, err)
		}
	})
}
