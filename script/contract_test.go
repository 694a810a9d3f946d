package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// bare hides the abilities of an API, as a decorator does that forwards the six
// callbacks alone.
type bareAPI struct{ ras.API }

// copying is a decorator with buffers of its own.
type copying struct {
	ras.API
	below map[*copied]ras.Buffer
}

type copied struct{ data []byte }

func (c *copied) Bytes() []byte { return c.data }

func newCopying(api ras.API) *copying { return &copying{api, make(map[*copied]ras.Buffer)} }

func (c *copying) GetBuffer(size int) (ras.Buffer, error) {
	b, err := c.API.GetBuffer(size)
	if err != nil {
		return nil, err
	}
	own := &copied{make([]byte, len(b.Bytes()))}
	c.below[own] = b
	return own, nil
}

func (c *copying) FreeBuffer(b ras.Buffer) error {
	own, _ := b.(*copied)
	err := c.API.FreeBuffer(c.below[own])
	if err == nil {
		delete(c.below, own)
	}
	return err
}

func (c *copying) SendBuffer(p ras.Handle, b ras.Buffer, n int) error {
	own, _ := b.(*copied)
	if below := c.below[own]; below != nil {
		copy(below.Bytes(), own.data[:n])
	}
	return c.API.SendBuffer(p, c.below[own], n)
}

func (c *copying) ReceiveBuffer(p ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	own, _ := b.(*copied)
	return c.API.ReceiveBuffer(p, c.below[own], t, ev)
}

func (c *copying) RetrieveBuffer(p ras.Handle, b ras.Buffer) (int, error) {
	own, _ := b.(*copied)
	below := c.below[own]
	n, err := c.API.RetrieveBuffer(p, below)
	if below != nil {
		copy(own.data, below.Bytes()[:n])
	}
	return n, err
}

// decorations are the ways in which a script may put something between itself
// and the callbacks.
var decorations = map[string]func(call *ras.Call) *ras.Call{
	"session": func(call *ras.Call) *ras.Call { return call },
	"bare":    func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{call.API}) },
	"bare by hand": func(call *ras.Call) *ras.Call {
		return &ras.Call{API: bareAPI{call.API}, Port: call.Port, Params: call.Params}
	},
	"bare of the call":  func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{call}) },
	"the call":          func(call *ras.Call) *ras.Call { return call.WithAPI(call) },
	"the call by hand":  func(call *ras.Call) *ras.Call { return &ras.Call{API: call, Port: call.Port, Params: call.Params} },
	"copying":           func(call *ras.Call) *ras.Call { return call.WithAPI(newCopying(call.API)) },
	"bare over copying": func(call *ras.Call) *ras.Call { return call.WithAPI(bareAPI{newCopying(bareAPI{call})}) },
}

// TestDecorated holds that a Dialog over any decorator keeps its limits after a
// cancelled wait, loses nothing, and leaves the rest to the call outside.
func TestDecorated(t *testing.T) {
	for name, decorate := range decorations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
					inner := decorate(call)
					d := script.NewDialog(inner, nil)
					for _, first := range []time.Duration{0, 50 * time.Millisecond, 10 * time.Minute} {
						cancelled, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
						_, err := d.WaitFor(cancelled, first, script.Text("x"))
						cancel()
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("a cancelled wait: %v", err)
						}
						for _, limit := range []time.Duration{100 * time.Millisecond, time.Second} {
							start := time.Now()
							_, err := d.WaitFor(ctx, limit, script.Text("y"))
							var te *script.TimeoutError
							if took := time.Since(start); !errors.As(err, &te) || took != limit {
								t.Errorf("after a wait of %v that was cancelled a limit of %v passed after %v: %v", first, limit, took, err)
							}
						}
					}
					far.Write([]byte("login: joe PPP~frame"))
					if m, err := d.WaitFor(ctx, time.Second, script.Text("login: ")); err != nil || string(m.Text) != "login: " {
						return err
					}
					if m, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("joe ")); err != nil || len(m.Before) > 0 {
						return fmt.Errorf("the call outside: %q, %w", m.Before, err)
					}
					if m, err := script.NewDialog(decorate(inner), nil).WaitFor(ctx, time.Second, script.Text("PPP")); err != nil || len(m.Before) > 0 {
						return fmt.Errorf("a decorator in a decorator: %q, %w", m.Before, err)
					}
					inner.SetParams(&ras.DialParams{UserName: "other"})
					inner.SetIPAddr(netip.MustParseAddr("192.0.2.1"))
					return nil
				}), &script.Config{Params: &ras.DialParams{UserName: "joe"}})
				if err != nil || string(res.Unread) != "~frame" || res.Leaks != 0 {
					t.Errorf("%v; unread %q, %d leaks", err, res.Unread, res.Leaks)
				}
				if res.Params.UserName != "other" || res.IPAddr != netip.MustParseAddr("192.0.2.1") {
					t.Errorf("the parameters are %v, the address %v", res.Params, res.IPAddr)
				}
			})
		})
	}
}

// TestCancelledSendOverADecorator holds that a cancelled send returns, that the
// next one waits for it, and that the end of the run does.
func TestCancelledSendOverADecorator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		defer near.Close()
		defer far.Close()
		got := make(chan string, 1)
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call.WithAPI(bareAPI{call.API}), nil)
			for range 2 {
				short, cancel := context.WithTimeout(ctx, time.Second)
				start := time.Now()
				err := d.Send(short, []byte("0123456789"))
				cancel()
				if took := time.Since(start); took != time.Second || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a cancelled send returned after %v with %v", took, err)
				}
			}
			go func() {
				b := make([]byte, 13)
				n, _ := io.ReadFull(far, b)
				got <- string(b[:n])
			}()
			return d.Send(ctx, []byte("abc"))
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
		if text := <-got; text != "0123456789abc" {
			t.Errorf("the peer received %q", text)
		}
	})
}

// TestCancelledSendsOfSeveralGoroutines holds that all sends which were left with
// the callback are awaited and their buffers freed.
func TestCancelledSendsOfSeveralGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.BufferSize(4))
		defer near.Close()
		defer far.Close()
		const senders, size = 5, 100
		got := make(chan string, 1)
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			call = call.WithAPI(bareAPI{call.API})
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					short, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					b, err := call.GetBuffer(size)
					if err != nil {
						t.Error(err)
					}
					copy(b.Bytes(), strings.Repeat("x", size))
					if err := call.SendContext(short, b, size); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					if err := call.FreeBuffer(b); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			go func() {
				b := make([]byte, senders*size+3)
				n, _ := io.ReadFull(far, b)
				got <- string(b[:n])
			}()
			return script.NewDialog(call, nil).Send(ctx, []byte("abc"))
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
		if text := <-got; text != strings.Repeat("x", senders*size)+"abc" {
			t.Errorf("the peer received %q", text)
		}
	})
}

// TestRawExecutor is a script in the manner of the Windows documentation: it
// gives back what it does not use, and can give a receive up.
func TestRawExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		raw := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			b, err := call.GetBuffer(0)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			if err := call.ReceiveBuffer(call.Port, b, 0, ev); err != nil {
				return err
			}
			select {
			case <-ev.C():
				t.Error("an event without data")
			case <-time.After(time.Second):
			}
			if err := call.CancelReceive(); err != nil {
				return err
			}
			if err := call.FreeBuffer(b); err != nil {
				return fmt.Errorf("the buffer of a receive that was given up: %w", err)
			}
			far.Write([]byte("PPP~frame"))
			b, _ = call.GetBuffer(0)
			if err := call.ReceiveBuffer(call.Port, b, time.Minute, ev); err != nil {
				return err
			}
			<-ev.C()
			n, err := call.RetrieveBuffer(call.Port, b)
			if err != nil {
				return err
			}
			rest, ok := bytes.CutPrefix(b.Bytes()[:n], []byte("PPP"))
			if !ok {
				return fmt.Errorf("received %q", b.Bytes()[:n])
			}
			if err := call.Unread(rest); err != nil {
				return err
			}
			return call.FreeBuffer(b)
		})
		var last *ras.Call
		next := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			last = call
			_, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("~"))
			if err == nil {
				err = call.Unread(make([]byte, 70<<10))
				if !errors.Is(err, ras.ErrBufferTooSmall) {
					return fmt.Errorf("70 KiB were given back: %w", err)
				}
			}
			return nil
		})
		res, err := script.Run(t.Context(), near, script.Sequence(raw, next), nil)
		if err != nil || string(res.Unread) != "frame" || res.Leaks != 0 {
			t.Errorf("%v; unread %q, %d leaks", err, res.Unread, res.Leaks)
		}
		if err := last.Unread([]byte("x")); !errors.Is(err, ras.ErrInvalidPortHandle) {
			t.Errorf("bytes were given back after the run: %v", err)
		}
	})
}

// TestTwoRuns holds that what one Run leaves is read once: by Result.Port or by
// the next Run on the port.
func TestTwoRuns(t *testing.T) {
	wait := func(text string) script.Executor {
		return executor(func(ctx context.Context, d *script.Dialog) error {
			m, err := d.WaitFor(ctx, time.Second, script.Text(text))
			if err == nil && len(m.Before) > 0 {
				err = fmt.Errorf("%q came before %q", m.Before, text)
			}
			return err
		})
	}
	type wrapped struct{ port.Port }
	for name, wrap := range map[string]func(p *virtual.Port) port.Port{
		"pointer": func(p *virtual.Port) port.Port { return p },
		"struct":  func(p *virtual.Port) port.Port { return wrapped{p} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				p := wrap(near)
				far.Write([]byte("CONNECT 9600\r\nlogin: Password: PPP"))
				if _, err := script.Run(t.Context(), p, wait("CONNECT 9600\r\n"), nil); err != nil {
					t.Fatal(err)
				}
				res, err := script.Run(t.Context(), p, wait("login: "), nil)
				if err != nil {
					t.Fatal("the second Run: ", err)
				}
				if res, err = script.Run(t.Context(), res.Port(), wait("Password: "), nil); err != nil {
					t.Fatal("a Run on Result.Port: ", err)
				}
				got := make([]byte, 10)
				n, _ := res.Port().Read(got[:1])
				m, _ := res.Port().Read(got[1:])
				if string(got[:n+m]) != "PPP" {
					t.Errorf("two readers of Port got %q and %q", got[:n], got[n:n+m])
				}
				far.Write([]byte("twice"))
				res, _ = script.Run(t.Context(), p, wait("t"), nil)
				res.Unread = nil // passed on by the program itself
				far.Write([]byte("x"))
				if _, err := script.Run(t.Context(), p, wait("x"), nil); err != nil {
					t.Errorf("bytes that the program has taken were received again: %v", err)
				}
			})
		})
	}
}

// TestWatchesWait holds that the function of a watch may wait, on the same Dialog
// and on others, and that the wait outside goes on.
func TestWatchesWait(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		pages := 0
		d.Watch(script.Text("--More--"), func(script.Match) error {
			pages++
			if err := d.Send(b.Context(), []byte(" ")); err != nil {
				return err
			}
			if _, err := d.WaitFor(b.Context(), time.Second, script.Text("\b")); err != nil {
				return err
			}
			_, err := script.NewDialog(b.call, nil).WaitFor(b.Context(), time.Second, script.Text("\r"), script.Text("!"))
			return err
		})
		b.farSends("one\r\n--More--\b \rtwo\r\n--More--\b!three\r\n# ")
		m, err := d.WaitFor(b.Context(), time.Minute, script.Text("# "))
		if err != nil || pages != 2 || string(m.Before) != "one\r\n--More--two\r\n--More--three\r\n" {
			b.Errorf("%q after %d pages, %v", m.Before, pages, err)
		}
	})
}

// TestLimitAndContextTogether holds that a limit and a context that end at the
// same moment give the context's error.
func TestLimitAndContextTogether(t *testing.T) {
	for range 50 {
		onBench(t, func(b *bench) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			defer cancel()
			_, err := script.NewDialog(b.call, nil).WaitFor(ctx, time.Second, script.Text("x"))
			var te *script.TimeoutError
			if errors.As(err, &te) || !errors.Is(err, context.DeadlineExceeded) || ras.CodeOf(err) != ras.ErrRequestTimeout {
				b.Errorf("got %v", err)
			}
		})
	}
}

// TestLimitInsideALargeChunk holds that a limit passes while much that takes
// long to match has arrived.
func TestLimitInsideALargeChunk(t *testing.T) {
	peertest.Emulated(t, "the time that matching takes is the emulator's")
	near, far := virtual.Pair(virtual.BufferSize(1 << 20))
	defer near.Close()
	defer far.Close()
	far.Write(bytes.Repeat([]byte("a"), 1<<20))
	slow := script.Regexp(regexp.MustCompile(`(a{1,900})b`))
	_, err := script.Run(t.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
		best := time.Hour
		for range 5 { // what else the machine does counts as well: the best of five
			start := time.Now()
			_, err := d.WaitFor(ctx, 50*time.Millisecond, slow)
			best = min(best, time.Since(start))
			if !errors.Is(err, ras.ErrRequestTimeout) {
				return err
			}
		}
		if best > 75*time.Millisecond {
			t.Errorf("a limit of 50ms passed after %v", best)
		}
		return nil
	}), nil)
	if err != nil {
		t.Error(err)
	}
}

// TestRegexpLeavesTheRest holds that a regular expression consumes nothing
// beyond its match, not even on broken UTF-8 and in an exact call.
func TestRegexpLeavesTheRest(t *testing.T) {
	for _, exact := range []bool{false, true} {
		for _, piece := range []int{1, 2, 10} {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				go func() {
					for rest := ">\xc3~\xff}#"; len(rest) > 0; {
						n := min(piece, len(rest))
						far.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
				}()
				res, err := script.Run(t.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
					m, err := d.WaitFor(ctx, time.Second, script.Regexp(regexp.MustCompile(`>[^a-z]`)))
					if string(m.Text) != ">\xc3" {
						t.Errorf("matched %q", m.Text)
					}
					return err
				}), &script.Config{Exact: exact})
				got := make([]byte, 10)
				res.Port().SetReadDeadline(time.Now().Add(time.Second))
				n := 0
				for k := 1; k > 0; n += k {
					k, _ = res.Port().Read(got[n:])
				}
				if err != nil || string(got[:n]) != "~\xff}#" || exact && len(res.Unread) > 0 {
					t.Errorf("exact %v, pieces of %d: %v; the next reader gets %q, unread %q", exact, piece, err, got[:n], res.Unread)
				}
			})
		}
	}
}

func TestPadding(t *testing.T) {
	onBench(t, func(b *bench) {
		b.farSends("\r\x00\nlo\x00gin:\x00x")
		d := script.NewDialog(b.call, &script.DialogConfig{DropNUL: true})
		b.finds(d, 0, "", "\r\nlogin:", script.Text("\r\nlogin:"))
		b.finds(script.NewDialog(b.call, nil), 0, "", "\x00x", script.Text("\x00x"))
	})
}

func TestWaitEcho(t *testing.T) {
	onBench(t, func(b *bench) {
		go func() {
			for range 2 {
				b.farGets("ls\r")
				b.farSends("ls\r\n")
			}
		}()
		d := script.NewDialog(b.call, &script.DialogConfig{WaitEcho: time.Second})
		if err := d.Send(b.Context(), []byte("ls\rls\r")); err != nil {
			b.Error(err)
		}
		var te *script.TimeoutError
		if err := d.Send(b.Context(), []byte("no echo\r")); !errors.As(err, &te) || te.Limit != time.Second {
			b.Errorf("without an echo: %v", err)
		}
	})
}

func TestShell(t *testing.T) {
	onBench(t, func(b *bench) {
		sh := script.Shell{Dialog: script.NewDialog(b.call, nil), Prompt: script.Text("router# ")}
		go func() {
			b.farGets("show run\r")
			b.farSends("show run\r\nline 1\r\nline 2\r\n --More-- ")
			b.farGets(" ")
			b.farSends("\b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\b  line 3\r\nrouter# ")
		}()
		out, err := sh.Run(b.Context(), "show run")
		if want := "line 1\r\nline 2\r\n   line 3\r\n"; err != nil || strings.ReplaceAll(string(out), " ", "") != strings.ReplaceAll(want, " ", "") {
			b.Errorf("%q, %v; want %q", out, err, want)
		}
		go func() { b.farGets("x\r"); b.farSends("x\r\nhalf") }()
		sh.Timeout = time.Second
		if out, err = sh.Run(b.Context(), "x"); !errors.Is(err, ras.ErrRequestTimeout) {
			b.Errorf("a command without an end: %q, %v", out, err)
		}
	})
}

func TestInteract(t *testing.T) {
	onBench(t, func(b *bench) {
		user, terminal := virtual.Pair()
		defer user.Close()
		defer terminal.Close()
		d := script.NewDialog(b.call, nil)
		done := make(chan error)
		go func() { done <- d.Interact(b.Context(), terminal, nil) }()
		b.farSends("login: ")
		got := make([]byte, 7)
		if io.ReadFull(user, got); string(got) != "login: " {
			b.Errorf("the user sees %q", got)
		}
		user.Write([]byte("joe\r\x1dafter"))
		b.farGets("joe\r")
		if err := <-done; err != nil {
			b.Error(err)
		}
		go func() {
			done <- d.Interact(b.Context(), terminal, &script.InteractConfig{Until: []script.Pattern{script.Text("bye")}})
		}()
		b.farGets("after")
		b.farSends("good bye~")
		if err := <-done; err != nil {
			b.Error(err)
		}
		b.finds(d, 0, "", "~", script.Text("~"))
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := d.Interact(ctx, terminal, nil); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("a context that ends: %v", err)
		}
	})
}

// TestRunTakesItsErrorsApart holds the codes and the causes of Run.
func TestRunTakesItsErrorsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		operator := errors.New("the operator pressed Cancel")
		time.AfterFunc(time.Second, func() { cancel(operator) })
		_, err := script.Run(ctx, near, executor(func(ctx context.Context, d *script.Dialog) error {
			_, err := d.WaitFor(context.Background(), 0, script.Text("x"))
			return err
		}), nil)
		if ras.CodeOf(err) != ras.ErrUserDisconnection || !errors.Is(err, operator) || !errors.Is(err, context.Canceled) {
			t.Errorf("a cancel with a cause: %v (%d)", err, ras.CodeOf(err))
		}
		for _, e := range []script.Executor{
			script.ExecutorFunc(func(context.Context, *ras.Call) error { return ras.Success }),
			script.Sequence(script.ExecutorFunc(func(context.Context, *ras.Call) error { return ras.Success })),
		} {
			if _, err := script.Run(t.Context(), near, e, nil); err != nil {
				t.Errorf("ras.Success is the error %v", err)
			}
		}
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(_ context.Context, call *ras.Call) error {
			call.Params = &ras.DialParams{UserName: "other", Domain: "x"}
			call.IPAddr = netip.MustParseAddr("192.0.2.7")
			return nil
		}), &script.Config{Params: &ras.DialParams{UserName: "joe", EntryName: "isp"}})
		if err != nil || res.Params.UserName != "other" || res.Params.EntryName != "isp" || !res.IPAddr.IsValid() {
			t.Errorf("parameters that were replaced: %v, %v", res.Params, err)
		}
		_, err = script.Run(t.Context(), near, script.ExecutorFunc(func(context.Context, *ras.Call) error { panic("no such thing") }), nil)
		if err == nil || !strings.Contains(err.Error(), "contract_test.go:") {
			t.Errorf("a panic has no place: %v", err)
		}
	})
}

// TestLoginPrompts holds what Login takes for prompts, as hosts have sent them.
func TestLoginPrompts(t *testing.T) {
	for _, v := range []struct{ name, prompt, answer string }{
		{"plain", "login: ", "guest\r"},
		{"no space", "Username:", "guest\r"},
		{"equals", "Userid= ", "guest\r"},
		{"XON", "login: \x11", "guest\r"},
		{"NUL", "login: \x00\x00", "guest\r"},
		{"bell", "login: \x07", "guest\r"},
		{"charset and colour", "login: \x1b(B\x1b[m", "guest\r"},
		{"title", "\x1b]0;host\x07login: ", "guest\r"},
		{"title behind", "login: \x1b]0;host\x07", "guest\r"},
		{"cursor put back", "\x1b7login: \x1b8", "guest\r"},
		{"backspace", "login:  \b", "guest\r"},
		{"a field", "login: [        ]\b\b\b\b\b\b\b\b\b", "guest\r"},
		{"mark parity", "\xec\xef\xe7\xe9\xee\xba\xa0", "guest\r"},
		{"even parity", "\x6c\x6f\xe7\x69\xee\x3a\xa0", "guest\r"},
		{"a word about passwords before", "Your password expires in 3 days. login: ", "guest\r"},
		{"password", "Password: ", "secret\r"},
		{"password for", "Password for averylongusername@host.example.com: ", "secret\r"},
		{"will not be echoed", "Enter Password (will not be echoed during entry): ", "secret\r"},
		{"possessive", "guest's password: ", "secret\r"},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			got := make(chan string, 1)
			go func() {
				far.Write([]byte("\r\nhost\r\n" + v.prompt))
				far.SetReadDeadline(time.Now().Add(time.Second))
				b := make([]byte, 100)
				n, _ := far.Read(b)
				got <- string(b[:n])
			}()
			script.Run(t.Context(), near, script.Login(&script.LoginConfig{Timeout: 2 * time.Second}),
				&script.Config{Params: &ras.DialParams{UserName: "guest", Password: "secret"}})
			if answer := <-got; answer != v.answer {
				t.Errorf("%s: %q is answered with %q, want %q", v.name, v.prompt, answer, v.answer)
			}
		})
	}
}

// TestLoginEnds holds how a login ends that PPP does not follow.
func TestLoginEnds(t *testing.T) {
	type exchange struct{ sends, expects string }
	for _, v := range []struct {
		name   string
		script []exchange
		params ras.DialParams
		cfg    script.LoginConfig
		want   ras.Code
		text   string // in the error
		within time.Duration
		guess  bool
	}{
		{name: "command prompt with XON", script: []exchange{{"Password: ", "secret\r"}, {"host> \x11", "ppp\r"}}, within: 10 * time.Second},
		{name: "command prompt in colour", script: []exchange{{"Password: ", "secret\r"}, {"\x1b[31mUS-475-ION-01#\x1b[0m  \x08", "ppp\r"}}, within: 10 * time.Second},
		{name: "a prompt with NUL", script: []exchange{{"Password: ", "secret\r"}, {"(Cisco)>\x00", "ppp\r"}}, within: 10 * time.Second},
		{name: "silence after the password", script: []exchange{{"Password: ", "secret\r"}, {"\r\nWelcome\r\n", ""}},
			want: ras.ErrRequestTimeout, text: "PPP after the login", within: time.Minute},
		{name: "silence, with hope", script: []exchange{{"Password: ", "secret\r"}, {"\r\nWelcome\r\n", ""}},
			cfg: script.LoginConfig{Hope: true}, within: 10 * time.Second, guess: true},
		{name: "announced", script: []exchange{{"Password: ", "secret\r"}, {"\r\nEntering PPP mode.\r\nYour IP address is 192.0.2.1\r\n", ""}}, within: 10 * time.Second},
		{name: "refused, then silence", script: []exchange{{"Password: ", "secret\r"}, {"\r\nLogin incorrect\r\n", ""}},
			want: ras.ErrAuthenticationFailure, text: "Login incorrect", within: 10 * time.Second},
		{name: "dead line", want: ras.ErrRequestTimeout, text: "nothing was received", within: time.Minute},
		{name: "a name with a line in it", params: ras.DialParams{UserName: "joe\rreboot", Password: "secret"},
			script: []exchange{{"login: ", ""}}, want: ras.ErrInvalidParameter, text: "control character", within: time.Second},
		{name: "a password with a line in it", params: ras.DialParams{UserName: "joe", Password: "sec\nret"},
			want: ras.ErrInvalidParameter, text: "control character", within: time.Second},
		{name: "no password needed", params: ras.DialParams{UserName: "guest", NoPassword: true},
			script: []exchange{{"Password: ", "\r"}, {"~\xff}#", ""}}, within: 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			go func() {
				far.SetReadDeadline(time.Now().Add(time.Hour))
				for _, x := range v.script {
					far.Write([]byte(x.sends))
					got := make([]byte, len(x.expects))
					if _, err := io.ReadFull(far, got); err != nil {
						return
					}
					if string(got) != x.expects {
						t.Errorf("%s: after %q the peer received %q, want %q", v.name, x.sends, got, x.expects)
					}
				}
			}()
			params := v.params
			if params == (ras.DialParams{}) {
				params = ras.DialParams{UserName: "guest", Password: "secret"}
			}
			start := time.Now()
			res, err := script.Run(t.Context(), near, script.Login(&v.cfg), &script.Config{Params: &params})
			if took := time.Since(start); took > v.within || ras.CodeOf(err) != v.want || v.text != "" && !strings.Contains(fmt.Sprint(err), v.text) {
				t.Errorf("%s: after %v: %v, want code %d and %q within %v", v.name, took, err, v.want, v.text, v.within)
			}
			if res.Guessed != v.guess {
				t.Errorf("%s: guessed %v", v.name, res.Guessed)
			}
			near.Close()
		})
	}
}

// TestRunLogsTheConversation holds that Config.Log gets what every Dialog of the
// run sends and receives.
func TestRunLogsTheConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		var log bytes.Buffer
		far.Write([]byte("login: "))
		_, err := script.Run(t.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
			_, err := d.Exchange(ctx, time.Second, script.Text("login: "), "joe\r")
			return err
		}), &script.Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err != nil || !strings.Contains(log.String(), `msg=received data="login: "`) || !strings.Contains(log.String(), `msg=sent data="joe\r"`) {
			t.Errorf("%v; the log is\n%s", err, log.String())
		}
	})
}

// TestEchoesOfASecret sends every secret of package echo, has it come back in
// every form, and looks for it in all that a Dialog prints.
func TestEchoesOfASecret(t *testing.T) {
	for _, secret := range echo.Secrets {
		for _, e := range echo.Of(secret) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair(virtual.BufferSize(1 << 12))
				defer near.Close()
				defer far.Close()
				var out bytes.Buffer
				level := &slog.HandlerOptions{Level: slog.LevelDebug}
				for _, h := range []slog.Handler{slog.NewTextHandler(&out, level), slog.NewJSONHandler(&out, level)} {
					for _, end := range []string{"", "\n"} {
						res, err := script.Run(t.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
							if err := d.SendSecret(ctx, ras.Secret(secret+end)); err != nil {
								return err
							}
							go func() {
								for i := range e.Bytes {
									if e.Pause < 0 {
										far.Write(e.Bytes)
										return
									}
									far.Write(e.Bytes[i : i+1])
									<-time.After(e.Pause)
								}
							}()
							for range 20 {
								d.NextByte(ctx, time.Second)
							}
							_, err := d.WaitFor(ctx, 20*time.Second, script.Text("never"), script.Regexp(regexp.MustCompile(regexp.QuoteMeta(secret)+"never")))
							_, err2 := d.WaitFor(ctx, time.Second, script.Regexp(regexp.MustCompile(regexp.QuoteMeta(secret)+"$")))
							fmt.Fprintln(&out, err, err2, d)
							panic(err)
						}), &script.Config{Log: slog.New(h)})
						fmt.Fprintf(&out, "%v %+v %s %q\n", err, res, res, res)
						io.ReadFull(far, make([]byte, len(secret+end)))
					}
				}
				if piece := echo.Leak(out.String(), secret); piece != "" {
					at := strings.Index(strings.ToLower(out.String()), strings.ToLower(piece[:2]))
					t.Errorf("secret of %d bytes, %s: %q shows in %q", len(secret), e.Name, piece, out.String()[max(0, at-100):][:min(600, len(out.String())-max(0, at-100))])
				}
			})
		}
	}
}

// TestStraySignals holds that an event which is set without a result harms no
// wait, and that a Sequence stops at a context that has ended.
func TestStraySignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		_, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			stray := &straying{API: call.API}
			d := script.NewDialog(call.WithAPI(stray), nil)
			time.AfterFunc(time.Second, func() { far.Write([]byte("late")) })
			_, err := d.WaitFor(ctx, time.Minute, script.Text("late"))
			if stray.n < 3 {
				t.Errorf("%d receives were signalled without a result", stray.n)
			}
			return err
		}), nil)
		if err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := false
		_, err = script.Run(ctx, near, script.Sequence(
			script.ExecutorFunc(func(context.Context, *ras.Call) error { cancel(); return nil }),
			script.ExecutorFunc(func(context.Context, *ras.Call) error { ran = true; return nil }),
		), nil)
		if ran || !errors.Is(err, context.Canceled) {
			t.Errorf("after a cancel the next executor ran: %v; %v", ran, err)
		}
	})
}

// straying sets the event of a receive before it has a result.
type straying struct {
	ras.API
	n int
}

func (s *straying) ReceiveBuffer(p ras.Handle, b ras.Buffer, t time.Duration, ev *ras.Event) error {
	err := s.API.ReceiveBuffer(p, b, t, ev)
	ev.Set()
	s.n++
	return err
}

func (s *straying) RetrieveBuffer(p ras.Handle, b ras.Buffer) (int, error) {
	n, err := s.API.RetrieveBuffer(p, b)
	if s.n < 3 {
		s.n++
	}
	return n, err
}

// TestPortOfAResult holds that the port of a result has the abilities of the one
// below, and that what is discarded or closed gives nothing more.
func TestPortOfAResult(t *testing.T) {
	onBench(t, func(b *bench) {
		leave := func() port.Port {
			near, far := virtual.Pair()
			b.Cleanup(func() { near.Close(); far.Close() })
			far.Write([]byte("xrest"))
			res, err := script.Run(b.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
				_, err := d.WaitFor(ctx, time.Second, script.Text("x"))
				return err
			}), nil)
			if err != nil || string(res.Unread) != "rest" {
				b.Fatalf("%q, %v", res.Unread, err)
			}
			return res.Port()
		}
		p := leave()
		if m, err := p.(port.ModeSetter).Mode(); err != nil || m.Baud == 0 {
			b.Errorf("Mode: %v, %v", m, err)
		}
		if err := p.(port.Drainer).Discard(port.Input); err != nil {
			b.Error(err)
		}
		p.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := p.Read(make([]byte, 10)); n > 0 || err == nil {
			b.Errorf("after Discard %d bytes were read, %v", n, err)
		}
		p = leave()
		if in, _, err := p.(port.QueueCounter).Queued(); in != 4 || err != nil {
			b.Errorf("Queued: %d bytes in, %v", in, err)
		}
		if err := p.(port.BreakSetter).SetBreak(true); err != nil {
			b.Error(err)
		}
		if _, err := p.(port.Detacher).Detach(); !errors.Is(err, errors.ErrUnsupported) {
			b.Errorf("Detach of a virtual port: %v", err)
		}
		if name := p.(port.Named).Name(); !strings.HasPrefix(name, "virtual") {
			b.Errorf("the name is %q", name)
		}
		if a := port.AbilitiesOf(p); a.Has(port.AbilityDetach) || !a.Has(port.AbilityMode|port.AbilityQueued) {
			b.Errorf("the abilities are %v", a)
		}
		p.Close()
		if n, err := p.Read(make([]byte, 10)); n > 0 || err == nil {
			b.Errorf("after Close %d bytes were read, %v", n, err)
		}
	})
}

// TestPortsThatCannotBeCompared holds that Run takes them, although it cannot
// know them again.
func TestPortsThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		far.Write([]byte("xrest"))
		p := struct {
			port.Port
			hook any
		}{near, func() {}}
		res, err := script.Run(t.Context(), p, executor(func(ctx context.Context, d *script.Dialog) error {
			_, err := d.WaitFor(ctx, time.Second, script.Text("x"))
			return err
		}), nil)
		if err != nil || string(res.Unread) != "rest" {
			t.Errorf("%q, %v", res.Unread, err)
		}
		for _, shown := range []string{fmt.Sprintf("%v", *res), fmt.Sprintf("%+v", res), fmt.Sprintf("%#v", *res), fmt.Sprintf("%x", *res)} {
			if strings.Contains(shown, "rest") || strings.Contains(shown, "72657374") || strings.Contains(shown, "114") {
				t.Errorf("a Result prints data: %s", shown)
			}
		}
	})
}

// TestLoginGivesUp holds that two machines do not prompt and answer for ever.
func TestLoginGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		prompts := 0
		go func() {
			b := make([]byte, 100)
			for {
				prompts++
				if _, err := far.Write([]byte("\r\nlogin: ")); err != nil {
					return
				}
				if _, err := far.Read(b); err != nil {
					return
				}
			}
		}()
		_, err := script.Run(t.Context(), near, script.Login(nil), &script.Config{Params: &ras.DialParams{UserName: "joe", Password: "sesame"}})
		if !errors.Is(err, ras.ErrAuthenticationFailure) || prompts > 12 {
			t.Errorf("after %d prompts: %v", prompts, err)
		}
		near.Close()
	})
}

// stuck is a decorator whose sends return when they are released.
type stuck struct {
	ras.API
	release chan struct{}
}

func (s *stuck) SendBuffer(p ras.Handle, b ras.Buffer, n int) error {
	<-s.release
	return s.API.SendBuffer(p, b, n)
}

// TestSendThatNeverReturns holds that the end of a run waits for a send that was
// left with the callback for five seconds and no longer, and reports it.
func TestSendThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		api := &stuck{release: make(chan struct{})}
		start := time.Now()
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			api.API = call.API
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			err := script.NewDialog(call.WithAPI(api), nil).Send(short, []byte("x"))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cancelled send: %v", err)
			}
			return nil
		}), nil)
		if took := time.Since(start); took != 6*time.Second || err == nil || !strings.Contains(err.Error(), "RasSendBuffer has not returned") || res.Leaks != 1 {
			t.Errorf("after %v: %v, %d leaks", took, err, res.Leaks)
		}
		close(api.release)
	})
}

// TestRawReceiveAfterAnUnusedLimit holds that a receive which adopts one that an
// API could not cancel is not signalled by the limit of an earlier receive whose
// event was not waited for.
func TestRawReceiveAfterAnUnusedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			call = call.WithAPI(bareAPI{call.API})
			b, err := call.GetBuffer(0)
			if err != nil {
				return err
			}
			ev := ras.NewEvent()
			for _, limit := range []time.Duration{0, 10 * time.Millisecond} {
				if err := call.ReceiveBuffer(call.Port, b, limit, ev); err != nil {
					return err
				}
				<-time.After(20 * time.Millisecond)
				if err := call.CancelReceive(); err != nil {
					return err
				}
			}
			start := time.Now()
			if err := call.ReceiveBuffer(call.Port, b, time.Second, ev); err != nil {
				return err
			}
			if err := ev.Wait(ctx); err != nil {
				return err
			}
			if n, err := call.RetrieveBuffer(call.Port, b); !errors.Is(err, ras.ErrRequestTimeout) || time.Since(start) != time.Second {
				t.Errorf("a limit of 1s gave %d, %v after %v", n, err, time.Since(start))
			}
			return call.FreeBuffer(b)
		}), nil)
		if err != nil || res.Leaks != 0 {
			t.Errorf("%v, %d leaks", err, res.Leaks)
		}
	})
}

// empty is an API whose receives complete without bytes.
type empty struct{ ras.API }

func (e empty) ReceiveBuffer(_ ras.Handle, _ ras.Buffer, _ time.Duration, ev *ras.Event) error {
	ev.Set()
	return nil
}

func (e empty) RetrieveBuffer(ras.Handle, ras.Buffer) (int, error) { return 0, nil }

func TestReceivesWithoutBytesEnd(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call.WithAPI(empty{b.s}), nil)
		if _, err := d.WaitFor(b.Context(), 0, script.Text("x")); !errors.Is(err, io.ErrNoProgress) {
			b.Errorf("got %v", err)
		}
	})
}

// losing is a port that reports a loss of characters once.
type losing struct {
	*virtual.Port
	lost chan struct{}
	told bool
}

func (l *losing) Interruptible() bool { return false }

func (l *losing) Read(b []byte) (int, error) {
	if !l.told {
		l.told = true
		<-l.lost
		return 0, port.ErrOverrun
	}
	return l.Port.Read(b)
}

// TestLossInAReceiveThatWasLeft holds that a loss which is reported to a receive
// that a cancelled wait left with its API is reported to the next wait.
func TestLossInAReceiveThatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		p := &losing{Port: near, lost: make(chan struct{})}
		_, err := script.Run(t.Context(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call.WithAPI(bareAPI{call.API}), nil)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := d.WaitFor(short, 0, script.Text("x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cancelled wait: %v", err)
			}
			close(p.lost)
			synctest.Wait()
			if _, err := d.WaitFor(ctx, time.Second, script.Text("x")); !errors.Is(err, ras.ErrOverrun) {
				t.Errorf("the loss is not reported: %v", err)
			}
			far.Write([]byte("x"))
			_, err := d.WaitFor(ctx, time.Second, script.Text("x"))
			return err
		}), nil)
		if err != nil {
			t.Error(err)
		}
	})
}
