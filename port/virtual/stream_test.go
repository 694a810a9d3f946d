package virtual_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// mustWrite writes s, all of which the port must take.
func mustWrite(t *testing.T, p *virtual.Port, s string) {
	t.Helper()
	if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write(%q) on %s = %d, %v; want %d, nil", s, p.Name(), n, err, len(s))
	}
}

// mustRead reads exactly the text want.
func mustRead(t *testing.T, p *virtual.Port, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if n, err := io.ReadFull(p, buf); err != nil || string(buf) != want {
		t.Fatalf("Read on %s = %q, %v; want %q", p.Name(), buf[:n], err, want)
	}
}

// wantErr checks the identity of an error.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
	var op *port.OpError
	if err != nil && !errors.As(err, &op) {
		t.Errorf("%s: error %#v is no *port.OpError", what, err)
	}
}

func TestErrorsNameThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.Names("modem", "server"))
		if a.Name() != "modem" || b.Name() != "server" {
			t.Errorf("names are %q and %q, want modem and server", a.Name(), b.Name())
		}
		a.SetReadDeadline(time.Now().Add(time.Second))
		_, err := a.Read(make([]byte, 1))
		if want := "read modem: i/o timeout"; err == nil || err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
	})
}

func TestDeadlineIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := virtual.Pair()
		for _, d := range []time.Duration{time.Nanosecond, 45 * time.Second, 1000 * time.Hour} {
			start := time.Now()
			a.SetReadDeadline(start.Add(d))
			_, err := a.Read(make([]byte, 1))
			wantErr(t, "Read", err, os.ErrDeadlineExceeded)
			if got := time.Since(start); got != d {
				t.Errorf("Read took %v, want %v", got, d)
			}
		}
	})
}

func TestFarDeadlineIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		a.SetReadDeadline(time.Unix(1<<40, 0))
		time.AfterFunc(time.Hour, func() { b.Write([]byte("x")) })
		mustRead(t, a, "x")
	})
}

func TestBufferBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.BufferSize(10))
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, 50))
		wantErr(t, "Write into full buffers", err, os.ErrDeadlineExceeded)
		if n != 20 {
			t.Errorf("Write took %d bytes, want 10 of the input buffer and 10 of the output queue", n)
		}
		if s, _ := b.Stats(); s.Received != 10 || s.Errors() != 0 {
			t.Errorf("stats of the receiver are %+v, want 10 bytes and no errors", s)
		}
	})
}

func TestLineSpeed(t *testing.T) {
	tests := []struct {
		mode string
		rate int
		n    int
		want time.Duration
	}{
		{"9600,8N1", 0, 960, time.Second},
		{"9600,8E2", 0, 800, time.Second},
		{"9600,7E1", 0, 960, time.Second},
		{"300,5N1.5", 0, 40, time.Second},
		{"115200,8N1", 1200, 120, time.Second},
		{"1,8N1", 0, 3, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := port.ParseMode(tt.mode)
				if err != nil {
					t.Fatal(err)
				}
				a, b := virtual.Pair(virtual.LineSpeed(tt.rate), virtual.Mode(m))
				start := time.Now()
				mustWrite(t, a, string(make([]byte, tt.n)))
				if took := time.Since(start); took != 0 {
					t.Errorf("Write took %v, want it to queue", took)
				}
				mustRead(t, b, string(make([]byte, tt.n)))
				got := time.Since(start)
				if off := (got - tt.want).Abs(); off > tt.want/1000 {
					t.Errorf("%d characters took %v, want %v", tt.n, got, tt.want)
				}
				if err := a.Drain(t.Context()); err != nil || time.Since(start) != got {
					t.Errorf("Drain ended after %v with %v, want %v", time.Since(start), err, got)
				}
			})
		})
	}
}

// TestSpeedUnderSlowReader shows that a line that stood still for want of room
// does not make up for it.
func TestSpeedUnderSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(10_000), virtual.BufferSize(100))
		go a.Write(make([]byte, 400))
		<-time.After(10 * time.Second)
		start := time.Now()
		mustRead(t, b, string(make([]byte, 400)))
		if got := time.Since(start); got < 297*time.Millisecond || got > 300*time.Millisecond {
			t.Errorf("300 characters that waited took %v, want 300ms less at most one for each stop", got)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.Delay(time.Second))
		start := time.Now()
		mustWrite(t, a, "one")
		<-time.After(300 * time.Millisecond)
		mustWrite(t, a, "two")
		for _, tt := range []struct {
			text string
			at   time.Duration
		}{{"one", time.Second}, {"two", 1300 * time.Millisecond}} {
			buf := make([]byte, 10)
			n, err := b.Read(buf)
			if string(buf[:n]) != tt.text || err != nil || time.Since(start) != tt.at {
				t.Errorf("Read = %q, %v after %v; want %q after %v", buf[:n], err, time.Since(start), tt.text, tt.at)
			}
		}
	})
}

// TestDeadlineWithinBurst shows that a deadline in the middle of characters
// that come one upon the other delivers those before it.
func TestDeadlineWithinBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(10)) // a character a second
		mustWrite(t, a, "abcdefgh")
		b.SetReadDeadline(time.Now().Add(3500 * time.Millisecond))
		got, err := io.ReadAll(b)
		wantErr(t, "Read", err, os.ErrDeadlineExceeded)
		if string(got) != "abc" {
			t.Errorf("3.5 seconds at a character a second gave %q, want \"abc\"", got)
		}
		b.SetReadDeadline(time.Time{})
		mustRead(t, b, "defgh")
	})
}

func TestFarClose(t *testing.T) {
	tests := []struct {
		name string
		opts []virtual.Option
		size int
	}{
		{"input buffer", nil, 100},
		{"input buffer and output queue", nil, 8192},
		{"slow line", []virtual.Option{virtual.LineSpeed(9600)}, 4000},
		{"far line", []virtual.Option{virtual.Delay(time.Second)}, 4000},
		{"held off", []virtual.Option{virtual.Mode(port.Mode{Flow: port.FlowRTSCTS})}, 4000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := virtual.Pair(tt.opts...)
				if tt.name == "held off" {
					b.SetLines(port.RTS, 0)
				}
				mustWrite(t, a, string(make([]byte, tt.size)))
				a.Close()
				_, err := b.Write([]byte("x"))
				wantErr(t, "Write after the peer closed", err, port.ErrCarrierLost)
				got, err := io.ReadAll(b)
				wantErr(t, "Read", err, port.ErrCarrierLost)
				if len(got) != tt.size {
					t.Errorf("%d bytes arrived, want all %d that were written before Close", len(got), tt.size)
				}
			})
		})
	}
}

func TestHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		mustWrite(t, a, "bye")
		b.HangUp()
		for _, p := range []*virtual.Port{a, b} {
			if l, err := p.Lines(); err != nil || l.Has(port.DCD) {
				t.Errorf("lines of %s after HangUp are %v, %v; want no DCD", p.Name(), l, err)
			}
			_, err := p.Write([]byte("x"))
			wantErr(t, "Write", err, port.ErrCarrierLost)
		}
		mustRead(t, b, "bye")
		_, err := b.Read(make([]byte, 1))
		wantErr(t, "Read", err, port.ErrCarrierLost)
		_, err = a.WaitLines(t.Context(), port.RI)
		wantErr(t, "WaitLines", err, port.ErrCarrierLost)

		a.Restore()
		mustWrite(t, a, "again")
		mustRead(t, b, "again")
		if l, _ := b.Lines(); !l.Has(port.DCD) {
			t.Errorf("lines after Restore are %v, want DCD", l)
		}
	})
}

func TestHangUpFreesBlockedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := map[string]func(p *virtual.Port) error{
			"Read":       func(p *virtual.Port) error { _, err := p.Read(make([]byte, 1)); return err },
			"Write":      func(p *virtual.Port) error { _, err := p.Write(make([]byte, 10_000)); return err },
			"WaitLines":  func(p *virtual.Port) error { _, err := p.WaitLines(t.Context(), port.RI); return err },
			"AwaitBreak": func(p *virtual.Port) error { _, err := p.AwaitBreak(t.Context(), 0); return err },
			"SendBreak":  func(p *virtual.Port) error { return p.SendBreak(t.Context(), time.Hour) },
		}
		for name, call := range calls {
			for _, hangUp := range []bool{true, false} {
				a, b := virtual.Pair()
				result := make(chan error)
				go func() { result <- call(a) }()
				synctest.Wait()
				if hangUp {
					a.HangUp()
				} else {
					b.Close()
				}
				wantErr(t, name, <-result, port.ErrCarrierLost)
			}
		}
	})
}

func TestUnplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		mustWrite(t, a, "to b")
		read := make(chan error)
		go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		a.Unplug()
		wantErr(t, "blocked Read", <-read, port.ErrRemoved)
		_, err := a.Write([]byte("x"))
		wantErr(t, "Write", err, port.ErrRemoved)
		_, err = a.Lines()
		wantErr(t, "Lines", err, port.ErrRemoved)
		wantErr(t, "Drain", a.Drain(t.Context()), port.ErrRemoved)

		mustRead(t, b, "to b")
		_, err = b.Read(make([]byte, 1))
		wantErr(t, "Read of the far end", err, port.ErrCarrierLost)
		a.Restore()
		_, err = b.Write([]byte("x"))
		wantErr(t, "Write of the far end", err, port.ErrCarrierLost)
		if err := a.Close(); err != nil {
			t.Errorf("Close after Unplug: %v", err)
		}
		_, err = a.Read(make([]byte, 1))
		wantErr(t, "Read after Close", err, net.ErrClosed)
	})
}

func TestUnplugLosesInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		mustWrite(t, b, "never read")
		a.Unplug()
		n, err := a.Read(make([]byte, 1))
		wantErr(t, "Read", err, port.ErrRemoved)
		if n != 0 {
			t.Errorf("Read after Unplug returned %d bytes, want none", n)
		}
	})
}

// TestAnySplit sends the same bytes in random parts over lines of all kinds.
func TestAnySplit(t *testing.T) {
	kinds := map[string][]virtual.Option{
		"plain":         nil,
		"tiny buffers":  {virtual.BufferSize(3)},
		"paced":         {virtual.LineSpeed(1_000_000)},
		"far":           {virtual.Delay(time.Millisecond)},
		"paced and far": {virtual.LineSpeed(100_000), virtual.Delay(70 * time.Microsecond), virtual.BufferSize(50)},
		"strict":        {virtual.StrictModes(), virtual.BufferSize(100)},
	}
	data := make([]byte, 5000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := virtual.Pair(opts...)
				cuts := make([]byte, 200)
				for i := range cuts {
					cuts[i] = byte(r.Uint32())
				}
				if got := carry(a, b, data, cuts); !bytes.Equal(got, data) {
					t.Errorf("%d bytes arrived, or others than the %d sent", len(got), len(data))
				}
			})
		})
	}
}

// carry sends data from a to b, in writes and reads whose sizes come from cuts,
// closes a and returns what arrives.
func carry(a, b *virtual.Port, data, cuts []byte) []byte {
	size := func(i int) int {
		if len(cuts) == 0 {
			return 64
		}
		return 1 + int(cuts[i%len(cuts)])
	}
	go func() {
		defer a.Close()
		for i := 0; len(data) > 0; i++ {
			n, err := a.Write(data[:min(len(data), size(2*i))])
			if err != nil {
				return
			}
			data = data[n:]
		}
	}()
	var got []byte
	buf := make([]byte, 256)
	for i := 0; ; i++ {
		n, err := b.Read(buf[:size(2*i+1)])
		got = append(got, buf[:n]...)
		if err != nil {
			return got
		}
	}
}

func FuzzAnySplit(f *testing.F) {
	f.Add([]byte("login: guest\r\nPassword:"), []byte{0, 255, 3}, uint16(5), uint32(9600), uint32(0))
	f.Add(bytes.Repeat([]byte{0xff, 0x7d, 0x23}, 300), []byte{1}, uint16(0), uint32(0), uint32(5000))
	f.Add([]byte{}, []byte{}, uint16(4096), uint32(115200), uint32(1))
	f.Fuzz(func(t *testing.T, data, cuts []byte, buffer uint16, rate, delay uint32) {
		data = data[:min(len(data), 1000)]
		synctest.Test(t, func(t *testing.T) {
			opts := []virtual.Option{virtual.BufferSize(int(buffer)), virtual.Delay(time.Duration(delay))}
			if rate > 0 {
				opts = append(opts, virtual.LineSpeed(int(rate%1_000_000)+1))
			}
			a, b := virtual.Pair(opts...)
			if got := carry(a, b, data, cuts); !bytes.Equal(got, data) {
				t.Errorf("got %q, want %q", got, data)
			}
			s, _ := b.Stats()
			if s.Received != uint64(len(data)) || s.Errors() != 0 {
				t.Errorf("stats after %d bytes: %+v", len(data), s)
			}
		})
	})
}

// TestConcurrentReadsShareAProcessor has reads wait for the same characters with one
// processor: the one that is due gets its turn, and the others do not wake each other
// until the scheduler interrupts them, which would take most of a minute.
func TestConcurrentReadsShareAProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair(virtual.LineSpeed(0))
		var reads sync.WaitGroup
		for range 3 {
			reads.Go(func() {
				buf := make([]byte, 500)
				for {
					if _, err := b.Read(buf); err != nil {
						return
					}
				}
			})
		}
		a.Write(make([]byte, 20_000))
		a.Drain(t.Context())
		synctest.Wait()
		b.Close()
		reads.Wait()
	})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the transfer took %v of real time", took)
	}
}
