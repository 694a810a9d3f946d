package runscript_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/runscript"
)

// said is what a peer sends at a time after the start.
type said struct {
	at   time.Duration
	text string
}

// outcome is what can be seen of a run.
type outcome struct {
	sent, shown, left, log string
	took                   time.Duration
	err                    error
}

// play runs a script against a peer, on fake time.
func play(t *testing.T, src string, cfg *runscript.Config, peer ...said) (out outcome) {
	t.Helper()
	s, err := runscript.Parse("s", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		var shown, sent, log bytes.Buffer
		var c runscript.Config
		if cfg != nil {
			c = *cfg
		}
		c.Terminal = &shown
		var all sync.WaitGroup
		all.Go(func() { io.Copy(&sent, far) })
		done := make(chan struct{})
		all.Go(func() {
			start := time.Now()
			for _, p := range peer {
				select {
				case <-time.After(p.at - time.Since(start)):
					io.WriteString(far, p.text)
				case <-done:
					return
				}
			}
		})
		res, err := script.Run(t.Context(), near, s.Executor(&c), &script.Config{
			Params: &ras.DialParams{UserName: "joe", Password: "Xy7QzW9kLm"},
			Log:    slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		close(done)
		out = outcome{shown: shown.String(), left: string(res.Unread), log: log.String(), took: res.Duration, err: err}
		near.Close()
		all.Wait()
		far.Close()
		out.sent = sent.String()
	})
	return out
}

func TestCommands(t *testing.T) {
	at := func(d time.Duration, text string) said { return said{d * time.Millisecond, text} }
	for _, tt := range []struct {
		name, src   string
		peer        []said
		sent, shown string
		took        time.Duration
	}{
		{"send", "send hello   world\nsend \"a  b\"c\nsend\nsend x\\c", nil, "hello world\ra  b c\r\rx", "", 0},
		{"escapes", `send "\n\r\a\b\f\^\"\q\\\c"`, nil, "\r\r\a\b\f^\"q\\", "", 0},
		{"octal", `send "\0061234\6x\101\0000\0377\c"`, nil, "1234\x06xA\x00\xff", "", 0},
		{"control characters", `send "^A^a^[^]^^^_^?^1^\x"`, nil, "\x01\x01\x1b\x1d\x1e\x1f^?^1\x1cx\r", "", 0},
		{"values", `send "$(LOGIN)/$(NO)x" $LOGIN $( $`, nil, "joe/x $LOGIN $( $\r", "", 0},
		{"print", "print a  b\nprint \"c\\nd\"\nprint x\\c\nprint $(LOGIN) $(PASS)", nil, "", "a b\r\nc\r\nd\r\nxjoe ***\r\n", 0},
		{"comments and spaces", "  # x\n\n\tsend a # b\n", nil, "a # b\r", "", 0},
		{"CR LF", "send a\r\nsend \"b\"\r\n", nil, "a\rb\r", "", 0},
		{"goto and labels", "goto l1\nsend a\n  l1:\nsend b", nil, "b\r", "", 0},
		{"gosub", "gosub s\nsend b\nexit\ns:\ngosub u\nsend a\nreturn\nu:\nsend u\nreturn\n", nil, "u\ra\rb\r", "", 0},
		{"return without gosub", "return\nsend a", nil, "a\r", "", 0},
		{"variables", "set a 5\ninc a\ndec a\ninc a\nif a = 6 send y\nif a > 6 send n\nif a < 7 if a != 5 send z\nset b a\nif b = 6 send b\nset c 4x\nif c = 4 send c\nset d\nif d = 0 send d\nset e -2\nif e < 0 send e\nif $? = 0 send q", nil, "y\rz\rb\rc\rd\re\rq\r", "", 0},
		{"sleep keeps what is received", "sleep 3\nexpect \"login:\"\nsend x", []said{at(100, "login:")}, "x\r", "login:", 3 * time.Second},
		{"expect", "expect ogin:\nsend x", []said{at(200, "login: rest")}, "x\r", "login:", 200 * time.Millisecond},
		{"the first written pattern", "expect {\n\"in:\" send a\n\"login:\" break\n}\nsend b", []said{at(0, "login:")}, "a\r", "login:", -1},
		{"a command goes on waiting", "expect {\n\"b\" send x\n\"a\"\n}\nsend y", []said{at(0, "bbca")}, "x\rx\ry\r", "bbca", 0},
		{"break, goto and return end it", "gosub s\nexpect {\n\"b\" goto l\n}\nl:\nsend z\nexit\ns:\nexpect {\n\"a\" return\n}\n", []said{at(0, "ab")}, "z\r", "ab", 0},
		{"gosub goes on waiting", "expect {\n\"a\" gosub s\n\"b\"\n}\nexit\ns:\nsend s\nexpect \"c\"\nreturn\n", []said{at(0, "acb")}, "s\r", "acb", 0},
		{"one clock", "expect {\n\"a\" sleep 1\ntimeout 2 send late\n}\nsend x", []said{at(900, "a"), at(1800, "a")}, "late\rx\r", "aa", 2900 * time.Millisecond},
		{"a timeout of a variable", "set n 2\nexpect {\n\"a\"\ntimeout n goto l\n}\nsend no\nl:\nsend yes", nil, "yes\r", "", 2 * time.Second},
		{"memory of the tail", "expect \"ab\"\nexpect \"bc\"\nsend x", []said{at(0, "abc")}, "x\r", "abc", 0},
		{"a send ends the memory", "expect \"ab\"\nsend x\nexpect {\n\"bc\" send n\ntimeout 1 send y\n}", []said{at(0, "abc")}, "x\ry\r", "abc", time.Second},
		{"a quoted timeout is a pattern", "expect {\n\"timeout\"\n}\nsend x", []said{at(0, "timeout")}, "x\r", "timeout", 0},
		{"verbose", "verbose off\nexpect \"a\"\nverbose on\nexpect \"b\"", []said{at(0, "xayb")}, "", "yb", 0},
		{"the script's limit begins anew", "timeout 3\nsleep 2\ntimeout 3\nsleep 2\nsend x", nil, "x\r", "", 4 * time.Second},
		{"the old way to end", "send x\n! killall -9 minicom\nsend y", nil, "x\r", "", 0},
		{"a nested block", "if 1 = 1 expect {\n\"a\"\n}\nsend x", []said{at(0, "a")}, "x\r", "a", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.took < 0 { // the pattern goes on waiting for ever
				out := play(t, tt.src, nil, tt.peer...)
				if out.sent != tt.sent {
					t.Errorf("sent %q, want %q", out.sent, tt.sent)
				}
				return
			}
			out := play(t, tt.src, nil, tt.peer...)
			if out.err != nil || out.sent != tt.sent || out.shown != tt.shown || out.took != tt.took {
				t.Errorf("sent %q, shown %q after %v, %v; want %q, %q, %v", out.sent, out.shown, out.took, out.err, tt.sent, tt.shown, tt.took)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		cfg       runscript.Config
		code      ras.Code
		want      string
		took      time.Duration
	}{
		{"the limit of an expect", "expect {\n\"ogin:\"\n\"x\" send y\ntimeout 3\n}", runscript.Config{}, ras.ErrRequestTimeout, `s:1: expect "ogin:" or "x": nothing that is expected was received within 3s`, 3 * time.Second},
		{"the limit of the script", "expect \"ogin:\"", runscript.Config{}, ras.ErrRequestTimeout, `s:1: expect "ogin:": the script's limit of 2m0s has passed`, 2 * time.Minute},
		{"a limit of the host's", "expect \"ogin:\"", runscript.Config{Timeout: time.Second}, ras.ErrRequestTimeout, "the script's limit of 1s", time.Second},
		{"in a sleep", "timeout 2\nsleep 5", runscript.Config{}, ras.ErrRequestTimeout, "s:2: sleep: the script's limit of 2s", 2 * time.Second},
		{"exit", "send \"hidden\"\nexit 5", runscript.Config{}, ras.ErrUnknown, "s:2: exit: the script ended with exit 5", 0},
		{"a variable that was not set", "if 1 = 0 set n 1\nif n = 0 send x", runscript.Config{}, ras.ErrScriptSyntax, `s:2: if =: the variable "n" was not set`, 0},
		{"control characters", "if 1 = 0 set \x1b[2J 1\ninc \x1b[2J", runscript.Config{}, ras.ErrScriptSyntax, `s:2: inc \x1b[2J: the variable "\x1b[2J" was not set`, 0},
		{"break outside", "break", runscript.Config{}, ras.ErrScriptSyntax, "s:1: break: break is not inside an expect", 0},
		{"a loop", "l:\ngoto l", runscript.Config{}, ras.ErrScriptSyntax, "more than 1000000 commands without waiting", 0},
		{"endless gosub", "l:\ngosub l", runscript.Config{}, ras.ErrScriptSyntax, "gosub inside gosub", 0},
		{"the shell is off", "! ls", runscript.Config{}, ras.ErrNotSupported, "commands of the shell are off", 0},
		{"call is off", "call x", runscript.Config{}, ras.ErrNotSupported, "calls of other scripts are off", 0},
		{"a call that fails", "call x", runscript.Config{Open: func(string) ([]byte, error) { return []byte("exit 3"), nil }}, ras.ErrUnknown, "x:1: exit: the script ended with exit 3", 0},
		{"variables of a call", "set a 1\ncall x", runscript.Config{Open: func(string) ([]byte, error) { return []byte("inc a"), nil }}, ras.ErrScriptSyntax, `x:1: inc a: the variable "a" was not set`, 0},
		{"endless calls", "call x", runscript.Config{Open: func(string) ([]byte, error) { return []byte("call x"), nil }}, ras.ErrScriptSyntax, "scripts that call scripts", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := play(t, tt.src, &tt.cfg)
			if out.err == nil || ras.CodeOf(out.err) != tt.code || !strings.Contains(out.err.Error(), tt.want) || out.took != tt.took {
				t.Errorf("%v after %v, want %v with %q after %v", out.err, out.took, tt.code, tt.want, tt.took)
			}
			var run *script.RunError
			if !errors.As(out.err, &run) || run.Line == 0 {
				t.Errorf("%v has no place", out.err)
			}
			var exit *runscript.ExitError
			if errors.As(out.err, &exit) != strings.Contains(tt.want, "exit ") {
				t.Errorf("%v: exit error %v", out.err, exit)
			}
			if tt.code == ras.ErrRequestTimeout && !errors.Is(out.err, os.ErrDeadlineExceeded) {
				t.Errorf("%v does not match os.ErrDeadlineExceeded", out.err)
			}
		})
	}
}

func TestShellAndLog(t *testing.T) {
	var log bytes.Buffer
	var commands []string
	cfg := &runscript.Config{LogFile: &log, Shell: func(_ context.Context, command string, stdout io.Writer) (int, error) {
		commands = append(commands, command)
		io.WriteString(stdout, "out\n")
		return 3, nil
	}}
	out := play(t, "! echo  x\n!< y\nif $? = 3 send three\nlog \"a  b\" \\n $(PASS)\n", cfg)
	if out.sent != "out\nout\nthree\r" || strings.Join(commands, "|") != "echo  x|y" || out.err != nil {
		t.Errorf("sent %q, commands %q, %v", out.sent, commands, out.err)
	}
	if got := log.String(); !strings.HasSuffix(got, " \"a  b\" \\n $(PASS)\n") || got != "20000101 00:00:00"+got[17:] {
		t.Errorf("log %q", got)
	}
}

func TestFreshWait(t *testing.T) {
	const src = "expect \"ab\"\nexpect {\n\"bc\" send x\ntimeout 1 break\n}"
	if out := play(t, src, &runscript.Config{FreshWait: true}, said{0, "abc"}); out.sent != "" || out.err != nil {
		t.Errorf("sent %q, %v", out.sent, out.err)
	}
}

// What follows a match is left for PPP, and the carrier's loss is a failure.
func TestRestAndCarrier(t *testing.T) {
	if out := play(t, "expect \"CONNECT\"", nil, said{0, "CONNECT 9600~"}); out.left != " 9600~" {
		t.Errorf("%q is left, want the rest", out.left)
	}
	s, err := runscript.Parse("s", []byte("expect \"x\""))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer near.Close()
		far.Close()
		_, err := script.Run(t.Context(), near, s, nil)
		if !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("%v, want %v", err, port.ErrCarrierLost)
		}
	})
}

// The password shows nowhere, nor does its echo.
func TestSecrets(t *testing.T) {
	out := play(t, "send \"$(LOGIN)/$(PASS)\"\nprint $(PASS)\nexpect {\n\"$(PASS)!\"\ntimeout 2\n}", nil, said{time.Second, "joe/Xy7QzW9kLm\r\nXy7QzW9k\r\nbad"})
	if out.sent != "joe/Xy7QzW9kLm\r" || out.err == nil {
		t.Fatalf("sent %q, %v", out.sent, out.err)
	}
	shown := out.shown + out.log + out.err.Error()
	for i := range len("Xy7QzW9kLm") - 3 {
		if strings.Contains(shown, "Xy7QzW9kLm"[i:i+4]) {
			t.Fatalf("%q shows in\n%s", "Xy7QzW9kLm"[i:i+4], shown)
		}
	}
}

func TestCheck(t *testing.T) {
	s, err := runscript.Parse("s", []byte("sleep 1\nsend \"$(LOGIN)\"\nexpect {\n\"$(PASS)\"\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var c script.Checker = s
	var missing *script.MissingError
	if err := c.Check(nil); !errors.As(err, &missing) || err.Error() != "s:2: the script uses $(LOGIN): a user name is needed and none is given" {
		t.Errorf("without parameters: %v", err)
	}
	if err := c.Check(&ras.DialParams{UserName: "x"}); !errors.As(err, &missing) || missing.Field != "Password" {
		t.Errorf("without a password: %v", err)
	}
	if err := c.Check(&ras.DialParams{UserName: "x", NoPassword: true}); err != nil {
		t.Errorf("with both: %v", err)
	}
}

// A command that is off is refused before anything is sent, unless it may never run.
func TestCheckCommandsThatAreOff(t *testing.T) {
	for _, tt := range []struct {
		src  string
		cfg  runscript.Config
		want string
	}{
		{"send a\ncall x", runscript.Config{}, "s:2: call: calls of other scripts are off"},
		{"send a\nexpect b\nl:\nexpect {\n\"c\"\n}\n! ls", runscript.Config{}, "s:7: !: commands of the shell are off"},
		{"send a\ncall x", runscript.Config{Open: os.ReadFile}, ""},
		{"send a\nif $? = 1 call x", runscript.Config{}, ""},
		{"send a\nexit\nfailed:\n! beep", runscript.Config{}, ""},
		{"expect {\n\"a\" exit\n}\n! beep", runscript.Config{}, ""},
		{"send a\n! killall -9 minicom", runscript.Config{}, ""},
	} {
		s, err := runscript.Parse("s", []byte(tt.src))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Executor(&tt.cfg).(script.Checker).Check(nil)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.HasPrefix(got, tt.want) || err != nil && !errors.Is(err, ras.ErrNotSupported) {
			t.Errorf("%q: %v, want %q", tt.src, err, tt.want)
		}
	}
}

// Any cut of the same bytes gives the same outcome.
func TestAnySplit(t *testing.T) {
	const src, text = "set n 0\nexpect {\n\"aab\" inc n\n\"ab\" send 2\n\"bca\" goto l\n}\nl:\nexpect \"axa\"\nsend 3", "aaababbcaxaxa rest"
	want := play(t, src, nil, said{0, text})
	for cut := range len(text) {
		got := play(t, src, nil, said{0, text[:cut]}, said{0, text[cut:]})
		if got.sent != want.sent || got.shown != want.shown || got.err != nil {
			t.Errorf("cut at %d: sent %q, shown %q, %v; want %q, %q", cut, got.sent, got.shown, got.err, want.sent, want.shown)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"send \"a\\n$(LOGIN)\"", "expect {\n\"a\" if a = 1 send x\ntimeout 3 goto l\n}\nl:\n", "if 1 = 1 expect {\n}", "\"", "set a $(X)\ninc a", "!", "expect {", "\\"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := runscript.Parse("s", src)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v and %v", s, err)
		}
	})
}
