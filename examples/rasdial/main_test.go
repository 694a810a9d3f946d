package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/examples/internal/demo"
	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/scripttest"
)

// asProgram is set for a child process that is to be rasdial itself.
const asProgram = "RASDIAL_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	// The goroutine that handles signals starts with the first Notify, and must not
	// be part of a bubble.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	peertest.Parallel(16)
	winetest.Main(m)
}

// onFakeTime runs a test in a bubble. The built-in modem and its host need no
// real time.
func onFakeTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

const password = "hunter2-Gr8"

// result is what a run of rasdial left.
type result struct {
	status         int
	stdout, stderr string
}

// last returns the last line on standard error.
func (r result) last() string {
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	return lines[len(lines)-1]
}

// rasdial runs the program in this process.
func rasdial(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	std := streams{in: open("in"), out: open("out"), err: open("err")}
	status := run(ctx, args, std)
	read := func(f *os.File) string {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	r := result{status, read(std.out), read(std.err)}
	t.Logf("rasdial %q: exit %d\n%s%s", args, r.status, r.stdout, r.stderr)
	if strings.Contains(r.stdout+r.stderr, password) {
		t.Error("the output shows the password")
	}
	return r
}

func (r result) expect(t *testing.T, status int, last string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	if !regexp.MustCompile(last).MatchString(r.last()) {
		t.Errorf("last line %q, want it to match %q", r.last(), last)
	}
}

// file writes a file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// host serves logins on a loopback address and returns it as -port accepts it.
func host(t *testing.T, cfg *scripttest.LoginConfig) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			login := scripttest.NewLogin(conn, cfg)
			t.Cleanup(func() { login.Close() })
		}
	}()
	return "tcp://" + l.Addr().String()
}

func TestDemonstration(t *testing.T) { onFakeTime(t, testDemonstration) }

func testDemonstration(t *testing.T) {
	r := rasdial(t, t.Context())
	r.expect(t, exitOK, "RASCS_Disconnected +hung up by DTR, DCD has fallen")
	order := regexp.MustCompile(`(?s)RASCS_OpenPort.*RASCS_PortOpened.*RASCS_ConnectDevice.*RASCS_DeviceConnected.*CONNECT 9600.*RASCS_Interactive.*login: .*Password: .*RASCS_Connected.*guest logged in.*wait for PPP.*RASCS_Disconnected`)
	if !order.MatchString(r.stderr) {
		t.Errorf("the states or the dialogue are missing or out of order")
	}
	if strings.Contains(r.stderr, demo.Password) {
		t.Error("the built-in password shows")
	}
}

func TestBadInput(t *testing.T) {
	bad := file(t, "bad.scp", "proc main\nwaitfor\nendproc\n")
	inf := file(t, "switch.inf", "[One]\nCOMMAND=x<cr>\nOK=<match>\"y\"\n")
	plain := file(t, "plain", "")
	tests := []struct {
		name   string
		args   []string
		status int
		last   string
	}{
		{"unknown flag", []string{"-bogus"}, exitUsage, `^rasdial: there is no flag -bogus; -h lists the flags$`},
		{"mistyped flag", []string{"-timeot", "5s"}, exitUsage, `^rasdial: there is no flag -timeot: use -timeout; -h lists the flags$`},
		{"mistyped flag of two letters", []string{"-prot=x"}, exitUsage, `^rasdial: there is no flag -prot: use -port; -h lists`},
		{"timeout without a unit", []string{"-timeout", "5"}, exitUsage, `^rasdial: invalid value "5" for flag -timeout: write a number with its unit, such as 5s or 2m; -h lists`},
		{"bad value", []string{"-timeout", "5"}, exitUsage, `^rasdial: invalid value "5" for flag -timeout: .*; -h lists the flags$`},
		{"flag without value", []string{"-dial"}, exitUsage, `^rasdial: flag needs an argument: -dial; -h lists the flags$`},
		{"argument without a flag", []string{"5551234"}, exitUsage, `unexpected argument "5551234"`},
		{"bad mode", []string{"-mode", "9N1"}, exitUsage, `-mode: .*"9N1".*write it as`},
		{"mode on tcp", []string{"-port", "tcp://h:1", "-mode", "9600"}, exitUsage, `no mode; use rfc2217`},
		{"unknown port", []string{"-port", "/dev/ttyNOPE"}, exitNotOpen, `^rasdial: open /dev/ttyNOPE: .*(no such|cannot find)`},
		{"not a terminal", []string{"-port", plain}, exitNotOpen, `^rasdial: open .*(no serial port|not )`},
		{"unknown scheme", []string{"-port", "udp://h:1"}, exitUsage, `there is no scheme "udp": use a device, .*tcp://HOST:PORT`},
		{"no port number", []string{"-port", "rfc2217://host"}, exitUsage, `rfc2217://host:port`},
		{"unknown option", []string{"-port", "rfc2217://localhost:1?speed=1"}, exitUsage, `option speed`},
		{"refused", []string{"-port", "tcp://127.0.0.1:1"}, exitNotOpen, `check the address`},
		{"missing script", []string{"-script", "none.scp"}, exitUsage, `none.scp`},
		{"unknown ending", []string{"-script", plain}, exitUsage, `add -lang`},
		{"script with a mistake", []string{"-script", bad}, exitUsage, `has errors; nothing was sent`},
		{"inf without section", []string{"-script", inf}, exitUsage, `-section NAME`},
		{"unknown section", []string{"-script", inf, "-section", "Two"}, exitUsage, `Two`},
		{"smuggled command", []string{"-dial", "555;&F"}, exitUsage, `-dial: `},
		{"missing password file", []string{"-password-file", "none"}, exitUsage, `-password-file: `},
		{"empty password file", []string{"-password-file", plain}, exitUsage, `empty`},
		{"redial without a number", []string{"-redial", "2"}, exitUsage, `-redial needs -dial`},
		{"bad hang-up", []string{"-hangup", "pull"}, exitUsage, `-hangup: `},
		{"port of a variable that is not set", []string{"-port", ""}, exitUsage, `^rasdial: -port: the value is empty$`},
		{"command of one", []string{"-exec", ""}, exitUsage, `^rasdial: -exec: the value is empty$`},
		{"numbers, one of them empty", []string{"-dial", "5550100", "-dial", ""}, exitUsage, `^rasdial: -dial: the value is empty$`},
		{"domain too long", []string{"-domain", "a.domain.too.long"}, exitUsage, `domain has 17 characters`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rasdial(t, t.Context(), tt.args...)
			r.expect(t, tt.status, tt.last)
			if strings.Contains(tt.last, "-h lists") && strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("%d lines for one flag", strings.Count(r.stderr, "\n"))
			}
		})
	}
}

func TestHelp(t *testing.T) {
	r := rasdial(t, t.Context(), "-user", "joe", "-h")
	if r.status != exitOK || strings.Count(r.stderr, "\n  rasdial") != 3 || !strings.Contains(r.stderr, "exit status") || !strings.Contains(r.stderr, "-password-file") {
		t.Errorf("-h: exit %d, want 0 and usage with three examples", r.status)
	}
}

func TestOutcomesOfDialling(t *testing.T) {
	t.Parallel()
	tests := []struct{ number, last string }{
		{"5550101", `^rasdial: error 676 ERROR_LINE_BUSY: .*busy`},
		{"5550102", `^rasdial: error 678 ERROR_NO_ANSWER: `},
		{"5550103", `^rasdial: error 680 ERROR_NO_DIALTONE: `},
		{"5550104", `^rasdial: error 679 ERROR_NO_CARRIER: `},
		{"5550105", `^rasdial: error 677 ERROR_VOICE_ANSWER: `},
	}
	for _, tt := range tests {
		t.Run(tt.number, func(t *testing.T) {
			onFakeTime(t, func(t *testing.T) {
				rasdial(t, t.Context(), "-dial", tt.number).expect(t, exitFailed, tt.last)
			})
		})
	}
}

func TestLoginWithoutScript(t *testing.T) {
	t.Parallel()
	pw := file(t, "pw", password+"\n")
	wrong := file(t, "wrong", "nonsense\n")
	cfg := &scripttest.LoginConfig{User: "joe", Password: password, Echo: scripttest.EchoAll}
	tests := []struct {
		name   string
		cfg    scripttest.LoginConfig
		args   []string
		status int
		last   string
	}{
		{"right", *cfg, []string{"-user", "joe", "-password-file", pw, "-v"}, exitOK, "RASCS_Connected +joe logged in"},
		{"wrong password", *cfg, []string{"-user", "joe", "-password-file", wrong}, exitFailed, "^rasdial: error 691 ERROR_AUTHENTICATION_FAILURE: .*refuses"},
		{"no password", *cfg, []string{"-user", "joe"}, exitUsage, "^rasdial: a password is needed and none is given: use -password-file FILE .*or -no-password"},
		{"no name", *cfg, nil, exitFailed, "^rasdial: error 87 ERROR_INVALID_PARAMETER: .*asks for a"},
		{"silence", scripttest.LoginConfig{Silent: scripttest.StageConnect}, []string{"-timeout", "1s"}, exitFailed, "^rasdial: error 638 ERROR_REQUEST_TIMEOUT: .*limit of 1s"},
		{"far end gone", scripttest.LoginConfig{HangUp: scripttest.StageName}, []string{"-user", "joe", "-no-password"}, exitFailed, "^rasdial: error 629 ERROR_REMOTE_DISCONNECTION: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rasdial(t, t.Context(), append(tt.args, "-port", host(t, &tt.cfg))...).expect(t, tt.status, tt.last)
		})
	}
}

const scpLogin = `proc main
  waitfor "ogin:" until 10
  if $SUCCESS then
    transmit $USERID, raw
    transmit "^M"
    waitfor "assword:" until 10
    transmit $PASSWORD, raw
    transmit "^M"
    waitfor "~" until 10
  endif
endproc
`

const infLogin = `[Host]
COMMAND=
OK=<match>"ogin:"
LOOP=<ignore>
COMMAND=<username><cr>
OK=<match>"assword:"
LOOP=<ignore>
COMMAND=<password><cr>
OK=<match>"Welcome"
`

const chatLogin = "ABORT 'incorrect'\nTIMEOUT 10\nogin: \\T\nassword: \\q\\U\nWelcome ''\n"

func TestLanguages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"scp", func(t *testing.T) []string { return []string{"-script", file(t, "login.scp", scpLogin)} }},
		{"switchinf", func(t *testing.T) []string {
			return []string{"-script", file(t, "switch.inf", infLogin), "-section", "Host"}
		}},
		{"chat", func(t *testing.T) []string { return []string{"-script", file(t, "login.chat", chatLogin)} }},
		{"scp by -lang", func(t *testing.T) []string {
			return []string{"-script", file(t, "login.txt", scpLogin), "-lang", "scp"}
		}},
	}
	pw := file(t, "pw", password)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := host(t, &scripttest.LoginConfig{User: "joe", Password: password, Echo: scripttest.EchoAll})
			args := append(tt.args(t), "-port", addr, "-user", "joe", "-password-file", pw, "-v", "-timeout", "30s")
			rasdial(t, t.Context(), args...).expect(t, exitOK, "RASCS_Connected +joe logged in")
		})
	}
}

func TestScriptFailureNamesTheLine(t *testing.T) {
	t.Parallel()
	name := file(t, "isp.scp", "proc main\n  waitfor \"never\" until 1\n  if $FAILURE then\n    integer x = 1 / 0\n  endif\nendproc\n")
	r := rasdial(t, t.Context(), "-script", name, "-port", host(t, nil))
	r.expect(t, exitFailed, "^rasdial: error [0-9]+ ERROR_")
	if want := "rasdial: " + name + ":4:"; !strings.Contains(r.stderr, want) {
		t.Errorf("standard error does not name the line as %q", want)
	}
}

// TestConversationIsShownOnce logs in with each language and looks for lines that
// -v shows twice.
func TestConversationIsShownOnce(t *testing.T) {
	pw := file(t, "pw", password)
	for name, text := range map[string]string{
		"login.scp": scpLogin, "switch.inf": infLogin, "login.chat": chatLogin,
		"login.runscript": "expect ogin:\nsend $(LOGIN)\nexpect assword:\nsend $(PASS)\nexpect Welcome\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"-v", "-script", file(t, name, text), "-port", host(t, &scripttest.LoginConfig{User: "joe", Password: password}),
				"-user", "joe", "-password-file", pw, "-timeout", "30s"}
			if name == "switch.inf" {
				args = append(args, "-section", "Host")
			}
			r := rasdial(t, t.Context(), args...)
			r.expect(t, exitOK, "RASCS_Connected")
			if n := len(regexp.MustCompile(`(?m)^\[[^]]*\]   > "joe(\\r)?"$`).FindAllString(r.stderr, -1)); n != 1 {
				t.Errorf("the name is shown %d times", n)
			}
		})
	}
}

// TestPeerIsGivenNoTerminal has a peer try to act on a terminal that -terminal has
// not given to it.
func TestPeerIsGivenNoTerminal(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"show.runscript": "print \\033[2J\nexpect login:\n",
		"show.chat":      "ECHO ON\nSAY \\033[2J\nlogin: ''\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := host(t, &scripttest.LoginConfig{Banner: "\x1b]0;owned\a\x1b[2J\x05"})
			r := rasdial(t, t.Context(), "-script", file(t, name, text), "-port", addr, "-timeout", "30s")
			r.expect(t, exitOK, "RASCS_Connected")
			if out := r.stdout + r.stderr; strings.ContainsAny(out, "\x1b\x05") || strings.Count(out, "^[[2J") != 2 {
				t.Errorf("the terminal gets %q", out)
			}
		})
	}
}

// TestDialThenScript dials the built-in modem, logs in with a script and hangs
// up.
func TestDialThenScript(t *testing.T) { onFakeTime(t, testDialThenScript) }

func testDialThenScript(t *testing.T) {
	pw := file(t, "pw", demo.Password)
	r := rasdial(t, t.Context(), "-dial", "555-0100", "-script", file(t, "login.scp", strings.Replace(scpLogin, `"~"`, `"choice:"`, 1)),
		"-user", demo.User, "-password-file", pw)
	r.expect(t, exitOK, "RASCS_Disconnected +hung up")
	if !regexp.MustCompile(`(?s)ConnectDevice.*DeviceConnected.*Interactive.*Connected.*Disconnected`).MatchString(r.stderr) {
		t.Error("the states are missing or out of order")
	}
}

func TestRedial(t *testing.T) { onFakeTime(t, testRedial) }

func testRedial(t *testing.T) {
	r := rasdial(t, t.Context(), "-dial", "5550101", "-dial", "5550100", "-timeout", "30s")
	r.expect(t, exitOK, "RASCS_Disconnected +hung up")
	if !strings.Contains(r.stderr, "5550101") || !strings.Contains(r.stderr, "BUSY") {
		t.Error("the first attempt was not reported")
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	start := time.Now()
	r := rasdial(t, ctx, "-port", host(t, &scripttest.LoginConfig{Silent: scripttest.StageConnect}))
	r.expect(t, exitFailed, "^rasdial: error 631 ERROR_USER_DISCONNECTION: ")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the run ended %v after the cancel", took)
	}
}

// TestCancelWhileOpening ends as any other cancel, and not as a port that cannot be
// opened.
func TestCancelWhileOpening(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := rasdial(t, ctx, "-port", "tcp://127.0.0.1:1", "-no-password")
	r.expect(t, exitFailed, "^rasdial: error 631 ERROR_USER_DISCONNECTION: ")
	if strings.Contains(r.stderr, "check the address") {
		t.Error("the cancel is taken for a failure of the server")
	}
}

// socat joins two pseudo-terminals and returns their paths. The second is in the
// cooked mode that a shell expects.
func socat(t *testing.T) (a, b string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command(peertest.Program(t, "socat"), "-d", "-d", "pty,raw,echo=0", "pty,echo=0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	name := regexp.MustCompile(`PTY is (\S+)`)
	var seen bytes.Buffer
	for buf := make([]byte, 512); ; {
		n, err := stderr.Read(buf)
		seen.Write(buf[:n])
		if m := name.FindAllStringSubmatch(seen.String(), -1); len(m) == 2 && strings.Contains(seen.String(), "starting data transfer loop") {
			go io.Copy(io.Discard, stderr)
			return m[0][1], m[1][1], cmd
		}
		if err != nil {
			t.Fatalf("socat said %q: %v", seen.String(), err)
		}
	}
}

// shellHost is a login server written in shell.
const shellHost = `exec <"$1" >"$1"
printf 'shell host\r\nlogin: '
IFS= read -r user
printf 'Password: '
IFS= read -r pass
if [ "$user/$pass" = "joe/` + password + `" ]; then printf '\r\nWelcome\r\n~\377}#'; else printf '\r\nLogin incorrect\r\nlogin: '; fi
sleep 60
`

// TestLoginOverSocat logs in over a pair of terminals that socat made, to a host
// that a shell plays.
func TestLoginOverSocat(t *testing.T) {
	t.Parallel()
	bash := peertest.Program(t, "bash")
	right, wrong := file(t, "pw", password), file(t, "pw", "nonsense")
	tests := []struct {
		name   string
		args   []string
		status int
		last   string
	}{
		{"no script", []string{"-user", "joe", "-password-file", right}, exitOK, "joe logged in"},
		{"wrong password", []string{"-user", "joe", "-password-file", wrong}, exitFailed, "error 691"},
		{"scp", []string{"-script", file(t, "l.scp", scpLogin), "-user", "joe", "-password-file", right}, exitOK, "joe logged in"},
		{"switchinf", []string{"-script", file(t, "s.inf", infLogin), "-section", "host", "-user", "joe", "-password-file", right}, exitOK, "joe logged in"},
		{"chat", []string{"-script", file(t, "l.chat", chatLogin), "-user", "joe", "-password-file", right}, exitOK, "joe logged in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b, _ := socat(t)
			far := exec.Command(bash, "-c", shellHost, "host", b)
			if err := far.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { far.Process.Kill(); far.Wait() })
			args := append(tt.args, "-port", a, "-mode", "115200,8N1", "-timeout", "60s", "-v")
			rasdial(t, t.Context(), args...).expect(t, tt.status, tt.last)
		})
	}
}

// TestPulledCable ends the far side in the middle of a wait.
func TestPulledCable(t *testing.T) {
	t.Parallel()
	a, _, cmd := socat(t)
	time.AfterFunc(300*time.Millisecond, func() { cmd.Process.Kill() })
	start := time.Now()
	rasdial(t, t.Context(), "-port", a).expect(t, exitFailed, "^rasdial: error (629|630) ")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	a, _, _ := socat(t)
	p, err := port.Open(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rasdial(t, t.Context(), "-port", a).expect(t, exitNotOpen, "in use: this program itself")
}
