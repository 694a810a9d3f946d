package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// runs runs f as a script on fake time, with a peer that has sent text.
func runs(t *testing.T, text string, cfg *script.Config, f script.ExecutorFunc, check func(res *script.Result, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		io.WriteString(far, text)
		res, err := script.Run(t.Context(), near, f, cfg)
		if res == nil {
			t.Fatalf("Run returned no Result with %v", err)
		}
		check(res, err)
	})
}

func TestResultAfterSuccess(t *testing.T) {
	params := &ras.DialParams{EntryName: "isp", UserName: "joe", Password: "old", PhoneNumber: "555"}
	runs(t, "OK~frame", &script.Config{Params: params}, func(ctx context.Context, call *ras.Call) error {
		call.Params.UserName, call.Params.Password, call.Params.Domain = "joe@isp", "new", "corp"
		call.Params.PhoneNumber, call.Params.EntryName = "1", "2"
		call.IPAddr = netip.MustParseAddr("10.0.0.7")
		_, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("OK"))
		return err
	}, func(res *script.Result, err error) {
		if err != nil {
			t.Fatal(err)
		}
		want := ras.DialParams{EntryName: "isp", UserName: "joe@isp", Password: "new", Domain: "corp", PhoneNumber: "555"}
		if res.Params != want { // other fields are not the script's to change
			t.Errorf("Params = %v, want %v", res.Params, want)
		}
		if *params != (ras.DialParams{EntryName: "isp", UserName: "joe", Password: "old", PhoneNumber: "555"}) {
			t.Errorf("Run changed the caller's params: %v", params)
		}
		if res.IPAddr.String() != "10.0.0.7" || string(res.Unread) != "~frame" || res.Leaks != 0 {
			t.Errorf("got %v, %q, %d leaks", res.IPAddr, res.Unread, res.Leaks)
		}
	})
}

func TestDecision38ScriptFails(t *testing.T) {
	var states []string
	cfg := &script.Config{Params: &ras.DialParams{UserName: "joe"}, OnState: func(s script.State) {
		states = append(states, fmt.Sprint(s.Conn, " ", ras.CodeOf(s.Err).Name()))
	}}
	runs(t, "", cfg, func(ctx context.Context, call *ras.Call) error {
		call.Params.UserName = "changed"
		return ras.Code(4711)
	}, func(res *script.Result, err error) {
		if ras.CodeOf(err) != 4711 {
			t.Errorf("got %v, want the script's own code", err)
		}
		if res.Params.UserName != "joe" {
			t.Errorf("credentials of a failed script: %v", res.Params)
		}
		if got := strings.Join(states, ";"); got != "RASCS_Interactive ERROR_SUCCESS;RASCS_Interactive ERROR_4711" {
			t.Errorf("states %q", got)
		}
	})
}

func TestDecision39Cancel(t *testing.T) {
	for name, verdict := range map[string]error{"script gives up": ras.ErrCancelled, "script says it succeeded": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := script.Run(ctx, near, executor(func(ctx context.Context, d *script.Dialog) error {
					_, err := d.WaitFor(context.Background(), 0, script.Text("never"))
					if !errors.Is(err, ras.ErrUserDisconnection) {
						t.Errorf("the wait ended with %v", err)
					}
					return verdict
				}), nil)
				if ras.CodeOf(err) != ras.ErrUserDisconnection || !errors.Is(err, context.Canceled) {
					t.Errorf("Run = %v, want a user's cancel", err)
				}
				if verdict != nil && !errors.Is(err, verdict) {
					t.Errorf("Run = %v lost the script's own word %v", err, verdict)
				}
			})
		})
	}
}

func TestDecision40Panic(t *testing.T) {
	var log bytes.Buffer
	cfg := &script.Config{Params: &ras.DialParams{Password: "hunter2"}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	runs(t, "", cfg, func(ctx context.Context, call *ras.Call) error {
		panic("index of hunter2 out of range")
	}, func(res *script.Result, err error) {
		if ras.CodeOf(err) != ras.ErrUnknown || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("got %v", err)
		}
		if strings.Contains(err.Error()+log.String(), "hunter2") {
			t.Errorf("the password shows: %v\n%s", err, log.String())
		}
	})
}

// panicking is a port whose calls panic.
type panicking struct{ port.Port }

func (panicking) Read([]byte) (int, error)  { panic("the port's Read") }
func (panicking) Write([]byte) (int, error) { panic("the port's Write") }
func (panicking) Interruptible() bool       { return true }

// TestPanicOfThePort holds that a panic in a call of the port reaches Run, which
// makes an error of it, and that the session does not wait for that call.
func TestPanicOfThePort(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context, d *script.Dialog) error{
		"Read": func(ctx context.Context, d *script.Dialog) error {
			_, err := d.WaitFor(ctx, time.Second, script.Text("x"))
			return err
		},
		"Write": func(ctx context.Context, d *script.Dialog) error { return d.Send(ctx, []byte("x")) },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := virtual.Pair()
			defer near.Close()
			defer far.Close()
			start := time.Now()
			res, err := script.Run(t.Context(), panicking{near}, executor(use), nil)
			if err == nil || !strings.Contains(err.Error(), "the port's "+name) {
				t.Errorf("a panic of %s: %v", name, err)
			}
			if took := time.Since(start); took != 0 || res.Leaks != 0 {
				t.Errorf("after a panic of %s Run took %v to return, and %d buffers are left", name, took, res.Leaks)
			}
		})
	}
}

func TestDecision42CredentialsThatDoNotFit(t *testing.T) {
	called := false
	runs(t, "", &script.Config{Params: &ras.DialParams{Domain: "corp.example.com"}}, func(ctx context.Context, call *ras.Call) error {
		called = true
		return nil
	}, func(res *script.Result, err error) {
		if ras.CodeOf(err) != ras.ErrInvalidParameter || called {
			t.Errorf("before the script: %v, called %v", err, called)
		}
	})
	runs(t, "", nil, func(ctx context.Context, call *ras.Call) error {
		call.Params.Domain = "corp.example.com"
		return nil
	}, func(res *script.Result, err error) {
		if ras.CodeOf(err) != ras.ErrInvalidParameter || res.Params.Domain != "" {
			t.Errorf("after the script: %v, %v", err, res.Params)
		}
	})
}

func TestDecision43And44Params(t *testing.T) {
	runs(t, "", &script.Config{Params: &ras.DialParams{Password: "clear", PhoneNumber: "555"}, Phonebook: "pb", Entry: "isp"},
		func(ctx context.Context, call *ras.Call) error {
			if call.Params.Password.Reveal() != "clear" || call.Phonebook != "pb" || call.Entry != "isp" {
				t.Errorf("the script got %v, %q, %q", call.Params, call.Phonebook, call.Entry)
			}
			call.Params.PhoneNumber = "666"
			return nil
		}, func(res *script.Result, err error) {
			if err != nil || res.Params.PhoneNumber != "555" {
				t.Errorf("got %v, %v", res.Params, err)
			}
		})
}

func TestDecision46LimitForTheRun(t *testing.T) {
	start := time.Time{}
	runs(t, "", &script.Config{Timeout: 30 * time.Second}, func(ctx context.Context, call *ras.Call) error {
		start = time.Now()
		_, err := script.NewDialog(call, nil).WaitFor(context.Background(), time.Hour, script.Text("never"))
		return err
	}, func(res *script.Result, err error) {
		if ras.CodeOf(err) != ras.ErrRequestTimeout || time.Since(start) != 30*time.Second {
			t.Errorf("ended after %v with %v", time.Since(start), err)
		}
		if !strings.Contains(err.Error(), "run's limit of 30s") {
			t.Errorf("%v does not say whose limit it was", err)
		}
	})
}

// TestLogOfARun holds that the log of a run shows no secret of which the script's own
// error quotes the echo, and a Result that a program logs no data, in any format.
func TestLogOfARun(t *testing.T) {
	for name, handler := range map[string]func(w io.Writer) slog.Handler{
		"text":    func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"JSON":    func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		"printer": func(w io.Writer) slog.Handler { return script.NewPrinter(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			log := slog.New(handler(&text))
			failure := errors.New(`unexpected answer "HUNTER22"`)
			cfg := &script.Config{Params: &ras.DialParams{Password: "hunter22"}, Log: log}
			runs(t, "HUNTER22", cfg, func(ctx context.Context, call *ras.Call) error {
				d := script.NewDialog(call, nil)
				_, err := d.WaitFor(ctx, time.Minute, script.Text("22"))
				return errors.Join(err, d.Unread([]byte("HUNTER22")), failure)
			}, func(res *script.Result, err error) {
				if !errors.Is(err, failure) || len(res.Unread) != len("HUNTER22") {
					t.Errorf("got %v and %q", err, res.Unread)
				}
				log.Info("result", "pointer", res, "value", *res)
			})
			if !strings.Contains(text.String(), "unexpected answer") || !strings.Contains(text.String(), "8 bytes unread") {
				t.Errorf("the log lacks something:\n%s", text.String())
			}
			if leak := echo.Leak(text.String(), "hunter22"); leak != "" {
				t.Errorf("the log shows %q:\n%s", leak, text.String())
			}
		})
	}
}

func TestDecision54FormatAfterTheScript(t *testing.T) {
	var log bytes.Buffer
	runs(t, "", &script.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(ctx context.Context, call *ras.Call) error {
		return script.NewDialog(call, nil).SetComm(ras.CommSettings{Parity: 2, ByteSize: 7})
	}, func(res *script.Result, err error) {
		m, _ := res.Port().(port.ModeSetter).Mode()
		if m.DataBits != 7 || m.Parity != port.ParityEven {
			t.Errorf("Run changed the mode back to %v", m)
		}
		if !strings.Contains(log.String(), "8 data bits") {
			t.Errorf("no warning in the log: %q", log.String())
		}
	})
}

func TestLeaksAreCounted(t *testing.T) {
	runs(t, "", nil, func(ctx context.Context, call *ras.Call) error {
		call.GetBuffer(10)
		call.GetBuffer(10)
		return nil
	}, func(res *script.Result, err error) {
		if res.Leaks != 2 || err != nil {
			t.Errorf("Leaks = %d, %v; want 2", res.Leaks, err)
		}
	})
}

// TestCallbacksAfterTheScript holds that a script's goroutine that outlives the
// run can do no harm.
func TestCallbacksAfterTheScript(t *testing.T) {
	var call *ras.Call
	runs(t, "", nil, func(ctx context.Context, c *ras.Call) error {
		call = c
		return nil
	}, func(res *script.Result, err error) {
		if _, err := call.GetBuffer(1); !errors.Is(err, ras.ErrOutOfBuffers) {
			t.Errorf("GetBuffer: %v", err)
		}
		if err := script.NewDialog(call, nil).Send(context.Background(), []byte("x")); err == nil {
			t.Error("a Dialog still sends")
		}
	})
}

// TestNothingIsLostBetweenExecutors holds that what one leaves the next gets,
// whether it uses a Dialog or the bare callbacks.
func TestNothingIsLostBetweenExecutors(t *testing.T) {
	wait := func(text string) script.Executor {
		return executor(func(ctx context.Context, d *script.Dialog) error {
			_, err := d.WaitFor(ctx, time.Second, script.Text(text))
			return err
		})
	}
	bare := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		b, err := call.GetBuffer(4)
		if err != nil {
			return err
		}
		ev := ras.NewEvent()
		if err := call.ReceiveBuffer(call.Port, b, time.Second, ev); err != nil {
			return err
		}
		<-ev.C()
		n, err := call.RetrieveBuffer(call.Port, b)
		if got := string(b.Bytes()[:n]); got != "bare" || err != nil {
			return fmt.Errorf("got %q, %v", got, err)
		}
		return call.FreeBuffer(b)
	})
	two := executor(func(ctx context.Context, d *script.Dialog) error {
		other := script.NewDialog(d.Call(), nil)
		for i, dialog := range []*script.Dialog{d, other, d} {
			if _, err := dialog.WaitFor(ctx, time.Second, script.Text(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	})
	runs(t, "oneBbare0 1 2 twoB~frame", nil, script.Sequence(wait("oneB"), bare, two, wait("twoB")).Execute,
		func(res *script.Result, err error) {
			if err != nil || string(res.Unread) != "~frame" {
				t.Errorf("got %q, %v", res.Unread, err)
			}
			p := res.Port()
			io.WriteString(p, "x")
			var got [2]byte
			for want := "~frame"; len(want) > 0; want = want[min(2, len(want)):] {
				n, err := p.Read(got[:])
				if err != nil || string(got[:n]) != want[:2] {
					t.Fatalf("the port gives %q, %v; want %q", got[:n], err, want)
				}
			}
			p.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := p.Read(got[:]); err == nil {
				t.Error("the port gives bytes twice")
			}
		})
}

func TestSequenceStopsAtTheFirstError(t *testing.T) {
	ran := ""
	step := func(name string, err error) script.Executor {
		return script.ExecutorFunc(func(context.Context, *ras.Call) error { ran += name; return err })
	}
	runs(t, "", nil, script.Sequence(step("a", nil), step("b", ras.ErrNoCarrier), step("c", nil)).Execute,
		func(res *script.Result, err error) {
			if ran != "ab" || !errors.Is(err, ras.ErrNoCarrier) {
				t.Errorf("ran %q, %v", ran, err)
			}
		})
}

// foreign is an API that has the six callbacks and nothing else.
type foreign struct{ ras.API }

func TestDialogNeedsOnlyTheSixCallbacks(t *testing.T) {
	onBench(t, func(b *bench) {
		call := &ras.Call{API: foreign{b.s}, Port: b.s.Handle()}
		d := script.NewDialog(call, nil)
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if _, err := d.WaitFor(ctx, 0, script.Text("x")); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("got %v", err)
		}
		b.farSends("login: rest")
		b.finds(d, 0, "", "login: ", script.Text("login: "))
		if err := d.Send(b.Context(), []byte("joe")); err != nil {
			b.Error(err)
		}
		b.farGets("joe")
		d.Close()
		b.finds(script.NewDialog(call, nil), 0, "", "rest", script.Text("rest"))
	})
}
