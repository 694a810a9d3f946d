package guest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// TestLines drives every input of a UART through its loop-back.
func TestLines(t *testing.T) {
	inGuest(t)
	s := open(t, uart, nil)
	d := loop(t, uart)
	for _, c := range []struct {
		out  int
		want port.Lines
	}{
		{0, 0},
		{unix.TIOCM_RTS, port.RTS | port.CTS},
		{unix.TIOCM_DTR, port.DTR | port.DSR},
		{tiocmOut1, port.RI},
		{tiocmOut2, port.DCD},
		{outputs, port.Outputs | port.Inputs},
	} {
		d.set(c.out, outputs&^c.out)
		if got, err := s.Lines(); err != nil || got != c.want {
			t.Errorf("lines with outputs %#x: %v, %v, want %v", c.out, got, err, c.want)
		}
	}
}

const outputs = unix.TIOCM_RTS | unix.TIOCM_DTR | tiocmOut1 | tiocmOut2

// TestSetLines sets the outputs and sees them come back as inputs.
func TestSetLines(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "8N1,none"))
	d := loop(t, uart)
	d.set(0, tiocmOut1)
	for _, c := range []struct{ mask, values, want port.Lines }{
		{port.Outputs, 0, port.DCD},
		{port.DTR, port.Outputs, port.DTR | port.DSR | port.DCD},
		{port.RTS, port.RTS, port.Outputs | port.CTS | port.DSR | port.DCD},
		{port.DTR, port.RTS, port.RTS | port.CTS | port.DCD},
	} {
		must(t, s.SetLines(c.mask, c.values))
		if got, err := s.Lines(); err != nil || got != c.want {
			t.Errorf("SetLines(%v, %v): %v, %v, want %v", c.mask, c.values, got, err, c.want)
		}
	}
	if err := s.SetLines(port.CTS, port.CTS); err == nil {
		t.Error("SetLines of an input succeeded")
	}
}

// TestLinesAtOpenAndClose examines the UART's own register.
func TestLinesAtOpenAndClose(t *testing.T) {
	inGuest(t)
	const on = mcrDTR | mcrRTS
	for _, c := range []struct {
		name           string
		cfg            port.Config
		opened, closed byte
	}{
		{"hang up", port.Config{HangupOnClose: port.Assert}, on, 0},
		{"stay", port.Config{HangupOnClose: port.Clear}, on, on},
		{"clear at open", port.Config{DTR: port.Clear, RTS: port.Clear, HangupOnClose: port.Clear}, 0, 0},
		{"clear RTS at open", port.Config{RTS: port.Clear, HangupOnClose: port.Clear}, mcrDTR, mcrDTR},
		{"clear at close", port.Config{DTRAtClose: port.Clear, HangupOnClose: port.Clear}, on, mcrRTS},
		{"assert at close", port.Config{DTR: port.Clear, DTRAtClose: port.Assert, HangupOnClose: port.Clear}, mcrRTS, on},
		{"kernel has the last word", port.Config{DTRAtClose: port.Assert, HangupOnClose: port.Assert}, on, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, uart, &c.cfg)
			if got := register(t, uart, modemControl) & on; got != c.opened {
				t.Errorf("DTR and RTS when open: %#x, want %#x", got, c.opened)
			}
			must(t, s.Close())
			if got := register(t, uart, modemControl) & on; got != c.closed {
				t.Errorf("DTR and RTS when closed: %#x, want %#x", got, c.closed)
			}
		})
	}
}

// TestWaitLines waits on a UART whose driver has TIOCMIWAIT. Qemu raises no
// interrupt for a change in the loop-back, so it is the driver's own check
// the lines that finds it.
func TestWaitLines(t *testing.T) {
	inGuest(t)
	s := open(t, uart, mode(t, "8N1,none"))
	d := loop(t, uart)
	for _, c := range []struct {
		name string
		mask port.Lines
		bit  int
	}{
		{"CTS", port.CTS, unix.TIOCM_RTS},
		{"DSR", port.DSR, unix.TIOCM_DTR},
		{"DCD", port.DCD, tiocmOut2},
		{"RI", port.RI, tiocmOut1},
		{"RTS", port.RTS, unix.TIOCM_RTS},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.set(0, c.bit)
			w := waitLines(t, t.Context(), s, c.mask)
			began := time.Now()
			d.set(c.bit, 0)
			must(t, result(t, "WaitLines", w.err))
			t.Logf("seen after %v", time.Since(began))
			if !w.lines.Has(c.mask) {
				t.Errorf("lines %v, want %v among them", w.lines, c.mask)
			}
			noThread(t)
		})
	}
}

// TestWaitLinesEnds frees a wait that sits in TIOCMIWAIT, each way.
func TestWaitLinesEnds(t *testing.T) {
	inGuest(t)
	for _, name := range []string{uart, adapterPort(t)} {
		t.Run(name, func(t *testing.T) {
			s := open(t, name, nil)
			if name != uart {
				echo(t, s) // a USB driver hears of the lines with the first bytes
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			kept, dropped := waitLines(t, t.Context(), s, port.Inputs), waitLines(t, ctx, s, port.DCD)
			if n := threadsIn(unix.TIOCMIWAIT); n != 1 {
				t.Errorf("%d threads in TIOCMIWAIT for two waits, want 1", n)
			}
			began := time.Now()
			cancel()
			wantErr(t, "cancelled wait", result(t, "the cancelled wait", dropped.err), context.Canceled)
			t.Logf("cancelled after %v", time.Since(began))
			select {
			case err := <-kept.err:
				t.Fatalf("the other wait ended as well: %v", err)
			default:
			}
			began = time.Now()
			must(t, s.Close())
			wantErr(t, "wait at close", result(t, "the wait", kept.err), net.ErrClosed)
			t.Logf("closed after %v", time.Since(began))
			noThread(t)
		})
	}
}

// TestCloseIsNoChange closes a port under waits that examine the lines all the
// time, as they do for outputs. None may take the end for a change. The USB
// driver has to ask its device and so gives a Close time to come in between.
func TestCloseIsNoChange(t *testing.T) {
	inGuest(t)
	for range 5 {
		s := echoes(t, adapterPort(t))
		var waits []<-chan error
		for range 20 {
			waits = append(waits, start(func() error {
				_, err := s.WaitLines(t.Context(), port.Inputs|port.Outputs)
				return err
			}))
		}
		eventually(t, "a thread in TIOCMIWAIT", func() bool { return threadsIn(unix.TIOCMIWAIT) > 0 })
		must(t, s.Close())
		for _, w := range waits {
			wantErr(t, "WaitLines", result(t, "WaitLines", w), net.ErrClosed)
		}
	}
}

// A wait is a WaitLines in a goroutine. Its lines may be read after its error
// has come.
type wait struct {
	lines port.Lines
	err   <-chan error
}

// waitLines returns when the wait's thread is in TIOCMIWAIT.
func waitLines(t *testing.T, ctx context.Context, s *port.Serial, mask port.Lines) *wait {
	t.Helper()
	w := new(wait)
	w.err = start(func() (err error) {
		w.lines, err = s.WaitLines(ctx, mask)
		return err
	})
	eventually(t, "a thread in TIOCMIWAIT", func() bool { return threadsIn(unix.TIOCMIWAIT) > 0 })
	return w
}

// noThread fails the test if a thread is left in TIOCMIWAIT.
func noThread(t *testing.T) {
	t.Helper()
	if n := threadsIn(unix.TIOCMIWAIT); n != 0 {
		t.Errorf("%d threads left in TIOCMIWAIT", n)
	}
}

// TestBreak sees a break in the UART's register, and its end on every way out.
func TestBreak(t *testing.T) {
	inGuest(t)
	breaking := func() bool { return register(t, uart, lineControl)&lcrBreak != 0 }
	t.Run("whole", func(t *testing.T) {
		s := open(t, uart, nil)
		const length = 100 * time.Millisecond
		began := time.Now()
		done := start(func() error { return s.SendBreak(t.Context(), length) })
		eventually(t, "a break", breaking)
		must(t, result(t, "SendBreak", done))
		if took := time.Since(began); took < length {
			t.Errorf("a break of %v took %v", length, took)
		}
		if breaking() {
			t.Error("the line is still in a break")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		s := open(t, uart, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := start(func() error { return s.SendBreak(ctx, time.Hour) })
		eventually(t, "a break", breaking)
		cancel()
		wantErr(t, "SendBreak", result(t, "SendBreak", done), context.Canceled)
		if breaking() {
			t.Error("the line is still in a break")
		}
	})
	t.Run("closed", func(t *testing.T) {
		s := open(t, uart, nil)
		done := start(func() error { return s.SendBreak(t.Context(), time.Hour) })
		eventually(t, "a break", breaking)
		must(t, s.Close())
		wantErr(t, "SendBreak", result(t, "SendBreak", done), net.ErrClosed)
		if breaking() {
			t.Error("the line is still in a break")
		}
	})
}

// TestExclusive opens a port twice.
func TestExclusive(t *testing.T) {
	inGuest(t)
	for _, name := range []string{uart, adapterPort(t)} {
		s := open(t, name, nil)
		_, err := port.Open(t.Context(), name, nil)
		wantErr(t, "second open of "+name, err, port.ErrBusy)
		t.Log(err)
		must(t, s.Close())
		must(t, open(t, name, nil).Close())
	}
	d := rawOpen(t, uart)
	must(t, unix.IoctlSetInt(d.fd, unix.TIOCEXCL, 0))
	_, err := port.Open(t.Context(), uart, nil)
	wantErr(t, "open after somebody's TIOCEXCL", err, port.ErrBusy)
	if errors.Is(err, port.ErrBusy) {
		t.Log(err)
	}
	must(t, unix.IoctlSetInt(d.fd, unix.TIOCNXCL, 0))
	open(t, uart, nil)
}
