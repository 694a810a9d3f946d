package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

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

// TestUnreadOfDecoratorAndSession holds that Result.Unread is in order where a part of
// it was given back over a decorator, and the rest was not received again.
func TestUnreadOfDecoratorAndSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		far.Write([]byte("login:frame"))
		res, err := script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			if _, err := script.NewDialog(call, nil).WaitFor(ctx, time.Second, script.Text("login:")); err != nil {
				return err
			}
			decorated := call.WithAPI(struct{ ras.API }{call.API})
			b := make([]byte, 2)
			n, err := decorated.Receive(ctx, b, time.Second)
			return errors.Join(err, decorated.Unread(b[:n]))
		}), nil)
		if err != nil || string(res.Unread) != "frame" {
			t.Errorf("Unread is %q, %v", res.Unread, err)
		}
	})
}
