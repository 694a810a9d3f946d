package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/script/scripttest"
)

// TestAtATerminal runs the program as its users do: from a shell, on a terminal of
// 80 by 24 characters. Each row is what a user should see where programs of this
// kind go wrong.
func TestAtATerminal(t *testing.T) {
	peertest.Emulated(t, "starts programs in a terminal")
	for _, row := range []struct {
		outcome string
		test    func(t *testing.T)
	}{
		// The call.
		{"Ctrl-C during the login ends the call and restores the terminal", interruptedLogin},
		{"Ctrl-C while the modem is silent shows that it hangs up, and a second one leaves", impatientUser},
		{"after the login a command has the line, and the call ends with it", commandOnTheLine},
		{"after the login the user talks to the peer, and the call ends with Ctrl-]", interactAtATerminal},
		{"a script that halts lets the user talk to the peer", haltAtATerminal},
		{"a script's own login is answered key by key", userAtATerminal},
		{"a wrong password is error 691 within seconds", wrongPassword},
		{"a line on which nothing is received is reported as such", silentLine},
		{"a modem that does not answer is reported as such", silentModem},

		// What is known before anything is opened.
		{"a password that is missing is asked for before the port is opened", passwordIsAskedFor},
		{"Ctrl-D instead of a password is a password that is missing", passwordIsRefused},
		{"a password is read from standard input", passwordOnStandardInput},
		{"a name with a control character is refused before the port is opened", nameOfTwoLines},
		{"-terminal without a script is refused", refused("-terminal", "-terminal gives a script the user's terminal: add -script FILE or -phonebook FILE")},
		{"an address without a scheme is refused with the names that work", addressWithoutAScheme},
		{"a mistyped flag is one line", refused("-prot x", "rasdial: there is no flag -prot: use -port; -h lists the flags")},
		{"a bad value is one line", refused("-timeout 5", `rasdial: invalid value "5" for flag -timeout`)},

		// The screen.
		{"the whole demonstration fits on the screen", demonstration},
		{"-h is status 0 and has the examples and the exit status", help},
		{"the progress line shows what is awaited, how long and until when", progressLine},
		{"every line of -log json is a record, states and the last error included", recordsOfARealLine},
		{"what a peer sends does not act on the terminal", peerOfEscapes},
		{"a peer that speaks Telnet on a raw port is recognised", telnetPeer},
		{"a chat script of the demonstration gets a name", demonstrationOfChat},
		{"the ports of the machine are listed", listOfPorts},
	} {
		t.Run(row.outcome, func(t *testing.T) {
			t.Parallel()
			row.test(t)
		})
	}
}

// status waits for the exit status of the command that run has started with a
// "; echo" after it.
func (s *screenOf) status(want int) {
	s.t.Helper()
	s.until(fmt.Sprint("status ", want), func() bool { return strings.Contains("\n"+s.text(), fmt.Sprintf("\nstatus %d\n", want)) })
}

func interruptedLogin(t *testing.T) {
	line, m := modemPort(t, &scripttest.LoginConfig{Silent: scripttest.StagePassword})
	s := newScreenOf(t)
	s.run("rasdial -port " + line + " -dial 5550100 -user joe -no-password; echo status $?")
	s.await("logging in")
	s.press("C-c")
	s.await("error 631 ERROR_USER_DISCONNECTION")
	s.status(1)
	if m.Connected() {
		t.Error("the call is up")
	}
	s.awaitPrompt()
	s.keys("stty -a | grep -o ' icanon'")
	s.press("Enter")
	s.await("\n icanon")
}

// silentPort is a line at whose other end nothing answers.
func silentPort(t *testing.T) (path string) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	go io.Copy(io.Discard, pair.Port)
	return pair.Name
}

func impatientUser(t *testing.T) {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := scripttest.NewModem(pair.Port, &scripttest.ModemConfig{Faults: []scripttest.Fault{{Command: "ATD", Delay: time.Hour}}})
	t.Cleanup(func() { m.Close() })
	s := newScreenOf(t)
	s.run("rasdial -port " + pair.Name + " -v -dial 5550100 -user joe -no-password -hangup ath; echo status $?")
	s.await("ATDT5550100")
	s.press("C-c")
	s.await("hanging up; once more to end the program without that")
	began := time.Now()
	s.press("C-c")
	s.awaitPrompt()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the program ended after %v", took)
	}
}

func commandOnTheLine(t *testing.T) {
	line, m := modemPort(t, &scripttest.LoginConfig{User: "joe", Password: password})
	pw, script := file(t, "pw", password), file(t, "ppp.sh", "head -c 8 >/dev/null\necho \"has the line $1\" >&2\n")
	s := newScreenOf(t)
	s.run("rasdial -port " + line + " -dial 5550100 -user joe -password-file " + pw + " -exec '/bin/sh " + script + " {}'; echo status $?")
	s.await("has the line /dev/")
	s.status(0)
	if !s.shows("RASCS_Disconnected") || m.Connected() {
		t.Errorf("the call is up: %v\n%s", m.Connected(), s.text())
	}
}

func wrongPassword(t *testing.T) {
	pw := file(t, "pw", "other\n")
	s := newScreenOf(t)
	s.run("rasdial -port " + host(t, &scripttest.LoginConfig{User: "joe", Password: password}) + " -user joe -password-file " + pw + "; echo status $?")
	s.status(1)
	s.await("rasdial: error 691 ERROR_AUTHENTICATION_FAILURE: login: the peer refuses the name or the password")
}

func silentLine(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -port " + silentPort(t) + " -user joe -no-password -timeout 2s; echo status $?")
	s.status(1)
	s.await("error 638 ERROR_REQUEST_TIMEOUT")
	s.await("nothing was received")
}

func silentModem(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -port " + silentPort(t) + " -dial 5550100 -user joe -no-password; echo status $?")
	s.status(1)
	s.await("no modem answers: check its power, the cable and the bit rate")
}

func passwordOnStandardInput(t *testing.T) {
	pw := file(t, "pw", "\ufeff"+password+"\r\n")
	s := newScreenOf(t)
	s.run("rasdial -port " + host(t, &scripttest.LoginConfig{User: "joe", Password: password}) + " -user joe -password-file - <" + pw + "; echo status $?")
	s.status(0)
	if s.shows(password) {
		t.Error("the password shows")
	}
}

func nameOfTwoLines(t *testing.T) {
	s := newScreenOf(t)
	s.run(`rasdial -port ` + silentPort(t) + ` -user "$(printf 'joe\rreboot')" -no-password; echo status $?`)
	s.status(2)
	s.await("the user name contains a control character")
	if s.shows("RASCS_") {
		t.Errorf("something was opened:\n%s", s.text())
	}
}

// refused is a test of flags that cannot be used.
func refused(flags, want string) func(t *testing.T) {
	return func(t *testing.T) {
		s := newScreenOf(t)
		s.run("rasdial " + flags + "; echo status $?")
		s.status(2)
		s.awaitPrompt()
		if text := s.text(); !strings.Contains(text, want) || strings.Count(text, "\n") != 3 {
			t.Errorf("want %q alone in\n%s", want, text)
		}
	}
}

func addressWithoutAScheme(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -port udp://h:1; echo status $?")
	s.status(2)
	s.await(`there is no scheme "udp": use a device, replay:FILE, rfc2217://HOST:PORT`)
}

func demonstration(t *testing.T) {
	s := newScreenOf(t)
	var missing string
	for try := range 5 { // on a busy machine what is sent in one piece may be read, and shown, in several
		s.run(fmt.Sprintf("rasdial; echo status of run %d: $?", try))
		s.await(fmt.Sprintf("\nstatus of run %d: 0\n", try))
		missing = ""
		for _, want := range []string{"RASCS_OpenPort", `> "ATDT5550100\r"`, `> "guest\r"`, "RASCS_Connected", "hung up by DTR, DCD has fallen"} {
			if !s.shows(want) {
				missing = want
			}
		}
		if missing == "" {
			return
		}
	}
	t.Errorf("no %s in\n%s", missing, s.text())
}

func help(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -h 2>&1 | head -12; rasdial -h 2>/dev/null; echo status $?")
	s.status(0)
	for _, want := range []string{"usage: rasdial", "-phonebook /etc/wvdial.conf office -exec", "exit status: 0 success"} {
		if !s.shows(want) {
			t.Errorf("no %q in\n%s", want, s.text())
		}
	}
}

func progressLine(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -port " + host(t, &scripttest.LoginConfig{Silent: scripttest.StageConnect}) + " -script " + file(t, "w.scp", "proc main\nwaitfor \"ready\" until 30\nendproc\n"))
	s.await(`logging in: waiting for "ready", 1 s of 30s, until `)
	s.press("C-c")
	s.awaitPrompt()
	if s.shows("waiting for") {
		t.Errorf("the progress line is left:\n%s", s.text())
	}
}

func recordsOfARealLine(t *testing.T) {
	line, _ := modemPort(t, &scripttest.LoginConfig{User: "joe", Password: password})
	pw, log := file(t, "pw", "other"), file(t, "log", "")
	s := newScreenOf(t)
	s.run("rasdial -port " + line + " -dial 5550100 -user joe -password-file " + pw + " -log json 2>" + log + "; echo status $?")
	s.status(1)
	states, last := 0, map[string]any{}
	for text := range strings.Lines(read(t, log)) {
		last = nil
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if last["msg"] == "state" {
			states++
		}
	}
	if states < 5 || last["code"] != 691.0 {
		t.Errorf("%d states, and the last record is %v", states, last)
	}
}

func peerOfEscapes(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -v -port " + host(t, &scripttest.LoginConfig{User: "joe", Password: password, Banner: "\x1b]0;owned\a\x1b[2J\x1b[6n\x1b[c"}) +
		" -user joe -password-file " + file(t, "pw", password) + "; echo status $?")
	s.status(0)
	s.awaitPrompt()
	s.keys("echo nothing is typed")
	s.press("Enter")
	s.await("\nnothing is typed")
	if title := s.tmux("display-message", "-p", "#{pane_title}"); strings.Contains(title, "owned") || !s.shows("RASCS_OpenPort") {
		t.Errorf("the title is %q, and the screen\n%s", title, s.text())
	}
}

func telnetPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "\xff\xfb\x01\xff\xfb\x03login: ")
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	s := newScreenOf(t)
	s.run("rasdial -port tcp://" + l.Addr().String() + " -user joe -no-password; echo status $?")
	s.status(1)
	s.await("telnet://" + l.Addr().String())
}

func demonstrationOfChat(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -script " + file(t, "d.chat", "TIMEOUT 9\nogin: \\T\nword: \\U\nhoice: PPP\n'' ''\n") + " 2>&1 | grep guest; echo status $?")
	s.status(0)
	s.await(`> "guest\r"`)
}

func listOfPorts(t *testing.T) {
	s := newScreenOf(t)
	s.run("rasdial -list-ports; echo status $?")
	s.status(0)
	s.awaitPrompt()
	if strings.HasPrefix(s.text(), "status") {
		t.Error("neither a port nor a sentence is shown")
	}
}
