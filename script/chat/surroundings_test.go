package chat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// breaks counts the breaks that a script sends, and can refuse them.
type breaks struct {
	*virtual.Port
	count int
	err   error
}

func (b *breaks) SendBreak(ctx context.Context, d time.Duration) error {
	b.count++
	if b.err != nil {
		return b.err
	}
	return b.Port.SendBreak(ctx, d)
}

func TestBreak(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name, args string
		err        error
		count      int
		status     int
		sent       string
		log        string
	}{
		{"BREAK", "'' BREAK '' a", nil, 1, 0, "a\r", ""},
		{"in a text", `'' a\Kb\K`, nil, 2, 0, "ab\r", ""},
		{"in a sub-send", "TIMEOUT 1 x-BREAK-y-b c", nil, 1, 0, "b\rc\r", ""},
		{"a line without", "'' BREAK '' a", &port.OpError{Op: "break", Err: errors.ErrUnsupported}, 1, 0, "a\r", "the line cannot send a break\n"},
		{"a line that fails", "'' BREAK '' a", broken, 1, 1, "", " -- write failed: Broken\nFailed\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := &breaks{err: tt.err}
			sc := scene{args: words(tt.args), wrap: func(a port.Port) port.Port {
				line.Port = a.(*virtual.Port)
				return line
			}}
			got := sc.play(t)
			if got.Status != tt.status || got.Sent != tt.sent || line.count != tt.count || !strings.Contains(got.Log, tt.log) {
				t.Errorf("status %d, sent %q, %d breaks, log %q; want %d, %q, %d, %q",
					got.Status, got.Sent, line.count, got.Log, tt.status, tt.sent, tt.count, tt.log)
			}
		})
	}
}

// plainPort hides all abilities of a port but those of every port.
type plainPort struct{ port.Port }

func TestBreakWithoutAbility(t *testing.T) {
	sc := scene{args: words("'' BREAK '' a"), wrap: func(a port.Port) port.Port { return plainPort{a} }}
	if got := sc.play(t); got.Status != 0 || got.Sent != "a\r" {
		t.Errorf("status %d, sent %q: %v", got.Status, got.Sent, got.err)
	}
}

// full is a standard error, on a disk that is full after n writes.
type full struct{ n int }

var errFull = errors.New("no space")

func (w *full) Write(b []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// A disk that is full under the standard error or the report file ends no dial;
// it is one warning.
func TestFullDisk(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		writes     int
		sent       string
	}{
		{"in a wait", "ECHO ON a y", 0, "y\r"},
		{"in SAY", "SAY a '' b SAY c", 0, "b\r"},
		{"in a later wait", "ECHO ON a b a y", 1, "b\ry\r"},
		{"at the end", "ECHO ON a '' a \\c", 2, "\r"},
		{"in a report", "REPORT a a b \\r ''", 0, "b\r\r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, opts := range []Config{
				{Stderr: &full{tt.writes}},
				{Stderr: &full{tt.writes}, Report: &full{0}},
			} {
				sc := scene{args: words(tt.args), opts: opts, far: now("aa\r")}
				got := sc.play(t)
				if got.err != nil || got.Sent != tt.sent || strings.Count(got.Log, "cannot write what is shown") != 1 {
					t.Errorf("sent %q, error %v, log %q; want %q, none, one warning", got.Sent, got.err, got.Log, tt.sent)
				}
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	sc := scene{args: words(`$A y $1x a$none-b`), opts: Config{Env: lookup}, far: now("12one")}
	if got := sc.play(t); got.Sent != "y\ra-b\r" {
		t.Errorf("sent %q, %v", got.Sent, got.err)
	}
	sc = scene{args: []string{"a$D", "b"}, opts: Config{Env: lookup}, far: now("ax-y")}
	if got := sc.play(t); got.Sent != "b\r" {
		t.Errorf("a dash in a value divides the word: sent %q, %v", got.Sent, got.err)
	}
}

func TestReadFile(t *testing.T) {
	var asked []string
	sc := scene{args: []string{"", "@a b", "", "@ \tc"}, opts: Config{
		ReadFile: func(_ context.Context, name string) ([]byte, error) {
			asked = append(asked, name)
			if name == "c" {
				return nil, os.ErrPermission
			}
			return []byte("text\n"), nil
		},
	}}
	got := sc.play(t)
	if strings.Join(asked, "|") != "a b|c" || got.Sent != "text\r" {
		t.Errorf("asked for %q, sent %q", asked, got.Sent)
	}
	if got.Status != ExitFault || !errors.Is(got.err, os.ErrPermission) {
		t.Errorf("status %d, %v; want %d, %v", got.Status, got.err, ExitFault, os.ErrPermission)
	}
}

// The terminal of the call stands in for a standard error.
func TestTerminal(t *testing.T) {
	s, err := Parse([]string{"SAY", "hello", "ECHO", "ON", "x", ""})
	if err != nil {
		t.Fatal(err)
	}
	a, b := virtual.Pair()
	defer a.Close()
	defer b.Close()
	io.WriteString(b, "abx")
	var terminal bytes.Buffer
	if _, err := script.Run(t.Context(), a, s.Executor(&Config{Gap: -1}), &script.Config{Terminal: &terminal}); err != nil {
		t.Fatal(err)
	}
	if got, want := terminal.String(), "hello\rabx\n"; got != want {
		t.Errorf("the terminal shows %q, want %q", got, want)
	}
}

// One script can run on several lines concurrently.
func TestConcurrentRuns(t *testing.T) {
	s, err := ParseFile("x", []byte("ABORT BUSY REPORT C\nogin: ppp\nword: \\qsesame\n"))
	if err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			a, b := virtual.Pair()
			defer a.Close()
			defer b.Close()
			io.WriteString(b, "C 9600\rlogin: Password: ")
			if _, err := script.Run(t.Context(), a, s.Executor(&Config{Gap: -1}), nil); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
}

// A script runs on an API alone, without script.Run.
func TestBareCall(t *testing.T) {
	a, b := virtual.Pair()
	defer b.Close()
	session := ras.NewSession(a, nil)
	defer session.Close()
	s, err := Parse([]string{"OK", "x"})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(b, "OK")
	if err := s.Execute(t.Context(), &ras.Call{API: session, Port: session.Handle()}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "x\r" {
		t.Errorf("the far end got %q, %v", got, err)
	}
}

// \T and \U are the call's name and password, and a script that needs a name is
// refused without one before it sends anything.
func TestUseParams(t *testing.T) {
	sc := scene{
		args: []string{"", `\T`, "", `\q\U`}, opts: Config{UseParams: true},
		params: &ras.DialParams{UserName: "guest", Password: "secret"},
	}
	if got := sc.play(t); got.Sent != "guest\rsecret\r" || got.err != nil {
		t.Errorf("sent %q, %v; want the name and the password", got.Sent, got.err)
	}
	for _, args := range [][]string{
		{"", "AT", "x-\\T-y", ""},
		{"", "AT", "", `\T`},
	} {
		sc := scene{args: args, opts: Config{UseParams: true}, params: &ras.DialParams{Password: "secret"}}
		var missing *script.MissingError
		if got := sc.play(t); got.Sent != "" || got.Status != ExitFault || !errors.As(got.err, &missing) || missing.Field != "UserName" {
			t.Errorf("%q without a name: sent %q, status %d, %v", args, got.Sent, got.Status, got.err)
		}
	}
	for _, noPassword := range []bool{false, true} {
		sc := scene{args: []string{"", "AT", "", `\U`}, opts: Config{UseParams: true}, params: &ras.DialParams{UserName: "guest", NoPassword: noPassword}}
		got := sc.play(t)
		if noPassword && (got.Sent != "AT\r\r" || got.err != nil) {
			t.Errorf("with a password known to be empty: sent %q, %v", got.Sent, got.err)
		} else if !noPassword && (got.Sent != "" || got.err == nil || !strings.Contains(got.err.Error(), "argument 4:1: the script sends \\U: a password is needed")) {
			t.Errorf("without a password: sent %q, %v", got.Sent, got.err)
		}
	}
	sc = scene{
		args: []string{"", "@file"}, params: &ras.DialParams{},
		opts: Config{UseParams: true, ReadFile: func(context.Context, string) ([]byte, error) { return []byte(`x\T`), nil }},
	}
	if got := sc.play(t); got.Sent != "" || !errors.Is(got.err, ras.ErrInvalidParameter) {
		t.Errorf("\\T in a file without a name: sent %q, %v", got.Sent, got.err)
	}
}

// A file that a script sends is missed before the dial, by Check, and a
// pipe is not opened for it. That of a sub-send may never be needed.
func TestCheckFiles(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(cfg *Config, words ...string) error {
		s, err := Parse(words)
		if err != nil {
			t.Fatal(err)
		}
		return s.Executor(cfg).(script.Checker).Check(nil)
	}
	gone := there + ".gone"
	err := check(nil, "", "AT", "word:", "@ "+gone)
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ras.ErrFileNotFound) || !strings.Contains(err.Error(), "argument 4:1: cannot read the text to send from") {
		t.Errorf("a file that is not there: %v", err)
	}
	own := &Config{ReadFile: func(context.Context, string) ([]byte, error) { return nil, nil }}
	for _, err := range []error{
		check(nil, "", "@"+there), check(nil, "x-@"+gone+"-y", "@"), check(nil, "@"+gone, `\@`+gone), check(own, "", "@"+gone),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
