package scripttest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// exchange is a modem on a pseudo-terminal for a program of other people. The
// number 5551234 is a host, 5550000 is busy.
func exchange(t *testing.T, name string) (*scripttest.Modem, *pty.Pair) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, ok := scripttest.PersonalityOf(name)
	if !ok {
		t.Fatalf("there is no personality %q", name)
	}
	m := scripttest.NewModem(pair.Port, &scripttest.ModemConfig{Personality: p, Dial: func(_ context.Context, number string) scripttest.Answer {
		if number != "5551234" {
			return scripttest.Answer{Result: "BUSY", After: 100 * time.Millisecond}
		}
		in, out := virtual.Pair()
		scripttest.NewLogin(out, nil)
		return scripttest.Answer{Far: in, After: 100 * time.Millisecond, Connect: "CONNECT 9600"}
	}})
	t.Cleanup(func() {
		m.Close()
		if t.Failed() {
			t.Log(m.Transcript())
		}
	})
	return m, pair
}

// onTerminal runs a program whose standard input and output are the terminal,
// and returns its exit status.
func onTerminal(t *testing.T, name string, cmd *exec.Cmd) int {
	t.Helper()
	tty, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd.Stdin, cmd.Stdout = tty, tty
	return status(t, cmd)
}

func status(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	var out strings.Builder
	cmd.Stderr = &out
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Logf("%s: %v\n%s", cmd.Path, err, out.String())
		return exit.ExitCode()
	case err != nil:
		t.Fatalf("%s: %v", cmd.Path, err)
	}
	return 0
}

// idle waits until the modem has no call.
func idle(t *testing.T, m *scripttest.Modem) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); m.Connected(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the call is up after its program")
		}
	}
}

// chat(8) dials the double, finds a number busy, and dials again.
func TestChatDialsTheModem(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the program's own pauses")
	}
	program := peertest.Program(t, "chat")
	for _, name := range []string{"hayes", "usr", "tcpser", "no echo", "bare CR"} {
		t.Run(name, func(t *testing.T) {
			m, pair := exchange(t, name)
			dial := func(number string) *exec.Cmd {
				return exec.CommandContext(t.Context(), program, "-t", "5", "ABORT", "BUSY", "", "ATZ", "OK-\\d\\rATZ-OK", "ATDT"+number, "CONNECT", "\\c", "ogin:", "\\c")
			}
			if got := onTerminal(t, pair.Name, dial("5551234")); got != 0 {
				t.Errorf("the host: exit %d", got)
			}
			idle(t, m)
			if got := onTerminal(t, pair.Name, dial("5550000")); got != 4 {
				t.Errorf("the busy number: exit %d, want 4", got)
			}
			if got := onTerminal(t, pair.Name, dial("5551234")); got != 0 {
				t.Errorf("the host after that: exit %d", got)
			}
			idle(t, m)
		})
	}
}

// Minicom's runscript dials the double.
func TestRunscriptDialsTheModem(t *testing.T) {
	t.Parallel()
	program := peertest.Program(t, "runscript")
	script := filepath.Join(t.TempDir(), "dial")
	const text = `print dialling
timeout 20
verbose off
send "ATZ"
expect {
	"OK"
	timeout 5 exit 2
}
send "ATDT5551234"
expect {
	"CONNECT" goto login
	"BUSY" exit 3
	timeout 5 exit 4
}
login:
expect {
	"ogin:" exit 0
	timeout 5 exit 5
}
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, pair := exchange(t, "hayes")
	if got := onTerminal(t, pair.Name, exec.CommandContext(t.Context(), program, script)); got != 0 {
		t.Errorf("exit %d", got)
	}
	idle(t, m)
}

// C-Kermit dials the double with its own dialler, talks and hangs up.
func TestKermitDialsTheModem(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the program's own pauses")
	}
	program := peertest.Program(t, "kermit")
	m, pair := exchange(t, "hayes")
	script := filepath.Join(t.TempDir(), "dial.ksc")
	text := `set modem type hayes-2400
set line ` + pair.Name + `
if fail exit 10
set carrier-watch off
set flow none
set dial display on
set dial timeout 20
set dial retries 1
dial 5551234
if fail exit 11
input 10 login:
if fail exit 12
output guest\13
input 10 assword:
if fail exit 13
hangup
exit 0
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, script)
	if got := status(t, cmd); got != 0 {
		t.Errorf("exit %d", got)
	}
	idle(t, m)
}

// Mgetty sets the double up, answers its ring and greets the caller.
func TestMgettyAnswersTheModem(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the program's own pauses")
	}
	program := peertest.Program(t, "mgetty")
	if os.Getuid() != 0 {
		t.Skip("mgetty runs as root alone")
	}
	m, pair := exchange(t, "hayes")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-D", "-x", "0", "-n", "1", "-s", "9600", "-p", "rasline login: ", strings.TrimPrefix(pair.Name, "/dev/"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	for !strings.Contains(string(m.Transcript().Received()), "AT") {
		select {
		case <-ctx.Done():
			t.Fatal("mgetty sends no command")
		case <-time.After(20 * time.Millisecond):
		}
	}
	for seen := -1; seen != len(m.Transcript().Received()); <-time.After(time.Second) {
		seen = len(m.Transcript().Received()) // it sets the modem up
	}
	in, out := virtual.Pair()
	m.Ring(in, 5)
	out.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	b := make([]byte, 256)
	for !strings.Contains(string(got), "login:") {
		n, err := out.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			t.Fatalf("the caller is greeted by %q, %v", got, err)
		}
	}
	if !m.Connected() {
		t.Error("there is no call")
	}
	out.Close()
}
