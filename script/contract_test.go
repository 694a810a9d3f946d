package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// TestWatchesWait holds that the function of a watch may wait, on the same Dialog
// and on others, and that the wait outside continues.
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
		const limit, late = 50 * time.Millisecond, 75 * time.Millisecond
		best := time.Hour
		for end := time.Now().Add(20 * time.Second); best > late && time.Now().Before(end); { // until the machine does nothing else
			start := time.Now()
			_, err := d.WaitFor(ctx, limit, slow)
			best = min(best, time.Since(start))
			if !errors.Is(err, ras.ErrRequestTimeout) {
				return err
			}
		}
		if best > late {
			t.Errorf("a limit of %v passed after %v", limit, best)
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
