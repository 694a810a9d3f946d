package scp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

func TestStepLimit(t *testing.T) {
	tests := []struct{ name, commands, dialogue string }{
		{"goto", "a: goto a", "steps 1000\noutcome failed\nline 2\nerror \"1000 commands without waiting\"\ncode 752"},
		{"default", "a: goto a", "outcome failed\nline 2\nerror \"1000000 commands\""},
		{"while", "while TRUE do endwhile", "steps 10\noutcome failed\nline 2\nerror \"limit\""},
		{"no wait at all", "a: delay 0\nwaitfor \"\" until 5\ngoto a", "steps 10\noutcome failed\nerror \"limit\""},
		{"just enough", "integer n\nwhile n < 4 do\nn = n + 1\nendwhile\ntransmit \"x\"", "steps 10\nexpect \"x\""},
		{"one too few", "integer n\nwhile n < 4 do\nn = n + 1\nendwhile\ntransmit \"x\"", "steps 9\noutcome failed\nline 6\nerror \"limit\""},
		{"a delay starts anew", "integer n\nwhile n < 50 do\nn = n + 1\ndelay 1\nendwhile\ntransmit \"x\"", "steps 10\nexpect \"x\"\ntook 50s"},
		{"a timeout starts anew", "integer n\nwhile n < 50 do\nn = n + 1\nwaitfor \"a\" until 1\nendwhile\ntransmit \"x\"", "steps 10\nexpect \"x\"\ntook 50s"},
		{"a match starts anew", "integer n\nwhile n < 20 do\nn = n + 1\nwaitfor \"a\"\nendwhile\ntransmit \"x\"", "steps 10\nsend \"aaaaaaaaaaaaaaaaaaaa\"\nexpect \"x\"\ntook 0s"},
		{"getip starts anew", "integer n\nwhile n < 5 do\nn = n + 1\ngetip\nendwhile\ntransmit \"x\"", "steps 10\nsend \"1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 \"\nexpect \"x\"\nrest \" \""},
		{"an endless poll", "a: waitfor \"x\" until 0\ngoto a", "steps 10\noutcome failed\nerror \"limit\""},
		{"long expressions", "integer n\na: n = 0" + strings.Repeat(" + 1", 50000) + "\ngoto a", "steps 10000\noutcome failed\nerror \"10000 commands without waiting\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, tt.dialogue) })
	}
}

func TestStringLimits(t *testing.T) {
	many := "string a = \"12345\"\n"
	for i := range 20 {
		many += fmt.Sprintf("string s%d = a + a\n", i)
	}
	double := "string s = \"x\"\na: s = s + s\ngoto a"
	tests := []struct{ name, commands, dialogue string }{
		{"doubling", double, "outcome failed\nline 3\nerror \"a string would have 2097152 bytes, more than 1048576\"\ncode 752"},
		{"the Program's own", double, "string 100\noutcome failed\nline 3\nerror \"128 bytes, more than 100\""},
		{"just enough", "string s = \"12345\" + \"67890\"\ntransmit s", "string 10\nexpect \"1234567890\""},
		{"all together", many, "string 10\noutcome failed\nline 18\nerror \"all strings together would have more than 160 bytes\""},
		{"texts of a waitfor", "string s = \"x\"\ninteger n\nwhile n < 14 do\ns = s + s\nn = n + 1\nendwhile\nwaitfor s until 5", "outcome failed\nline 8\nerror \"more than 8192 bytes\""},
		{"texts made from the password", "string s\na: s = s + $PASSWORD\ntransmit s, raw\ngoto a", "password \"0\"\noutcome failed\nline 4\nerror \"made from the password\"\n" +
			"expect \"" + strings.Repeat("0", 256*257/2) + "\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, tt.dialogue) })
	}
}

func TestLimitErrorsMatchErrLimit(t *testing.T) {
	err := runAlone(t, context.Background(), "a: goto a")
	if !errors.Is(err, ErrLimit) || !errors.Is(err, ras.ErrScriptSyntax) {
		t.Errorf("error %v, want one that matches %v and %v", err, ErrLimit, ras.ErrScriptSyntax)
	}
}

// runAlone runs commands with a peer that sends nothing.
func runAlone(t *testing.T, ctx context.Context, commands string) error {
	t.Helper()
	prog, err := Parse("t.scp", []byte(body(commands)))
	if err != nil {
		t.Fatal(err)
	}
	near, far := virtual.Pair()
	defer far.Close()
	defer near.Close()
	_, err = script.Run(ctx, near, prog, nil)
	return err
}

func TestCancelFreesEveryWait(t *testing.T) {
	for _, command := range []string{"delay 1000", "waitfor \"x\"", "waitfor \"x\" until 1000", "getip"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("the user has had enough")
				ctx, cancel := context.WithCancelCause(context.Background())
				time.AfterFunc(3*time.Second, func() { cancel(cause) })
				start := time.Now()
				err := runAlone(t, ctx, command)
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("took %v, want 3s", took)
				}
				var at *script.RunError
				if !errors.Is(err, cause) || !errors.As(err, &at) || at.Line != 2 || ending(err) != "failed" {
					t.Errorf("error %v, want one in line 2 that matches %v", err, cause)
				}
			})
		})
	}
}

func TestCancelEndsAScriptThatNeverWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	prog, err := Parse("t.scp", []byte(body("a: goto a")))
	if err != nil {
		t.Fatal(err)
	}
	if err := prog.Executor(&Config{MaxSteps: -1}).Execute(ctx, &ras.Call{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestOneProgramInSeveralRuns(t *testing.T) {
	prog, err := Parse("t.scp", []byte(body("integer n", "while n < 100 do", "n = n + 1", "transmit $USERID", "endwhile")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for _, user := range []string{"a", "b", "c", "d"} {
		go func() {
			near, far := virtual.Pair()
			defer far.Close()
			defer near.Close()
			_, err := script.Run(t.Context(), near, prog, &script.Config{Params: &ras.DialParams{UserName: user}})
			got := make([]byte, 101)
			far.SetReadDeadline(time.Now().Add(10 * time.Second))
			near.Close()
			n, _ := readAll(far, got)
			if want := strings.Repeat(user, 100); err == nil && string(got[:n]) != want {
				err = errors.New("got " + string(got[:n]))
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func readAll(p *virtual.Port, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = p.Read(b[n:])
		n += m
	}
	return n, err
}

func TestACallWithoutParams(t *testing.T) {
	near, far := virtual.Pair()
	defer far.Close()
	defer near.Close()
	session := ras.NewSession(near, nil)
	defer session.Close()
	prog, err := Parse("t.scp", []byte(body(`if $USERID + $PASSWORD == "" then transmit "empty" endif`)))
	if err != nil {
		t.Fatal(err)
	}
	if err := prog.Execute(t.Context(), &ras.Call{API: session, Port: session.Handle()}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := readAll(far, got); string(got) != "empty" {
		t.Errorf("got %q, %v, want %q", got, err, "empty")
	}
}
