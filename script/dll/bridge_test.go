package dll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// goScript is a script that plays a DLL and returns what the DLL would.
type goScript func(d *fakeDLL) uint32

// invoke runs the script as a DLL would run.
func (f goScript) invoke(_ context.Context, j *job, b *bridge) (*result, error) {
	d := newFakeDLL(b, b.sys.(*fakeSystem))
	return &result{code: ras.Code(f(d)), userName: j.params.UserName, password: j.params.Password, domain: "LEFT"}, nil
}

// run returns an executor that runs a script behind the two pipes of a child
// process, which is a goroutine here.
func run(f goScript, cfg *Config) script.Executor {
	d := &DLL{path: "old.dll", cfg: Config{Log: slog.New(slog.DiscardHandler), Grace: time.Second}}
	if cfg != nil {
		d.cfg.Strict, d.cfg.Timeout = cfg.Strict, cfg.Timeout
		if cfg.Log != nil {
			d.cfg.Log = cfg.Log
		}
	}
	d.start = func() (process, error) { return startFake(f.invoke), nil }
	return d
}

// fakeProcess is a goroutine that runs runChild over two pipes.
type fakeProcess struct {
	io.Reader
	io.Writer
	once sync.Once
	end  func()
	done chan struct{}
	exit exitStatus
}

func startFake(invoke invoker) *fakeProcess {
	fromChild, toParent := io.Pipe()
	fromParent, toChild := io.Pipe()
	p := &fakeProcess{Reader: fromChild, Writer: toChild, done: make(chan struct{})}
	p.end = func() {
		p.exit.code = 1
		toParent.Close()
		fromParent.Close()
	}
	go func() {
		defer close(p.done)
		if runChild(fromParent, toParent, func(bool) system { return newFakeSystem() }, invoke, func() {}) != nil {
			p.exit.code = 3
		}
		toParent.Close()
		fromParent.Close()
	}()
	return p
}

func (p *fakeProcess) kill() { p.once.Do(p.end) }

func (p *fakeProcess) wait() exitStatus {
	<-p.done
	return p.exit
}

// far is what the other end of the line does while the script runs.
type far func(p port.Port)

func echo(p port.Port) {
	b := make([]byte, 64)
	for {
		n, err := p.Read(b)
		if err != nil {
			return
		}
		p.Write(b[:n])
	}
}

func silent(port.Port) {}

func hangUp(p port.Port) {
	p.Read(make([]byte, 64))
	p.Close()
}

func tell(text string) far {
	return func(p port.Port) { p.Write([]byte(text)) }
}

func TestConduct(t *testing.T) {
	for _, tt := range conduct {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := virtual.Pair()
				defer b.Close()
				defer a.Close()
				go tt.far(b)
				_, err := script.Run(t.Context(), a, run(tt.run, nil), nil)
				if ras.CodeOf(err) != tt.want {
					t.Errorf("Run = %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// onLine runs f in a bubble with a line to a peer.
func onLine(t *testing.T, f func(t *testing.T, a, b *virtual.Port)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := virtual.Pair()
		defer b.Close()
		defer a.Close()
		f(t, a, b)
	})
}

func TestLeaksAreReported(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		var log bytes.Buffer
		res, err := script.Run(t.Context(), a, run(func(d *fakeDLL) uint32 {
			d.grab(1)
			d.grab(2)
			return 0
		}, &Config{Log: slog.New(slog.NewTextHandler(&log, nil))}), nil)
		if err != nil || res.Leaks != 2 || !strings.Contains(log.String(), "buffers=2") {
			t.Errorf("Run = %d leaks, %v, log %q; want 2 leaks and a warning", res.Leaks, err, log.String())
		}
	})
}

func TestPendingReceiveIsForgotten(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		var event *fakeEvent
		first := run(func(d *fakeDLL) uint32 {
			h, e := d.newEvent()
			event = e
			return d.receive(d.grab(10), infinite, h)
		}, nil)
		second := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			b.Write([]byte("late"))
			d := script.NewDialog(call, nil)
			defer d.Close()
			_, err := d.WaitFor(ctx, time.Second, script.Text("late"))
			return err
		})
		if _, err := script.Run(t.Context(), a, script.Sequence(first, second), nil); err != nil {
			t.Errorf("the next executor of the call: %v", err)
		}
		if len(event.ch) != 0 || event.drops != 1 {
			t.Errorf("the event was set %d times and dropped %d times after the DLL had returned, want 0 and 1", len(event.ch), event.drops)
		}
	})
}

func TestCallbacksAfterTheRun(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		var kept *fakeDLL
		if _, err := script.Run(t.Context(), a, run(func(d *fakeDLL) uint32 {
			kept = d
			return 0
		}, nil), nil); err != nil {
			t.Fatal(err)
		}
		if _, code := kept.get(10); ras.Code(code) != ras.ErrOutOfBuffers {
			t.Errorf("RasGetBuffer after the run = %v, want %v", ras.Code(code), ras.ErrOutOfBuffers)
		}
		for name, code := range map[string]uint32{
			"free": kept.free(0), "send": kept.send(0, 1), "receive": kept.receive(0, 0, 0), "retrieve": kept.retrieve(0),
		} {
			if ras.Code(code) != ras.ErrInvalidPortHandle {
				t.Errorf("%s after the run = %v, want %v", name, ras.Code(code), ras.ErrInvalidPortHandle)
			}
		}
	})
}

func TestCancelReachesTheDLL(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("the operator pressed Cancel")) })
		var codes []ras.Code
		_, err := script.Run(ctx, a, run(func(d *fakeDLL) uint32 {
			b := d.grab(10)
			_, code := d.take(b, infinite)
			h, e := d.newEvent()
			again := d.receive(b, infinite, h)
			e.wait() // a port that has failed signals at once
			codes = append(codes, ras.Code(code), ras.Code(again), ras.Code(d.retrieve(b)), ras.Code(d.send(b, 1)), ras.Code(d.free(b)))
			return 0
		}, nil), nil)
		want := fmt.Sprint([]ras.Code{631, 0, 631, 631, 0})
		if got := fmt.Sprint(codes); got != want {
			t.Errorf("after the cancel the callbacks returned %v, want %v", got, want)
		}
		if !errors.Is(err, ras.ErrUserDisconnection) || !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want a user cancel although the DLL returned 0", err)
		}
	})
}

func TestLimit(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		start := time.Now()
		_, err := script.Run(t.Context(), a, run(func(d *fakeDLL) uint32 {
			_, code := d.take(d.grab(10), infinite)
			return code
		}, &Config{Timeout: 7 * time.Second}), nil)
		if !errors.Is(err, ras.ErrRequestTimeout) || time.Since(start) != 7*time.Second {
			t.Errorf("Run = %v after %v, want a time-out after 7s", err, time.Since(start))
		}
	})
}

func TestSendThatIsHeldOffEndsWithTheRun(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		_, err := script.Run(t.Context(), a, run(func(d *fakeDLL) uint32 {
			buf := d.grab(1500)
			for {
				if code := d.send(buf, 1500); code != 0 {
					return code
				}
			}
		}, &Config{Timeout: 7 * time.Second}), nil)
		if !errors.Is(err, ras.ErrRequestTimeout) {
			t.Errorf("Run = %v, want a time-out", err)
		}
	})
}

func TestCredentials(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		before := ras.DialParams{UserName: "ann", Password: "secret", EntryName: "Work"}
		res, err := script.Run(t.Context(), a, run(func(*fakeDLL) uint32 { return 0 }, nil), &script.Config{Params: &before})
		after := before
		after.Domain = "LEFT"
		if err != nil || res.Params != after {
			t.Errorf("Run = %+v, %v; want %+v", res.Params, err, after)
		}
		res, err = script.Run(t.Context(), a, run(func(*fakeDLL) uint32 { return 691 }, nil), &script.Config{Params: &before})
		if !errors.Is(err, ras.ErrAuthenticationFailure) || res.Params != before {
			t.Errorf("after a failure: %+v, %v; want the credentials as they were", res.Params, err)
		}
	})
}

// bare is a port without abilities, as a TCP connection is.
type bare struct{ port.Port }

func TestStrict(t *testing.T) {
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		var log bytes.Buffer
		cfg := &Config{Log: slog.New(slog.NewTextHandler(&log, nil))}
		twice := func(d *fakeDLL) uint32 { return comm(8, 2, 0, 7)(d) | comm(8, 0, 0, 8)(d) }
		if _, err := script.Run(t.Context(), bare{a}, run(twice, cfg), nil); err != nil || strings.Count(log.String(), "level=WARN") != 1 {
			t.Errorf("Run = %v, log %q; want success and one warning", err, log.String())
		}
		cfg.Strict = true
		if _, err := script.Run(t.Context(), bare{a}, run(twice, cfg), nil); !errors.Is(err, ras.ErrNotSupported) {
			t.Errorf("Run with Strict = %v, want %v", err, ras.ErrNotSupported)
		}
	})
}

func TestTrace(t *testing.T) {
	want := `RasGetBuffer size=10 code=0
RasSendBuffer size=4 code=0
RasReceiveBuffer timeout=5000 code=0
RasRetrieveBuffer size=4 code=0
RasSetCommSettings code=601
RasFreeBuffer code=0
RasFreeBuffer code=610
`
	onLine(t, func(t *testing.T, a, b *virtual.Port) {
		go echo(b)
		var got traceLog
		if _, err := script.Run(t.Context(), a, run(func(d *fakeDLL) uint32 {
			b := d.grab(10)
			d.write(b, "pass")
			d.send(b, 4)
			d.take(b, 5000)
			d.b.setCommSettings(0, 0, 0)
			d.free(b)
			d.free(b)
			return 0
		}, &Config{Log: slog.New(&got)}), nil); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("trace:\n%swant:\n%s", got.String(), want)
		}
	})
}

// traceLog is a slog.Handler that prints records as the C host does.
type traceLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (*traceLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *traceLog) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *traceLog) WithGroup(string) slog.Handler          { return h }

func (h *traceLog) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&h.b, " %s=%v", a.Key, a.Value)
		return true
	})
	h.b.WriteByte('\n')
	return nil
}

func (h *traceLog) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}

// BenchmarkPrompt answers a prompt as a DLL does, without the C and without the
// processes.
func BenchmarkPrompt(b *testing.B) {
	near, far := virtual.Pair()
	defer near.Close()
	defer far.Close()
	go echo(far)
	_, err := script.Run(b.Context(), near, run(func(d *fakeDLL) uint32 {
		buf := d.grab(64)
		h, e := d.newEvent()
		b.ReportAllocs()
		for b.Loop() {
			if d.send(buf, 10) != 0 || d.receive(buf, 10000, h) != 0 {
				return uint32(ras.ErrUnknown)
			}
			e.wait()
			if code := d.retrieve(buf); code != 0 {
				return code
			}
		}
		return 0
	}, nil), nil)
	if err != nil {
		b.Fatal(err)
	}
}
