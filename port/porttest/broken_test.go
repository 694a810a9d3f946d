package porttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// broken is a port with one fault: the methods that are set replace the good
// ones.
type broken struct {
	*virtual.Port
	read     func([]byte) (int, error)
	write    func([]byte) (int, error)
	close    func() error
	deadline func(read, write bool, t time.Time) error
	mode     func() (port.Mode, error)
	setMode  func(port.Mode) error
	lines    func() (port.Lines, error)
	setLines func(mask, values port.Lines) error
	wait     func(context.Context, port.Lines) (port.Lines, error)
	brk      func(context.Context, time.Duration) error
	drain    func(context.Context) error
	discard  func(port.Direction) error
	stats    func() (port.Stats, error)
}

// good makes b behave as the port that it wraps.
func good(p *virtual.Port) *broken {
	return &broken{
		Port: p, read: p.Read, write: p.Write, close: p.Close,
		mode: p.Mode, setMode: p.SetMode,
		lines: p.Lines, setLines: p.SetLines, wait: p.WaitLines,
		brk: p.SendBreak, drain: p.Drain, discard: p.Discard, stats: p.Stats,
		deadline: func(read, write bool, t time.Time) error {
			var errRead, errWrite error
			if read {
				errRead = p.SetReadDeadline(t)
			}
			if write {
				errWrite = p.SetWriteDeadline(t)
			}
			return errors.Join(errRead, errWrite)
		},
	}
}

func (b *broken) Read(p []byte) (int, error)                         { return b.read(p) }
func (b *broken) Write(p []byte) (int, error)                        { return b.write(p) }
func (b *broken) Close() error                                       { return b.close() }
func (b *broken) SetDeadline(t time.Time) error                      { return b.deadline(true, true, t) }
func (b *broken) SetReadDeadline(t time.Time) error                  { return b.deadline(true, false, t) }
func (b *broken) SetWriteDeadline(t time.Time) error                 { return b.deadline(false, true, t) }
func (b *broken) Mode() (port.Mode, error)                           { return b.mode() }
func (b *broken) SetMode(m port.Mode) error                          { return b.setMode(m) }
func (b *broken) Lines() (port.Lines, error)                         { return b.lines() }
func (b *broken) SetLines(mask, values port.Lines) error             { return b.setLines(mask, values) }
func (b *broken) SendBreak(c context.Context, d time.Duration) error { return b.brk(c, d) }
func (b *broken) Drain(ctx context.Context) error                    { return b.drain(ctx) }
func (b *broken) Discard(d port.Direction) error                     { return b.discard(d) }
func (b *broken) Stats() (port.Stats, error)                         { return b.stats() }
func (b *broken) WaitLines(ctx context.Context, mask port.Lines) (port.Lines, error) {
	return b.wait(ctx, mask)
}

// recorder is a reporter that only takes notes.
type recorder struct {
	mu       sync.Mutex
	failures []string
}

func (*recorder) Helper()              {}
func (*recorder) Skipf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// A fault is what is wrong with a port, told as "a port that ...".
type fault struct {
	name   string
	apply  func(b *broken)
	checks []string // each must notice
}

// faults are ports that break one promise. To be freed at the end, whatever hangs hangs in a call of the virtual port.
var faults = []fault{
	{"swallows a byte now and then", swallow, []string{"AnySize", "OneByteReads", "FullDuplex", "ConcurrentWrites", "ConcurrentReads", "EverythingAtOnce"}},
	{"has seven bits", func(b *broken) {
		b.read = func(p []byte) (int, error) {
			n, err := b.Port.Read(p)
			for i := range p[:n] {
				p[i] &= 0x7f
			}
			return n, err
		}
	}, []string{"EveryByteValue"}},
	{"waits for a full buffer", func(b *broken) {
		b.read = func(p []byte) (int, error) { return io.ReadFull(b.Port, p) }
	}, []string{"ShortRead"}},
	{"reads while it writes only", halfDuplex, []string{"FullDuplex"}},
	{"says EOF for nothing", func(b *broken) {
		b.write = func(p []byte) (int, error) {
			if len(p) == 0 {
				return 0, io.EOF
			}
			return b.Port.Write(p)
		}
	}, []string{"ZeroLength"}},
	{"times out with 0, nil", onTimeout(func(int) (int, error) { return 0, nil }), []string{"PastDeadline", "ReadDeadline", "DeadlineInThePast"}},
	{"times out with EOF", onTimeout(func(n int) (int, error) { return n, io.EOF }), []string{"PastDeadline", "ReadDeadline", "WriteDeadline"}},
	{"times out with an error of its own", onTimeout(func(n int) (int, error) { return n, errors.New("timed out") }), []string{"PastDeadline", "ReadDeadline", "WriteDeadline", "DeadlineMovedBack"}},
	{"loses a byte after a timeout", loseAfterTimeout, []string{"ReadDeadline", "TimeoutLosesNothing"}},
	{"tells one byte too many", onWriteTimeout(+1), []string{"WriteDeadline", "DeadlineMovedBack"}},
	{"tells one byte too few", onWriteTimeout(-1), []string{"WriteDeadline", "DeadlineMovedBack"}},
	{"looks at deadlines only at first", lateDeadlines, []string{"DeadlineMovedBack", "DeadlineInThePast", "DeadlineMovedForward", "DeadlineFreesAll"}},
	{"has one deadline for both", func(b *broken) {
		set := b.deadline
		b.deadline = func(_, _ bool, t time.Time) error { return set(true, true, t) }
	}, []string{"DeadlinesAreApart"}},
	{"closes without freeing anybody", deafClose, []string{"CloseFreesRead", "CloseFreesWrite", "CloseFreesDrain", "CloseFreesWaitLines", "CloseFreesAll"}},
	{"panics when it is closed twice", func(b *broken) {
		var closed atomic.Bool
		b.close = func() error {
			if closed.Swap(true) {
				panic("close of closed port")
			}
			return b.Port.Close()
		}
	}, []string{"CloseTwice"}},
	{"is closed with EOF", func(b *broken) {
		b.read = func(p []byte) (int, error) { return replace(b.Port.Read, p, net.ErrClosed, io.EOF) }
		b.write = func(p []byte) (int, error) { return replace(b.Port.Write, p, net.ErrClosed, io.EOF) }
	}, []string{"UseAfterClose", "CloseFreesRead", "CloseFreesWrite", "CloseFreesAll"}},
	{"takes the far end's Close for its own", func(b *broken) {
		b.read = func(p []byte) (int, error) { return replace(b.Port.Read, p, port.ErrCarrierLost, net.ErrClosed) }
		b.write = func(p []byte) (int, error) { return replace(b.Port.Write, p, port.ErrCarrierLost, net.ErrClosed) }
	}, []string{"FarCloseEndsRead", "FarCloseWrite"}},
	{"takes the far end's Close for silence", func(b *broken) {
		b.read = func(p []byte) (int, error) {
			return replace(b.Port.Read, p, port.ErrCarrierLost, os.ErrDeadlineExceeded)
		}
	}, []string{"FarCloseEndsRead", "FarCloseKeepsBytes"}},
	{"drops its input when the far end closes", func(b *broken) {
		b.read = func(p []byte) (int, error) {
			if l, err := b.Port.Lines(); err == nil && !l.Has(port.DCD) {
				b.Port.Discard(port.Input)
			}
			return b.Port.Read(p)
		}
	}, []string{"FarCloseKeepsBytes"}},
	{"says ENOTTY", func(b *broken) {
		b.lines = func() (port.Lines, error) { return 0, syscall.ENOTTY }
	}, []string{"UnsupportedIsSaid"}},
	{"has half a mode", func(b *broken) {
		b.mode = func() (port.Mode, error) { return port.Mode{Baud: 9600}, nil }
	}, []string{"ModeIsComplete"}},
	{"forgets its mode", func(b *broken) {
		b.setMode = func(m port.Mode) error { return m.Validate() }
	}, []string{"SetModeReadsBack"}},
	{"takes any mode", func(b *broken) {
		b.setMode = func(m port.Mode) error { b.Port.SetMode(m); return nil }
	}, []string{"SetModeRefuses"}},
	{"has dead wires", func(b *broken) {
		b.setLines = func(mask, values port.Lines) error { return nil }
	}, []string{"LinesCross", "SetLinesOutputsOnly", "WaitLinesSees"}},
	{"mixes up its wires", func(b *broken) {
		b.setLines = func(mask, values port.Lines) error { return b.Port.SetLines(port.Outputs&mask, values) }
	}, []string{"SetLinesOutputsOnly"}},
	{"cannot be cancelled", func(b *broken) {
		ctx := context.Background()
		b.wait = func(_ context.Context, mask port.Lines) (port.Lines, error) { return b.Port.WaitLines(ctx, mask) }
		b.brk = func(_ context.Context, d time.Duration) error { return b.Port.SendBreak(ctx, d) }
		b.drain = func(context.Context) error { return b.Port.Drain(ctx) }
	}, []string{"WaitLinesCancel", "DrainCancel", "BreakCancel"}},
	{"drains by throwing away", func(b *broken) {
		b.drain = func(context.Context) error { return b.Port.Discard(port.Output) }
	}, []string{"Drain", "DrainCancel"}},
	{"sends a break through the data", func(b *broken) {
		b.brk = func(context.Context, time.Duration) error { return b.Port.Discard(port.Output | port.Input) }
		b.write = func(p []byte) (int, error) {
			n, err := b.Port.Write(p)
			if string(p) == "before" {
				b.Port.Write([]byte("?"))
			}
			return n, err
		}
	}, []string{"Break"}},
	{"discards nothing", func(b *broken) {
		b.discard = func(port.Direction) error { return nil }
	}, []string{"DiscardInput", "DiscardRefuses"}},
	{"takes every mode and changes nothing", func(b *broken) {
		b.setMode = func(port.Mode) error { return nil }
	}, []string{"XOFFStops", "RTSFollowsBuffer"}},
	{"has words of its own for an operation", func(b *broken) {
		b.lines = func() (port.Lines, error) {
			l, err := b.Port.Lines()
			if err != nil {
				err = &port.OpError{Op: "get lines", Err: err}
			}
			return l, err
		}
	}, []string{"UseAfterClose"}},
	{"reports a network connection when it is closed", func(b *broken) {
		b.read = func(p []byte) (int, error) {
			n, err := b.Port.Read(p)
			if errors.Is(err, net.ErrClosed) {
				err = &port.OpError{Op: "read", Err: fmt.Errorf("tty: %w", net.ErrClosed)}
			}
			return n, err
		}
	}, []string{"UseAfterClose", "CloseFreesRead"}},
	{"discards and jams", func(b *broken) {
		b.discard = func(d port.Direction) error {
			b.write = func(p []byte) (int, error) { return len(p), nil }
			return b.Port.Discard(d)
		}
	}, []string{"DiscardOutput"}},
	{"counts calls, not bytes", func(b *broken) {
		b.stats = func() (port.Stats, error) { return port.Stats{Sent: 1, Received: 1}, nil }
	}, []string{"Stats"}},
}

func swallow(b *broken) {
	var calls atomic.Int64
	b.write = func(p []byte) (int, error) {
		if calls.Add(1)%7 != 1 || len(p) < 2 {
			return b.Port.Write(p)
		}
		n, err := b.Port.Write(p[:len(p)-1])
		return n + 1, err
	}
}

// halfDuplex lets a read begin only when no write is under way.
func halfDuplex(b *broken) {
	free := make(chan struct{}, 1)
	b.write = func(p []byte) (int, error) {
		free <- struct{}{}
		defer func() { <-free }()
		return b.Port.Write(p)
	}
	b.read = func(p []byte) (int, error) {
		free <- struct{}{}
		<-free
		return b.Port.Read(p)
	}
}

func onTimeout(result func(n int) (int, error)) func(b *broken) {
	return func(b *broken) {
		wrap := func(do func([]byte) (int, error)) func([]byte) (int, error) {
			return func(p []byte) (int, error) {
				n, err := do(p)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return result(n)
				}
				return n, err
			}
		}
		b.read, b.write = wrap(b.Port.Read), wrap(b.Port.Write)
	}
}

func onWriteTimeout(off int) func(b *broken) {
	return func(b *broken) {
		b.write = func(p []byte) (int, error) {
			n, err := b.Port.Write(p)
			if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
				n += off
			}
			return n, err
		}
	}
}

func loseAfterTimeout(b *broken) {
	var lose atomic.Bool
	b.read = func(p []byte) (int, error) {
		n, err := b.Port.Read(p)
		if n > 1 && lose.Swap(false) {
			n = copy(p, p[1:n])
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			lose.Store(true)
		}
		return n, err
	}
}

// lateDeadlines hands a deadline on when the next call begins.
func lateDeadlines(b *broken) {
	var reads, writes atomic.Pointer[time.Time]
	set := b.deadline
	b.deadline = func(read, write bool, t time.Time) error {
		if read {
			reads.Store(&t)
		}
		if write {
			writes.Store(&t)
		}
		return nil
	}
	b.read = func(p []byte) (int, error) {
		if t := reads.Swap(nil); t != nil {
			set(true, false, *t)
		}
		return b.Port.Read(p)
	}
	b.write = func(p []byte) (int, error) {
		if t := writes.Swap(nil); t != nil {
			set(false, true, *t)
		}
		return b.Port.Write(p)
	}
}

// deafClose only forbids later calls.
func deafClose(b *broken) {
	b.close = func() error { return nil }
}

// replace makes a call and replaces the error old by another.
func replace(call func([]byte) (int, error), p []byte, old, by error) (int, error) {
	n, err := call(p)
	if errors.Is(err, old) {
		err = by
	}
	return n, err
}

func TestBrokenPortsFail(t *testing.T) {
	byName := make(map[string]Check)
	for _, c := range Checks() {
		byName[c.Name] = c
	}
	for _, f := range faults {
		for _, name := range f.checks {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				c, ok := byName[name]
				if !ok {
					t.Fatalf("there is no check %s", name)
				}
				synctest.Test(t, func(t *testing.T) {
					got := failures(c, f.apply)
					if len(got) == 0 {
						t.Errorf("a port that %s passes %s, want a failure", f.name, name)
						return
					}
					if !strings.Contains(got[0], c.Explanation) {
						t.Errorf("failure %q does not quote the promise %q", got[0], c.Explanation)
					}
				})
			})
		}
	}
}

// failures runs a check on a pair of broken ports and frees what hangs.
func failures(c Check, fault func(*broken)) []string {
	va, vb := virtual.Pair()
	a, b := good(va), good(vb)
	fault(a)
	fault(b)
	r := new(recorder)
	e := newEnv(r, c, a, b)
	e.run()
	va.Close()
	vb.Close()
	e.join()
	synctest.Wait()
	return r.failures
}

// TestEveryCheckCanFail wants a broken port for each check.
func TestEveryCheckCanFail(t *testing.T) {
	for _, c := range Checks() {
		shown := func(f fault) bool { return slices.Contains(f.checks, c.Name) }
		if !slices.ContainsFunc(faults, shown) {
			t.Errorf("no broken port shows that %s can fail", c.Name)
		}
	}
}

// TestGoodPortPasses shows that the wrapper of the broken ports is not at fault
// itself.
func TestGoodPortPasses(t *testing.T) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := failures(c, func(*broken) {}); len(got) > 0 {
					t.Errorf("a good port fails: %s", got[0])
				}
			})
		})
	}
}
