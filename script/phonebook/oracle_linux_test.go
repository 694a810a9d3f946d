package phonebook

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/scripttest"
)

var (
	seed  = flag.Uint64("seed", 1, "seed of the generated files; 0: by the clock")
	cases = flag.Int("cases", 16, "number of generated files")
)

// conf is a generated wvdial.conf and what the peer does.
type conf struct {
	text  string
	names []string
	login bool // the peer prompts for a name and a password
	busy  bool // the first call finds the line engaged
}

// generate makes a file of what both programs understand in the same way. What
// they do not is in the comment of KindWvdial.
func generate(r *rand.Rand) conf {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	space := func() string { return pick("", " ", "  ", "\t") }
	var c conf
	set := func(key, value string) {
		if r.IntN(4) == 0 {
			key = pick(strings.ToUpper(key), strings.ToLower(key))
		}
		if value != "" && r.IntN(5) == 0 {
			value = `"` + value + `"`
		}
		c.text += space() + key + space() + "=" + space() + value + space() + pick("\n", "\n", "\n; a comment\n", "\n# Phone = 9\n", "\n\n")
	}
	body := func(some int) {
		for i := 1; i <= 4; i++ {
			if r.IntN(some) == 0 {
				set(fmt.Sprintf("Init%d", i), pick("ATZ", "ATE1", "ATQ0 V1", "AT&C1&D2", "ATX4", "ATS0=0", "ATM0", `AT+CGDCONT=1,"IP","net"`))
			}
		}
		if r.IntN(some) == 0 {
			set("Phone", pick("5550100", "*99#", "0301234", "555-0142"))
		}
		if r.IntN(some) == 0 {
			set("Phone1", "5550143")
		}
		if r.IntN(2*some) == 0 {
			set("Dial Prefix", pick("9", "0"))
		}
		if r.IntN(2*some) == 0 {
			set("Area Code", pick("030", "089"))
		}
		if r.IntN(2*some) == 0 {
			set("Dial Command", pick("ATDT", "ATDP", "ATD"))
		}
		if r.IntN(3*some) == 0 {
			set("Init", "ATX3")
		}
	}
	c.login, c.busy = r.IntN(3) == 0, r.IntN(6) == 0
	c.text = pick("", "# dial\n")
	c.text += "[Dialer Defaults]\n"
	set("Phone", "5550199")
	body(2)
	set("Username", "guest")
	set("Password", "secret")
	set("Stupid Mode", map[bool]string{true: pick("no", "off", "0"), false: pick("yes", "on", "1", "true")}[c.login])
	set("Dial Attempts", "3")
	if r.IntN(2) == 0 {
		c.text += "[Dialer a]\n"
		c.names = append(c.names, "a")
		if r.IntN(3) == 0 {
			set("Inherits", "Dialer b")
		}
		body(2)
	}
	c.text += "[Dialer b]\n"
	body(3)
	if r.IntN(3) == 0 {
		c.names = append(c.names, "b")
	}
	if len(c.names) > 0 && r.IntN(4) == 0 {
		c.names = append(c.names, "Phone=5550177")
	}
	return c
}

// line is a modem on a pseudo-terminal that reaches a host.
type line struct {
	path  string
	modem *scripttest.Modem

	mu    sync.Mutex
	calls int
	hosts []*scripttest.Login
}

func newLine(t *testing.T, c conf) *line {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &line{path: pair.Name}
	l.modem = scripttest.NewModem(pair.Port, &scripttest.ModemConfig{
		Extended: map[string]string{`+CGDCONT=1,"IP","NET"`: ""},
		Dial: func(context.Context, string) scripttest.Answer {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.calls++; c.busy && l.calls == 1 {
				return scripttest.Answer{Result: "BUSY"}
			}
			near, far := virtual.Pair()
			host := &scripttest.LoginConfig{Wake: "\r", ServicePrompt: "gate> ", Menu: []string{"telnet"}}
			if !c.login {
				host.Silent = scripttest.StageConnect
			}
			l.hosts = append(l.hosts, scripttest.NewLogin(far, host))
			return scripttest.Answer{Far: near}
		}})
	return l
}

// commands returns the lines that the modem got, without case and blanks, up to the
// escape, and what the host got.
func (l *line) commands() (commands []string, host string) {
	defer l.modem.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range bytes.SplitSeq(l.modem.Transcript().Received(), []byte("\r")) {
		s := strings.ToUpper(strings.Join(strings.Fields(string(text)), ""))
		if s = strings.ReplaceAll(s, "-", ""); s != "" {
			commands = append(commands, s)
		}
	}
	if i := slices.IndexFunc(commands, func(s string) bool { return strings.HasPrefix(s, "+++") }); i >= 0 {
		commands = commands[:i]
	}
	for _, h := range l.hosts {
		host += string(h.Transcript().Received())
		h.Close()
	}
	return commands, host
}

// TestWvdialAgrees dials with wvdial and with an Entry of the same file: the modem
// gets the same commands and numbers, and the host the same answers.
func TestWvdialAgrees(t *testing.T) {
	program := peertest.Program(t, "wvdial")
	peertest.Heavy(t, "wvdial on generated files")
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d, %d files", *seed, *cases)
	slots := make(chan struct{}, 16)
	for i := range *cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			c := generate(rand.New(rand.NewPCG(*seed, uint64(i))))
			// wvdial 1.61 aborts now and then.
			theirs, theirHost, aborted := runWvdial(t, program, c)
			for tries := 1; aborted && tries < 6; tries++ {
				theirs, theirHost, aborted = runWvdial(t, program, c)
			}
			if aborted {
				t.Skip("wvdial has aborted six times")
			}
			ours, ourHost := runEntry(t, c)
			if c.login {
				theirs = theirs[:min(len(theirs), slices.IndexFunc(theirs, isDial)+1+btoi(c.busy))]
			}
			// Ours also reads the modem's state.
			ours = slices.DeleteFunc(ours, func(s string) bool { return !slices.Contains(theirs, s) })
			if !slices.Equal(ours, theirs) {
				t.Errorf("commands\nours   %q\nwvdial %q\n%v of\n%s", ours, theirs, c.names, c.text)
			}
			if c.login && firstAnswers(ourHost) != firstAnswers(theirHost) {
				t.Errorf("answers\nours   %q\nwvdial %q", ourHost, theirHost)
			}
		})
	}
}

func isDial(s string) bool { return strings.HasPrefix(s, "ATD") }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// firstAnswers is the name, the password and the reply to the prompt after them;
// wvdial wakes the host with carriage returns as well.
func firstAnswers(s string) string {
	var out []string
	for text := range strings.SplitSeq(s, "\r") {
		if text != "" && len(out) < 3 {
			out = append(out, text)
		}
	}
	return strings.Join(out, "|")
}

func runWvdial(t *testing.T, program string, c conf) (commands []string, host string, aborted bool) {
	l := newLine(t, c)
	name := filepath.Join(t.TempDir(), "wvdial.conf")
	if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"--chat", "--config", name}, c.names...)...)
	cmd.Stdin, cmd.Stdout = f, f
	var log bytes.Buffer
	cmd.Stderr = &log
	if c.login {
		// The answers are all that matters; wvdial would hope for 10 s.
		go func() {
			for ctx.Err() == nil {
				if _, host := l.peek(); strings.Count(firstAnswers(host), "|") == 2 {
					cancel()
				}
				<-time.After(50 * time.Millisecond)
			}
		}()
	}
	err = cmd.Run()
	f.Close()
	commands, host = l.commands()
	if len(commands) == 0 {
		t.Fatalf("wvdial: %v\n%s", err, log.String())
	}
	t.Cleanup(func() {
		if t.Failed() && !aborted {
			t.Logf("wvdial: %v\n%s", err, log.String())
		}
	})
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		aborted = ok && status.Signaled() && status.Signal() == syscall.SIGABRT
	}
	return commands, host, aborted
}

// peek returns what the hosts have got so far.
func (l *line) peek() (int, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	host := ""
	for _, h := range l.hosts {
		host += string(h.Transcript().Received())
	}
	return l.calls, host
}

func runEntry(t *testing.T, c conf) (commands []string, host string) {
	l := newLine(t, c)
	b := parse(t, "wvdial.conf", c.text, nil)
	e, list, err := b.Entry(&EntryConfig{Port: l.path}, c.names...)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, texts(list), c.text)
	}
	e.Timeout = 20 * time.Second
	e.Dialer.Redial.Pause = 10 * time.Millisecond
	conn, err := dialup.Dial(t.Context(), e, nil)
	if err == nil {
		defer conn.Close()
	} else if !c.login { // a host without PPP
		t.Errorf("dial: %v\n%s", err, c.text)
	}
	return l.commands()
}
