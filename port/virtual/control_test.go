package virtual_test

import (
	"context"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func TestSetMode(t *testing.T) {
	a, b := virtual.Pair(virtual.Mode(port.Mode{Baud: 2400}))
	before, _ := b.Mode()
	if err := a.SetMode(port.Mode{DataBits: 7, Parity: port.ParityEven}); err != nil {
		t.Fatal(err)
	}
	if m, err := a.Mode(); m.String() != "2400,7E1,none" || err != nil {
		t.Errorf("Mode = %v, %v; want 2400,7E1,none", m, err)
	}
	if after, _ := b.Mode(); after != before {
		t.Errorf("the far end's mode became %v, want %v", after, before)
	}
	err := a.SetMode(port.Mode{DataBits: 9})
	if err == nil || !strings.Contains(err.Error(), "9 data bits") {
		t.Errorf("SetMode with 9 data bits: %v; want an error that says so", err)
	}
	if err := a.SetMode(port.Mode{StopBits: port.StopOneHalf}); err == nil {
		t.Error("SetMode joined 7 data bits with 1.5 stop bits; want an error")
	}
}

func TestPairPanicsOnBadMode(t *testing.T) {
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "9 data bits") {
			t.Errorf("Pair with 9 data bits: %q; want a panic that says so", v)
		}
	}()
	virtual.Pair(virtual.Mode(port.Mode{DataBits: 9}))
}

// TestSetModeWaits shows that what was written before leaves at the old speed.
func TestSetModeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := virtual.Pair(virtual.LineSpeed(0), virtual.Mode(port.Mode{Baud: 1200}))
		mustWrite(t, a, string(make([]byte, 120)))
		start := time.Now()
		if err := a.SetMode(port.Mode{Baud: 9600}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took.Round(time.Millisecond) != time.Second {
			t.Errorf("SetMode took %v, want the second that 120 characters take", took)
		}
	})
}

func TestSetModeObeysWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := virtual.Pair(virtual.LineSpeed(0), virtual.Mode(port.Mode{Baud: 1}))
		mustWrite(t, a, "slow")
		time.AfterFunc(time.Second, func() { a.SetWriteDeadline(time.Now().Add(time.Second)) })
		wantErr(t, "SetMode", a.SetMode(port.Mode{Baud: 9600}), os.ErrDeadlineExceeded)
		if m, _ := a.Mode(); m.Baud != 1 {
			t.Errorf("after a SetMode that timed out the bit rate is %d, want 1", m.Baud)
		}
	})
}

// TestSetModeEndsFlowControl holds the output off and gives flow control up: what
// was held leaves, and SetMode does not wait for it.
func TestSetModeEndsFlowControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.Mode(port.Mode{Flow: port.FlowRTSCTS}))
		if err := b.SetLines(port.RTS, 0); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, a, "held")
		if err := a.SetMode(port.Mode{Flow: port.FlowNone}); err != nil {
			t.Fatal(err)
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Errorf("Drain without flow control: %v", err)
		}
	})
}

func TestDrainEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(a, b *virtual.Port, cancel func())
		want error
	}{
		{"read by the far end", func(a, b *virtual.Port, _ func()) { io.CopyN(io.Discard, b, 5000) }, nil},
		{"discarded by the far end", func(a, b *virtual.Port, _ func()) { b.Discard(port.Input) }, nil},
		{"discarded here", func(a, b *virtual.Port, _ func()) { a.Discard(port.Output) }, nil},
		{"context", func(_, _ *virtual.Port, cancel func()) { cancel() }, context.Canceled},
		{"Close", func(a, _ *virtual.Port, _ func()) { a.Close() }, net.ErrClosed},
		{"far Close", func(_, b *virtual.Port, _ func()) { b.Close() }, port.ErrCarrierLost},
		{"Unplug", func(a, _ *virtual.Port, _ func()) { a.Unplug() }, port.ErrRemoved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				a, b := virtual.Pair()
				mustWrite(t, a, string(make([]byte, 5000)))
				result := make(chan error)
				go func() { result <- a.Drain(ctx) }()
				synctest.Wait()
				tt.end(a, b, cancel)
				if err := <-result; tt.want == nil && err != nil {
					t.Errorf("Drain: %v, want nil", err)
				} else if tt.want != nil {
					wantErr(t, "Drain", err, tt.want)
				}
			})
		})
	}
}

// TestDrainAfterStall drains a line that stood still until the peer read.
func TestDrainAfterStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(1000), virtual.BufferSize(100))
		go a.Write(make([]byte, 200))
		<-time.After(time.Minute)
		result := make(chan error)
		go func() { result <- a.Drain(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		mustRead(t, b, string(make([]byte, 100)))
		if err := <-result; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 990*time.Millisecond || took > time.Second {
			t.Errorf("100 characters drained in %v, want a second, less at most one character", took)
		}
	})
}

func TestDiscard(t *testing.T) {
	a, b := virtual.Pair(virtual.BufferSize(3))
	mustWrite(t, a, "abcdef")
	if err := b.Discard(port.Input); err != nil {
		t.Fatal(err)
	}
	mustRead(t, b, "def")
	mustWrite(t, a, "ghijkl")
	if err := a.Discard(port.Output); err != nil {
		t.Fatal(err)
	}
	mustRead(t, b, "ghi")
	mustWrite(t, a, "m")
	mustRead(t, b, "m")
}

func TestBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.BreakAsNUL(), virtual.LineSpeed(9600))
		mustWrite(t, a, "before")
		start := time.Now()
		time.AfterFunc(100*time.Millisecond, func() { a.Write([]byte("after")) })
		if err := a.SendBreak(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 250*time.Millisecond || took > 260*time.Millisecond {
			t.Errorf("SendBreak took %v, want 6 characters and 250ms", took)
		}
		if s, _ := b.Stats(); s.Breaks != 1 || s.Received != 7 {
			t.Errorf("stats at the end of the break are %+v; want 1 break and 7 bytes, those after it held", s)
		}
		mustRead(t, b, "before\x00after")
	})
}

func TestBreakEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, "SendBreak", a.SendBreak(ctx, time.Hour), context.DeadlineExceeded)
		mustWrite(t, a, "the line is back")
		mustRead(t, b, "the line is back")
		time.AfterFunc(time.Second, func() { a.Close() })
		wantErr(t, "SendBreak", a.SendBreak(t.Context(), time.Hour), net.ErrClosed)
	})
}

func TestAwaitBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		for i := range uint64(3) {
			go a.SendBreak(t.Context(), time.Second)
			if n, err := b.AwaitBreak(t.Context(), i); n != i+1 || err != nil {
				t.Fatalf("AwaitBreak(%d) = %d, %v; want %d", i, n, err, i+1)
			}
		}
		if n, err := b.AwaitBreak(t.Context(), 0); n != 3 || err != nil {
			t.Errorf("AwaitBreak for breaks that have been = %d, %v; want 3", n, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.AwaitBreak(ctx, 3)
		wantErr(t, "AwaitBreak", err, context.DeadlineExceeded)
		a.Close()
		_, err = b.AwaitBreak(t.Context(), 3)
		wantErr(t, "AwaitBreak", err, port.ErrCarrierLost)
	})
}

func TestOverrun(t *testing.T) {
	a, b := virtual.Pair(virtual.Overrun(), virtual.BufferSize(4))
	mustWrite(t, a, "abcdefgh")
	if s, _ := b.Stats(); s.Buffer != 4 || s.Received != 4 {
		t.Errorf("stats are %+v; want 4 characters received and 4 lost", s)
	}
	mustRead(t, b, "abcd")
	if err := a.SetMode(port.Mode{Flow: port.FlowRTSCTS}); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, a, "ijklmnop")
	mustRead(t, b, "ijklmnop")
}

func TestLoss(t *testing.T) {
	const size = 100_000
	a, b := virtual.Pair(virtual.Loss(0.1))
	go func() { a.Write(make([]byte, size)); a.Close() }()
	got, _ := io.ReadAll(b)
	if lost := float64(size-len(got)) / size; math.Abs(lost-0.1) > 0.01 {
		t.Errorf("%.3f of the characters were lost, want 0.1", lost)
	}
}

func TestNoise(t *testing.T) {
	const size, p = 50_000, 0.01
	run := func(seed uint64, cut int) (string, port.Stats) {
		m, _ := port.ParseMode("8E1")
		a, b := virtual.Pair(virtual.Noise(p), virtual.Seed(seed), virtual.Mode(m))
		go func() {
			for sent := 0; sent < size; sent += cut {
				a.Write(make([]byte, min(cut, size-sent)))
			}
			a.Close()
		}()
		got, _ := io.ReadAll(b)
		s, _ := b.Stats()
		return string(got), s
	}
	got, stats := run(1, size)
	near := func(what string, n uint64, want float64) {
		t.Helper()
		if math.Abs(float64(n)-want) > want/10 {
			t.Errorf("%d %s, want about %.0f", n, what, want)
		}
	}
	// A character has 11 bits. A start or stop bit that turns over is a framing
	// error; of the other 9, one alone is a parity error.
	near("framing errors", stats.Framing, size*2*p)
	near("parity errors", stats.Parity, size*9*p*math.Pow(1-p, 10))
	if want := size - len(got); stats.Framing < uint64(want) {
		t.Errorf("%d characters are missing, but %d framing errors", want, stats.Framing)
	}
	if again, s := run(1, 777); again != got || s != stats {
		t.Error("the same seed and bytes in other writes gave other faults")
	}
	if other, _ := run(2, size); other == got {
		t.Error("another seed gave the same faults")
	}
}

func TestNoiseEverywhere(t *testing.T) {
	a, b := virtual.Pair(virtual.Noise(1))
	mustWrite(t, a, "abc")
	if s, _ := b.Stats(); s.Framing != 3 || s.Received != 0 {
		t.Errorf("with every bit turned over stats are %+v, want 3 characters without a start bit", s)
	}
}

func TestProbabilitiesAreClamped(t *testing.T) {
	for _, p := range []float64{-1, math.NaN(), math.Inf(-1)} {
		a, b := virtual.Pair(virtual.Loss(p), virtual.Noise(p))
		mustWrite(t, a, "clean")
		mustRead(t, b, "clean")
	}
}

func TestStrictModes(t *testing.T) {
	tests := []struct {
		name, from, to string
		send, want     string
		framing        uint64
		parity         uint64
	}{
		{"the same", "9600,8N1", "9600,8N1", "login\xff", "login\xff", 0, 0},
		{"bits that the mode lacks", "9600,7E1", "9600,7E1", "\xe1b", "ab", 0, 0},
		{"7E1 read as 8N1 shows the parity bit", "9600,7E1", "9600,8N1", "ab", "\xe1\xe2", 0, 0},
		{"8N1 read as 7E1", "9600,8N1", "9600,7E1", "ac", "ac", 0, 1},
		{"odd read as even", "9600,8O1", "9600,8E1", "ab", "ab", 0, 2},
		{"mark read as space", "9600,7M1", "9600,7S1", "ab", "ab", 0, 2},
		{"space read as space", "9600,7S1", "9600,7S1", "ab", "ab", 0, 0},
		{"twice as fast", "19200,8N1", "9600,8N1", "\xaa", "\xf8", 0, 0},
		{"half as fast", "4800,8N1", "9600,8N1", "\x00", "\x00", 1, 0},
		{"stop bits do not matter", "9600,8N2", "9600,8N1", "ab", "ab", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, err := port.ParseMode(tt.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := port.ParseMode(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			a, b := virtual.Pair(virtual.StrictModes())
			if err := a.SetMode(from); err != nil {
				t.Fatal(err)
			}
			if err := b.SetMode(to); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, a, tt.send)
			mustRead(t, b, tt.want)
			if s, _ := b.Stats(); s.Framing != tt.framing || s.Parity != tt.parity {
				t.Errorf("%d framing and %d parity errors, want %d and %d", s.Framing, s.Parity, tt.framing, tt.parity)
			}
		})
	}
}
