package script_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// TestInteractKeepsWhatWasTyped holds that keys which are typed while a session
// ends by Until are sent by it or by the next one. Run it with -race, too.
func TestInteractKeepsWhatWasTyped(t *testing.T) {
	for range 500 {
		onBench(t, func(b *bench) {
			user, terminal := virtual.Pair()
			defer user.Close()
			defer terminal.Close()
			d := script.NewDialog(b.call, nil)
			user.Write([]byte("abc"))
			go b.far.Write([]byte("bye"))
			if err := d.Interact(b.Context(), terminal, &script.InteractConfig{Until: []script.Pattern{script.Text("bye")}}); err != nil {
				b.Error(err)
			}
			user.Write([]byte("\x1d"))
			if err := d.Interact(b.Context(), terminal, nil); err != nil {
				b.Error(err)
			}
			b.farGets("abc")
		})
		if t.Failed() {
			return
		}
	}
}

// deaf is a terminal that accepts deadlines and ignores them. Its type cannot be
// compared.
type deaf struct {
	io.ReadWriter
	hook any
}

func (deaf) SetReadDeadline(time.Time) error { return nil }

// TestInteractOnADeafTerminal holds that Interact returns although the Read of
// the terminal cannot be ended.
func TestInteractOnADeafTerminal(t *testing.T) {
	onBench(t, func(b *bench) {
		user, terminal := virtual.Pair()
		defer user.Close()
		defer terminal.Close()
		d := script.NewDialog(b.call, nil)
		for range 2 {
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			defer cancel()
			if err := d.Interact(ctx, deaf{terminal, func() {}}, nil); !errors.Is(err, context.DeadlineExceeded) {
				b.Error(err)
			}
		}
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
		if io.ReadFull(user, got); string(got) != "good by" {
			b.Errorf("the user sees %q", got)
		}
		if io.ReadFull(user, got[:1]); got[0] != 'e' {
			b.Errorf("the user sees %q at the end of the session", got[:1])
		}
		b.finds(d, 0, "", "~", script.Text("~"))
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := d.Interact(ctx, terminal, nil); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("a context that ends: %v", err)
		}
	})
}

// TestExchangeWithEcho holds that the match of Exchange is valid although the send
// after it waits for an echo.
func TestExchangeWithEcho(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, &script.DialogConfig{WaitEcho: time.Second})
		b.farSends("Welcome. login:")
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.farGets("joe\r")
			b.farSends("joe\r")
		}()
		m, err := d.Exchange(b.Context(), time.Second, script.Text("login:"), "joe\r")
		<-done
		if err != nil || string(m.Before) != "Welcome. " || string(m.Text) != "login:" {
			b.Errorf("got %q, %q, %v", m.Before, m.Text, err)
		}
	})
}

// brokenTerminal is a terminal whose Read ends as f does.
type brokenTerminal struct {
	io.Writer
	f func(b []byte) (int, error)
}

func (t brokenTerminal) Read(b []byte) (int, error) { return t.f(b) }

// brokenSend is an API whose SendBuffer panics.
type brokenSend struct{ ras.API }

func (brokenSend) SendBuffer(ras.Handle, ras.Buffer, int) error { panic("no send with hunter2") }

// TestInteractPanics holds that a terminal or a callback that panics, or ends its
// goroutine, while Interact uses it on a goroutine of its own ends Interact with an
// error.
func TestInteractPanics(t *testing.T) {
	key := func(b []byte) (int, error) { return copy(b, "x"), nil }
	for name, c := range map[string]struct {
		read func(b []byte) (int, error)
		api  func(api ras.API) ras.API
		want string
	}{
		"terminal": {read: func([]byte) (int, error) { panic("no terminal for hunter2") }, want: "no terminal for ***"},
		"Goexit":   {read: func([]byte) (int, error) { runtime.Goexit(); return 0, nil }, want: "goroutine"},
		"too many": {read: func(b []byte) (int, error) { return len(b) + 1, io.EOF }},
		"callback": {read: key, api: func(api ras.API) ras.API { return brokenSend{api} }, want: "no send with ***"},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				call := b.call
				if c.api != nil {
					call = call.WithAPI(c.api(b.s))
				}
				err := script.NewDialog(call, nil).Interact(b.Context(), brokenTerminal{io.Discard, c.read}, nil)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					b.Errorf("got %v, want %q", err, c.want)
				}
				b.farSends("after")
				b.finds(script.NewDialog(b.call, nil), 0, "", "after", script.Text("after"))
			})
		})
	}
}
