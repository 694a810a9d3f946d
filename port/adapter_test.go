//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.bug.st/serial"
)

// fakeLib stands in for the library. Its calls block, as the library's do: a
// Read until there is input, a Write and a Drain until the output is let go or
// discarded.
type fakeLib struct {
	serial.Port // what a test does not use panics

	mu     sync.Mutex
	cond   *sync.Cond
	input  []byte
	fail   error
	held   bool
	sent   []byte
	asked  []int
	closed bool
	reads  int  // under way
	early  bool // Close was called with one of them under way
	limit  time.Duration
	breaks []time.Duration
	modes  []serial.Mode
}

func newFakeLib() *fakeLib {
	f := new(fakeLib)
	f.cond = sync.NewCond(&f.mu)
	return f
}

// do changes the state and wakes all blocked calls.
func (f *fakeLib) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.cond.Broadcast()
}

func (f *fakeLib) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, len(b))
	f.reads++
	defer func() { f.reads-- }()
	late := false
	timer := time.AfterFunc(f.limit, func() { f.do(func() { late = true }) })
	defer timer.Stop()
	for len(f.input) == 0 && f.fail == nil && !f.closed && !late {
		f.cond.Wait()
	}
	if len(f.input) == 0 {
		if f.closed {
			return 0, errors.New("closed")
		}
		return 0, f.fail
	}
	n := copy(b, f.input)
	f.input = f.input[n:]
	return n, nil
}

func (f *fakeLib) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.held && f.fail == nil {
		f.cond.Wait()
	}
	if f.fail != nil {
		return 0, f.fail
	}
	f.sent = append(f.sent, b...)
	return len(b), nil
}

func (f *fakeLib) Drain() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.held {
		f.cond.Wait()
	}
	return nil
}

func (f *fakeLib) Break(d time.Duration) error {
	f.do(func() { f.breaks = append(f.breaks, d) })
	<-time.After(d)
	return nil
}

func (f *fakeLib) SetMode(m *serial.Mode) error {
	f.do(func() { f.modes = append(f.modes, *m) })
	return nil
}

func (f *fakeLib) ResetInputBuffer() error  { f.do(func() { f.input = nil }); return nil }
func (f *fakeLib) ResetOutputBuffer() error { f.do(func() { f.held = false }); return nil }
func (f *fakeLib) Close() error {
	f.do(func() { f.closed, f.early = true, f.reads > 0 })
	return nil
}

func (f *fakeLib) SetReadTimeout(d time.Duration) error { f.limit = d; return nil }

// withFake runs a test on fake time with an adapter over a fake library.
func withFake(t *testing.T, test func(t *testing.T, f *fakeLib, s *Serial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeLib()
		a := newAdapter(f, "COM3")
		a.mode = firstMode
		s := &Serial{name: "COM3", dev: a}
		defer s.Close()
		test(t, f, s)
	})
}

// TestAdapterEndsItsReadBeforeClose: the library's Close closes the descriptor before
// it ends a Read, which could read from another file that has got the number.
func TestAdapterEndsItsReadBeforeClose(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		s.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent read: %d, %v", n, err)
		}
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); f.early || took > readTick {
			t.Errorf("closed after %v, and with a Read under way: %v", took, f.early)
		}
	})
}

func TestAdapterKeepsWhatALateReadGot(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		s.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := s.Read(make([]byte, 100)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent read: %d, %v", n, err)
		}
		f.do(func() { f.input = []byte("hello") })
		synctest.Wait()
		s.SetReadDeadline(time.Time{})
		b := make([]byte, 2)
		for _, want := range []string{"he", "ll", "o"} {
			if n, err := s.Read(b); string(b[:n]) != want || err != nil {
				t.Fatalf("read %q, %v; want %q", b[:n], err, want)
			}
		}
	})
}

func TestAdapterReadsOnlyWhatIsAskedFor(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		f.do(func() { f.input = []byte("abcdef") })
		synctest.Wait()
		if len(f.asked) != 0 {
			t.Fatalf("the library was asked for %v bytes before any Read", f.asked)
		}
		if _, err := s.Read(make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(f.asked) != 1 || f.asked[0] != 3 || string(f.input) != "def" {
			t.Errorf("asked for %v, %q left; want one read of 3", f.asked, f.input)
		}
	})
}

func TestAdapterWriteThatIsHeldOff(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		f.do(func() { f.held = true })
		s.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := s.Write(make([]byte, 3*writePiece))
		if n != writePiece || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %d, %v; want the piece under way and a deadline", n, err)
		}
		if n, err := s.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the next write: %d, %v; want nothing and a deadline", n, err)
		}
		s.SetWriteDeadline(time.Time{})
		f.do(func() { f.held = false })
		if n, err := s.Write([]byte("after")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if len(f.sent) != writePiece+5 {
			t.Errorf("%d bytes were sent, want %d", len(f.sent), writePiece+5)
		}
	})
}

func TestAdapterCloseFreesEverything(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		f.do(func() { f.held = true })
		calls := []func() error{
			func() error { _, err := s.Read(make([]byte, 1)); return err },
			func() error { _, err := s.Write(make([]byte, 10_000)); return err },
			func() error { _, err := s.Write(make([]byte, 10_000)); return err },
			func() error { return s.Drain(context.Background()) },
			func() error { return s.SetMode(Mode{Baud: 300}) },
		}
		results := make(chan error, len(calls))
		for _, call := range calls {
			go func() { results <- call() }()
		}
		synctest.Wait()
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for range calls {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want net.ErrClosed", err)
			}
		}
		if took := time.Since(start); took > 2*freeBound {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestAdapterReportsAFailureThatNobodyWaitedFor(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		f.do(func() { f.held = true })
		s.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := s.Write([]byte("taken")); n != 5 || err != nil {
			t.Fatalf("got %d, %v; want all bytes taken", n, err)
		}
		s.SetWriteDeadline(time.Time{})
		broken := errors.New("broken")
		f.do(func() { f.fail = broken })
		synctest.Wait()
		if _, err := s.Write([]byte("x")); !errors.Is(err, broken) {
			t.Errorf("the next write: %v, want the failure of the one before", err)
		}
	})
}

func TestAdapterReadErrorComesAfterTheBytes(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		broken := errors.New("broken")
		f.do(func() { f.input, f.fail = []byte("last"), broken })
		b := make([]byte, 10)
		if n, err := s.Read(b); string(b[:n]) != "last" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		for range 2 {
			if n, err := s.Read(b); n != 0 || !errors.Is(err, broken) {
				t.Errorf("then %d, %v; want the error", n, err)
			}
		}
	})
}

func TestAdapterBreakBlocksWrites(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.SendBreak(ctx, 3*time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("got %v after %v, want the context's end", err, time.Since(start))
		}
		if _, err := s.Write([]byte("x")); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("a write after it: %v after %v, want it behind the break", err, time.Since(start))
		}
		if err := s.SendBreak(t.Context(), 0); err != nil || f.breaks[1] != DefaultBreak {
			t.Errorf("a break of no length: %v, %v", err, f.breaks)
		}
	})
}

func TestAdapterSetMode(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		if err := s.SetMode(Mode{DataBits: 7, Parity: ParitySpace, StopBits: StopTwo}); err != nil {
			t.Fatal(err)
		}
		want := serial.Mode{BaudRate: 9600, DataBits: 7, Parity: serial.SpaceParity, StopBits: serial.TwoStopBits}
		if len(f.modes) != 1 || f.modes[0] != want {
			t.Errorf("the library got %+v, want %+v", f.modes, want)
		}
		if m, err := s.Mode(); err != nil || m.String() != "9600,7S2,none" {
			t.Errorf("mode %v, %v", m, err)
		}
		err := s.SetMode(Mode{Flow: FlowRTSCTS})
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "rtscts") {
			t.Errorf("flow control: %v", err)
		}
	})
}

func TestAdapterRefusesConfig(t *testing.T) {
	for name, cfg := range map[string]*Config{
		"HangupOnClose": {HangupOnClose: Clear},
		"KernelHangup":  {KernelHangup: true},
	} {
		if err := refuseConfig(cfg); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := refuseConfig(&Config{DTR: Assert, CloseTimeout: time.Second}); err != nil {
		t.Error(err)
	}
}

func TestAdapterOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenAdapter(t.Context(), dir+"/none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such device: %v", err)
	}
	if _, err := OpenAdapter(t.Context(), os.DevNull, nil); err == nil || !strings.Contains(err.Error(), "no serial port") {
		t.Errorf("the null device: %v", err)
	}
}

func TestAdapterLosesItsCarrier(t *testing.T) {
	withFake(t, func(t *testing.T, f *fakeLib, s *Serial) {
		s.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := s.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a silent read: %v", err)
		}
		f.do(func() { f.input, f.held = []byte("left"), true })
		write := make(chan error, 1)
		go func() {
			_, err := s.Write([]byte("held off"))
			write <- err
		}()
		synctest.Wait()

		s.dev.(*adapter).lose()
		if err := <-write; !errors.Is(err, ErrCarrierLost) {
			t.Errorf("a blocked write: %v, want %v", err, ErrCarrierLost)
		}
		b := make([]byte, 9)
		if n, err := s.Read(b); string(b[:n]) != "left" || err != nil {
			t.Errorf("read %q, %v; want what had arrived before", b[:n], err)
		}
		if _, err := s.Read(b); !errors.Is(err, ErrCarrierLost) {
			t.Errorf("the next read: %v, want %v", err, ErrCarrierLost)
		}
		if _, err := s.Write(b); !errors.Is(err, ErrCarrierLost) {
			t.Errorf("the next write: %v, want %v", err, ErrCarrierLost)
		}

		f.do(func() { f.held = false })
		if err := s.SetMode(Mode{Baud: 300}); err != nil {
			t.Errorf("the mode cannot be set any more: %v", err)
		}
	})
}
