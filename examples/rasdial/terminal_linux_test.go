package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/script/scripttest"
)

var update = flag.Bool("update", false, "write the pictures of the terminal anew")

const terminalScript = `proc main
  set screen keyboard on
  waitfor "ready" then done until 60
  halt
done:
endproc
`

// screenOf is a terminal of 80 by 24 characters that tmux emulates, with a
// shell in it.
type screenOf struct {
	t      *testing.T
	socket string
}

func newScreenOf(t *testing.T) *screenOf {
	t.Helper()
	tmux := peertest.Program(t, "tmux")
	s := &screenOf{t, filepath.Join(t.TempDir(), "tmux")}
	cmd := exec.Command(tmux, "-S", s.socket, "-f", os.DevNull, "new-session", "-d", "-x", "80", "-y", "24", "env", "PS1=$ ", "sh")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { s.tmux("kill-server") })
	s.await("$")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.run(fmt.Sprintf("rasdial() { %s=1 %s \"$@\"; }", asProgram, program))
	return s
}

// run types a command on an empty screen.
func (s *screenOf) run(command string) {
	s.keys("clear; " + command)
	s.press("Enter")
}

func (s *screenOf) tmux(args ...string) string {
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil && args[0] != "kill-server" {
		s.t.Errorf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screenOf) keys(text string)       { s.tmux("send-keys", "-l", text) }
func (s *screenOf) press(keys ...string)   { s.tmux(append([]string{"send-keys"}, keys...)...) }
func (s *screenOf) shows(text string) bool { return strings.Contains(s.text(), text) }

// text returns what the screen shows. A line that is wrapped is one: where it wraps
// depends on the numbers in it.
func (s *screenOf) text() string {
	text := trailing.ReplaceAllString(s.tmux("capture-pane", "-p", "-J"), "\n")
	return strings.TrimRight(text, "\n") + "\n"
}

var trailing = regexp.MustCompile(` +\n`)

// await waits until the screen shows the text.
func (s *screenOf) await(text string) {
	s.t.Helper()
	s.until(text, func() bool { return s.shows(text) })
}

// awaitPrompt waits until the shell is ready for the next command.
func (s *screenOf) awaitPrompt() {
	s.t.Helper()
	s.until("the shell's prompt", func() bool { return strings.HasSuffix(s.text(), "\n$\n") })
}

func (s *screenOf) until(what string, shown func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 40*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !shown() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("the screen does not show %q:\n%s", what, s.text())
		}
	}
}

var changing = regexp.MustCompile(`\[ *[0-9]+\.[0-9]{3}s\]|127\.0\.0\.1:[0-9]+|after [0-9.hmµn]+s|[0-9]+ bytes (in|wait)|, [0-9]+ out`)

// picture compares the screen with a file of testdata, times and ports aside.
func (s *screenOf) picture(name string) {
	s.t.Helper()
	got := changing.ReplaceAllStringFunc(s.text(), func(m string) string {
		if strings.HasPrefix(m, "after ") {
			return "after 0s" // whatever its unit
		}
		return strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return '0'
			}
			return r
		}, m)
	})
	got = regexp.MustCompile(`0+`).ReplaceAllString(got, "0")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if got != string(want) {
		s.t.Errorf("the screen is\n%s\nwant %s:\n%s", got, path, want)
	}
}

// userAtATerminal answers a login, a password and a menu at a real terminal. The peer
// queries the terminal's position and its kind meanwhile; what the terminal
// answers is sent to the peer and not to the user's shell.
func userAtATerminal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "menu.scp"), []byte(terminalScript), 0o600); err != nil {
		t.Fatal(err)
	}
	address := host(t, &scripttest.LoginConfig{
		User: "joe", Password: password, Menu: []string{"Telnet", "PPP", "Quit"},
		Welcome: "\r\nWelcome.\r\n", Frame: []byte("\x1b[6n\x1b[cready\r\n"),
	})
	s := newScreenOf(t)
	s.run("cd " + dir)
	s.run("rasdial -port " + address + " -terminal -script menu.scp")
	s.await("login:")
	s.keys("jo") // each key is echoed by the peer alone
	s.await("login: jo")
	s.keys("e")
	s.press("Enter")
	s.await("Password:")
	s.picture("terminal-password.txt")
	s.keys(password)
	s.press("Enter")
	s.await("Your choice:")
	s.keys("2")
	s.press("Enter")
	s.await("RASCS_Connected")
	s.awaitPrompt()
	s.keys("echo the shell is empty")
	s.press("Enter")
	s.await("\nthe shell is empty")
	s.picture("terminal-login.txt")
	if s.shows(password) {
		t.Error("the screen shows the password")
	}
}

// haltAtATerminal runs a script that halts, which lets the user talk to the peer until Ctrl-], and Ctrl-C
// restores the terminal.
func haltAtATerminal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "halt.scp"), []byte("proc main\nset screen keyboard on\nhalt\nendproc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // answers each key of the menu immediately
				defer conn.Close()
				fmt.Fprint(conn, "Menu: 1) one 2) two ? ")
				for b := make([]byte, 1); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
					fmt.Fprintf(conn, "<%q>", b)
				}
			}()
		}
	}()
	for _, end := range []string{"C-]", "C-c"} {
		s := newScreenOf(t)
		s.run("cd " + dir)
		s.run("rasdial -port tcp://" + l.Addr().String() + " -terminal -script halt.scp")
		s.await("two ?")
		s.keys("2")
		s.await(`<"2">`)
		s.press(end)
		s.await(map[string]string{"C-]": "RASCS_Connected", "C-c": "interrupt"}[end])
		s.awaitPrompt()
		s.keys("stty -a | grep -o ' icanon'")
		s.press("Enter")
		s.await("\n icanon")
	}
}

// passwordIsRefused ends the prompt without a line, which is not an empty password.
func passwordIsRefused(t *testing.T) {
	address := host(t, &scripttest.LoginConfig{User: "joe", Password: password})
	s := newScreenOf(t)
	s.run("rasdial -port " + address + " -user joe; echo status $?")
	s.await("Password for joe:")
	s.press("C-d")
	s.status(2)
	if s.shows("RASCS_OpenPort") || !s.shows("use -password-file FILE") {
		t.Errorf("not refused before the port was opened:\n%s", s.text())
	}
}

// passwordIsAskedFor prompts for a password that is needed and not given, without echo,
// before anything is opened.
func passwordIsAskedFor(t *testing.T) {
	address := host(t, &scripttest.LoginConfig{User: "joe", Password: password})
	s := newScreenOf(t)
	s.run("rasdial -port " + address + " -user joe")
	s.await("Password for joe:")
	if s.shows("RASCS_OpenPort") {
		t.Error("the port was opened before the password was asked for")
	}
	s.keys(password)
	s.press("Enter")
	s.await("RASCS_Connected")
	if s.shows(password) {
		t.Errorf("the password shows:\n%s", s.text())
	}
}
