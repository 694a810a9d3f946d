package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

func TestWaitForKinds(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		b.farSends("banner\r\nlogin: LOGIN: id=42;rest")
		b.finds(d, 0, "banner\r\n", "login: ", script.Text("login: "))
		b.finds(d, 0, "", "LOGIN: ", script.Fold("login: "))
		b.finds(d, 1, "", "id=42;", script.Text("zzz"), script.Regexp(regexp.MustCompile(`id=(\d+);`)))
		b.finds(d, 0, "", "", script.Text(""))
		b.finds(d, 0, "re", "st", script.Text("st"))
	})
}

func TestFirstToCompleteWins(t *testing.T) {
	tests := []struct {
		name, input string
		patterns    []script.Pattern
		index       int
		text        string
	}{
		{"earlier end", "xOKAY", []script.Pattern{script.Text("OKAY"), script.Text("OK")}, 1, "OK"},
		{"same end, first named", "Password:", []script.Pattern{script.Text("word:"), script.Text("Password:")}, 0, "word:"},
		{"same end, other order", "Password:", []script.Pattern{script.Text("Password:"), script.Text("word:")}, 0, "Password:"},
		{"overlap", "aaab", []script.Pattern{script.Text("aab")}, 0, "aab"},
		{"fold against exact", "ok", []script.Pattern{script.Text("OK"), script.Fold("OK")}, 1, "ok"},
		{"regexp against text", "CONNECT 9600\r", []script.Pattern{script.Regexp(regexp.MustCompile(`CONNECT \d+\r`)), script.Text("9600\r\n")}, 0, "CONNECT 9600\r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.farSends(tt.input)
				m, err := script.NewDialog(b.call, nil).WaitFor(b.Context(), time.Second, tt.patterns...)
				if err != nil || m.Index != tt.index || string(m.Text) != tt.text {
					b.Errorf("got %d %q, %v; want %d %q", m.Index, m.Text, err, tt.index, tt.text)
				}
			})
		})
	}
}

// TestAnySplitGivesTheSameRun feeds the same bytes in every possible way of
// cutting them in three, exact and not.
func TestAnySplitGivesTheSameRun(t *testing.T) {
	const input = "xxlogin: joe\r\nPASSWORD: *\r\naabaab CONNECT 9600/V42\r\n~frame"
	const want = `"xx" "login: " 0;" joe\r\n" "PASSWORD: " 1;"*\r\n" "aab" 0;"aab " "CONNECT 9600/V42\r\n" 0;~frame`
	for _, exact := range []bool{false, true} {
		for i := 0; i <= len(input); i++ {
			for j := i; j <= len(input); j += 5 {
				onBench(t, func(b *bench) {
					b.call.Exact = exact
					go func() {
						for _, part := range []string{input[:i], input[i:j], input[j:]} {
							b.far.Write([]byte(part))
							<-time.After(time.Second)
						}
					}()
					if got := transcript(b); got != strings.Replace(want, `" joe`, `"joe`, 1) {
						b.Fatalf("cut at %d and %d, exact %v: got\n%s\nwant\n%s", i, j, exact, got, want)
					}
				})
			}
		}
	}
}

func transcript(b *bench) string {
	d := script.NewDialog(b.call, nil)
	var out strings.Builder
	for _, p := range [][]script.Pattern{
		{script.Text("login: ")},
		{script.Text("zzz"), script.Fold("password: ")},
		{script.Text("aab"), script.Text("aabb")},
		{script.Regexp(regexp.MustCompile(`CONNECT [^\n]*\n`))},
	} {
		m, err := d.WaitFor(b.Context(), time.Minute, p...)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&out, "%q %q %d;", m.Before, m.Text, m.Index)
	}
	<-time.After(time.Minute)
	return out.String() + b.unread()
}

// TestExactTakesNothingPastTheMatch looks into the port after each wait.
func TestExactTakesNothingPastTheMatch(t *testing.T) {
	tests := []struct {
		name, input, rest string
		p                 script.Pattern
	}{
		{"text at once", "login: ~rest", "~rest", script.Text("login: ")},
		{"text late", strings.Repeat("motd ", 500) + "login: ~", "~", script.Text("login: ")},
		{"near misses", "logilogilogilogin: ~", "~", script.Fold("LOGIN: ")},
		{"regexp", "id=42;~rest", "~rest", script.Regexp(regexp.MustCompile(`id=\d+;`))},
		{"one byte", "~x", "x", script.Text("~")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.call.Exact = true
				b.farSends(tt.input)
				d := script.NewDialog(b.call, nil)
				if _, err := d.WaitFor(b.Context(), time.Second, tt.p); err != nil {
					b.Fatal(err)
				}
				if got := b.s.Unread(); len(got) > 0 {
					b.Errorf("the session holds %q", got)
				}
				got := make([]byte, 100)
				n, err := b.near.Read(got)
				if err != nil || string(got[:n]) != tt.rest {
					b.Errorf("the port holds %q (%v), want %q", got[:n], err, tt.rest)
				}
			})
		})
	}
}

func TestTrafficDoesNotPushTheLimitBack(t *testing.T) {
	onBench(t, func(b *bench) {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					b.far.Write([]byte("chatter "))
				}
			}
		}()
		te := b.timesOut(script.NewDialog(b.call, nil), 45*time.Second, script.Text("never"))
		if te.Elapsed != 45*time.Second || te.Limit != 45*time.Second || len(te.Want) != 1 || te.Want[0] != `"never"` {
			b.Errorf("got %+v", te)
		}
		if !strings.HasSuffix(te.Tail, "chatter ") {
			b.Errorf("Tail = %q", te.Tail)
		}
		for _, target := range []error{ras.ErrRequestTimeout, os.ErrDeadlineExceeded} {
			if !errors.Is(te, target) {
				b.Errorf("%v does not match %v", te, target)
			}
		}
	})
}

// TestFailedWaitGivesBack holds that what a wait has read before its limit or its
// context ended is there for the next one, unless it is configured to consume it.
func TestFailedWaitGivesBack(t *testing.T) {
	for name, cfg := range map[string]script.DialogConfig{
		"plain": {}, "parity": {Strip7: true}, "padded": {DropNUL: true}, "consume": {Consume: true}, "tap": {Tap: func([]byte) {}},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				d := script.NewDialog(b.call, &cfg)
				b.farSends("log")
				b.timesOut(d, time.Second, script.Text("login:"))
				b.farSends("in")
				ctx, cancel := context.WithTimeout(b.Context(), time.Second)
				defer cancel()
				if _, err := d.WaitFor(ctx, 0, script.Text("login:")); !errors.Is(err, context.DeadlineExceeded) {
					b.Errorf("a wait whose context ends: %v", err)
				}
				b.farSends(":")
				if cfg.Consume || cfg.Tap != nil {
					b.finds(d, 0, "", ":", script.Text(":"))
				} else {
					b.finds(d, 0, "", "login:", script.Text("login:"))
				}
				b.farSends("lo")
				for range 10 { // a text that arrives in pieces under Poll
					d.Poll(b.Context(), script.Text("login:"))
				}
				b.farSends("gin:")
				if _, err := d.Poll(b.Context(), script.Text("gin:")); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func TestIdleLimit(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, &script.DialogConfig{Idle: 5 * time.Second})
		go func() {
			for range 4 {
				<-time.After(4 * time.Second)
				b.far.Write([]byte("."))
			}
		}()
		start := time.Now()
		_, err := d.WaitFor(b.Context(), time.Minute, script.Text("never"))
		var te *script.TimeoutError
		if !errors.As(err, &te) || !te.Idle || te.Limit != 5*time.Second {
			b.Fatalf("got %v, want the idle limit", err)
		}
		if got := time.Since(start); got != 21*time.Second {
			b.Errorf("ended after %v, want 21s", got)
		}
	})
}

func TestPollSeesOnlyWhatIsThere(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		if _, err := d.Poll(b.Context(), script.Text("x")); !errors.Is(err, ras.ErrRequestTimeout) {
			b.Errorf("Poll on silence: %v", err)
		}
		b.farSends("abcxyz")
		if _, err := d.Poll(b.Context(), script.Text("x")); err != nil {
			b.Errorf("Poll with the text there: %v", err)
		}
	})
}

func TestNextByte(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, &script.DialogConfig{Strip7: true})
		b.farSends("a\xE2c")
		for _, want := range []byte("abc") {
			if got, err := d.NextByte(b.Context(), time.Second); err != nil || got != want {
				b.Errorf("NextByte = %q, %v; want %q", got, err, want)
			}
		}
		if _, err := d.NextByte(b.Context(), time.Second); !errors.Is(err, ras.ErrRequestTimeout) {
			b.Errorf("NextByte on silence: %v", err)
		}
	})
}

func TestTapSeesEachConsumedByteOnce(t *testing.T) {
	onBench(t, func(b *bench) {
		var seen, atWatch string
		d := script.NewDialog(b.call, &script.DialogConfig{Tap: func(p []byte) { seen += string(p) }})
		d.Watch(script.Text("BC"), func(script.Match) error { atWatch = seen; return nil })
		b.farSends("aBCdEF rest")
		b.finds(d, 0, "aBCd", "EF", script.Text("EF"))
		if seen != "aBCdEF" || atWatch != "aBC" {
			b.Errorf("Tap saw %q, and %q when the watch was called", seen, atWatch)
		}
	})
}

// TestTapAndRegexps holds that the tap sees nothing beyond a match and nothing
// twice, however the stream is cut, where a regular expression must read on to see
// that a byte is no UTF-8.
func TestTapAndRegexps(t *testing.T) {
	for cut := range 4 {
		for _, watch := range []string{"", "\xe2", "\x82"} {
			onBench(t, func(b *bench) {
				var seen, atWatch string
				d := script.NewDialog(b.call, &script.DialogConfig{Tap: func(p []byte) { seen += string(p) }})
				if watch != "" {
					d.Watch(script.Text(watch), func(script.Match) error { atWatch = seen; return nil })
				}
				const sent = "x>\xe2\x82~end"
				for i := range len(sent) {
					if cut > 0 && i%cut == 0 {
						rest := sent[i:min(i+cut, len(sent))]
						time.AfterFunc(time.Duration(i+1)*time.Millisecond, func() { b.far.Write([]byte(rest)) })
					}
				}
				if cut == 0 {
					b.farSends(sent)
				}
				b.finds(d, 0, "x", ">\xe2", script.Regexp(regexp.MustCompile(`>[^a-z]`)))
				if seen != "x>\xe2" && watch != "\x82" {
					b.Errorf("cut %d, watch %q: the tap saw %q", cut, watch, seen)
				}
				b.finds(d, 0, "\x82~", "end", script.Text("end"))
				if seen != sent && watch != "\x82" || watch != "" && !strings.HasSuffix(atWatch, watch) {
					b.Errorf("cut %d, watch %q: the tap saw %q, and %q when the watch was called", cut, watch, seen, atWatch)
				}
			})
		}
	}
}

func TestStrip7LeavesTheRestAlone(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, &script.DialogConfig{Strip7: true})
		b.farSends("\xEClogi\xEE:\xFF\x7D")
		b.finds(d, 0, "l", "login:", script.Text("login:"))
		if got := b.unread(); got != "\xFF\x7D" {
			b.Errorf("unread %q: the far end's bytes lost their high bit", got)
		}
	})
}

func TestCancelKeepsTheLine(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		ctx, cancel := context.WithTimeoutCause(b.Context(), time.Second, errors.New("changed my mind"))
		defer cancel()
		b.farSends("half a ")
		_, err := d.WaitFor(ctx, time.Minute, script.Text("never"))
		if err == nil || !strings.Contains(err.Error(), "changed my mind") {
			b.Errorf("got %v, want the context's cause", err)
		}
		b.farSends("line OK")
		b.finds(script.NewDialog(b.call, nil), 0, "half a line ", "OK", script.Text("OK"))
	})
}

func TestFarEndGone(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		b.farSends("bye\r\n")
		b.far.Close()
		_, err := d.WaitFor(b.Context(), 0, script.Text("login:"))
		var e *script.Error
		if !errors.Is(err, ras.ErrRemoteDisconnection) || !errors.Is(err, port.ErrCarrierLost) || !errors.As(err, &e) {
			b.Fatalf("got %v", err)
		}
		if e.Op != `wait for "login:"` || e.Tail != "bye\r\n" {
			b.Errorf("got %+v", e)
		}
		if err := d.Send(b.Context(), []byte("x")); !errors.Is(err, ras.ErrRemoteDisconnection) {
			b.Errorf("Send on a lost line: %v", err)
		}
	})
}

func TestTimeoutTellsOfDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.Noise(0.2), virtual.Seed(1))
		defer near.Close()
		defer far.Close()
		io.WriteString(far, strings.Repeat("login: ", 50))
		_, err := script.Run(t.Context(), near, executor(func(ctx context.Context, d *script.Dialog) error {
			_, err := d.WaitFor(ctx, time.Second, script.Text("never"))
			return err
		}), nil)
		var te *script.TimeoutError
		if !errors.As(err, &te) || te.Damaged == 0 || !strings.Contains(err.Error(), " framing errors: check speed, parity") {
			t.Errorf("got %v, want the damaged characters counted", err)
		}
	})
}

func TestRegexpThatCannotStream(t *testing.T) {
	onBench(t, func(b *bench) {
		_, err := script.NewDialog(b.call, nil).WaitFor(b.Context(), time.Second, script.Regexp(regexp.MustCompile(`OK$`)))
		if err == nil || errors.Is(err, ras.ErrRequestTimeout) {
			b.Errorf("got %v, want a refusal", err)
		}
	})
}

// TestNULsBeyondAMatch holds that what a regular expression has read to see that its
// match had ended is given back with its NULs and once, also where these are dropped.
func TestNULsBeyondAMatch(t *testing.T) {
	invalid := script.Regexp(regexp.MustCompile(`>[^a-z]`))
	for _, rest := range []string{"\x82\x00~PPP", "\x00\x82\x00~PPP", "\x82\x00\x00~\x00PPP"} {
		for _, size := range []int{1, 2, 100} {
			sends := func(b *bench) {
				go func() {
					for text := "\x00login>\xe2" + rest; text != ""; {
						n := min(size, len(text))
						b.farSends(text[:n])
						text = text[n:]
						<-time.After(time.Millisecond)
					}
				}()
			}
			onBench(t, func(b *bench) {
				sends(b)
				b.finds(script.NewDialog(b.call, &script.DialogConfig{DropNUL: true}), 0, "login", ">\xe2", invalid)
				if got := b.unread(); got != rest {
					b.Errorf("pieces of %d: %q is left of %q", size, got, rest)
				}
			})
			onBench(t, func(b *bench) {
				sends(b)
				d := script.NewDialog(b.call, &script.DialogConfig{DropNUL: true})
				seen := 0
				d.Observe(invalid, func(script.Match) { seen++ })
				b.timesOut(d, time.Second, script.Text("none"))
				if got, want := b.unread(), "\x00login>\xe2"+rest; got != want || seen != 1 {
					b.Errorf("pieces of %d: a failed wait that saw %d matches leaves %q of %q", size, seen, got, want)
				}
			})
		}
	}
}

// TestUnreadIsLoggedOnce holds that a byte which was consumed and given back is in the
// log once, when it is consumed again.
func TestUnreadIsLoggedOnce(t *testing.T) {
	onBench(t, func(b *bench) {
		var log bytes.Buffer
		d := script.NewDialog(b.call, &script.DialogConfig{Log: slog.New(script.NewPrinter(&log, nil))})
		b.farSends("abc")
		for range 2 {
			if _, err := d.NextByte(b.Context(), time.Second); err != nil {
				b.Fatal(err)
			}
		}
		if err := d.Unread([]byte("b")); err != nil {
			b.Error(err)
		}
		b.finds(d, 0, "b", "c", script.Text("c"))
		if got := strings.Count(log.String(), "b"); got != 1 || !strings.Contains(log.String(), `"a"`) {
			b.Errorf("the log has the byte %d times:\n%s", got, log.String())
		}
	})
}

// TestIdleAndTotalTogether holds that the limit of the wait is what ended it where
// both limits pass together.
func TestIdleAndTotalTogether(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, &script.DialogConfig{Idle: time.Second})
		if te := b.timesOut(d, time.Second, script.Text("x")); te.Idle || te.Limit != time.Second {
			b.Errorf("both limits together: %+v", te)
		}
		start := time.Now()
		_, err := d.WaitFor(b.Context(), 2*time.Second, script.Text("x"))
		var te *script.TimeoutError
		if !errors.As(err, &te) || !te.Idle || te.Limit != time.Second || time.Since(start) != time.Second {
			b.Errorf("the limit for silence: %v", err)
		}
	})
}
