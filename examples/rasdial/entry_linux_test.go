package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/script/scripttest"
)

// books are phone books of the three kinds whose entry "isp" logs joe in on PORT.
var books = map[string]string{
	"wvdial.conf": "[Dialer isp]\nModem = PORT\nBaud = 9600\nPhone = 5550100\nUsername = joe\nPassword = " + password + "\nStupid Mode = no\n",
	"peers":       "PORT 9600\nuser joe\nconnect \"chat -t 20 'ABORT' BUSY '' ATZ OK ATDT5550100 CONNECT '\\\\c' ogin: joe word: '\\\\q" + password + "' elcome '\\\\c'\"\n",
	"book.pbk": "[isp]\r\nMEDIA=serial\r\nPort=COM3\r\nConnectBPS=9600\r\nDEVICE=switch\r\nName=first.scp\r\nDEVICE=modem\r\nPhoneNumber=555 0100\r\n" +
		"DEVICE=switch\r\nName=C:\\RAS\\LOGIN.SCP\r\n",
}

// TestPhoneBooks dials an entry of each kind over a pseudo-terminal with a modem.
func TestPhoneBooks(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("dials and hangs up in real time")
	}
	dir := filepath.Dir(file(t, "x", ""))
	for name, text := range map[string]string{
		"login.scp": strings.Replace(scpLogin, `"~"`, `"elcome"`, 1),
		"first.scp": "proc main\n  transmit \"^M\"\n  delay 1\nendproc\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	pw := file(t, "pw", password)
	for name, text := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, m := modemPort(t, &scripttest.LoginConfig{User: "joe", Password: password})
			book := file(t, name, strings.ReplaceAll(text, "PORT", port))
			args := []string{"isp", "-phonebook", book, "-v"}
			switch name {
			case "peers":
				args = args[1:]
			case "book.pbk":
				args = append(args, "-map", "COM3="+port, "-script-dir", dir, "-user", "joe", "-password-file", pw)
			}
			r := rasdial(t, t.Context(), args...)
			r.expect(t, exitOK, "RASCS_Disconnected|RASCS_Connected|modem: hang up")
			if !strings.Contains(r.stderr, "RASCS_Connected            joe logged in") {
				t.Error("not logged in")
			}
			if name == "book.pbk" && strings.Count(r.stderr, "RASCS_Interactive") != 2 {
				t.Error("the switch before the modem did not run")
			}
			awaitEnd(t, m)
		})
	}
}

// awaitEnd waits until there is no call, which a line without modem lines learns
// from its last close.
func awaitEnd(t *testing.T, m *scripttest.Modem) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); m.Connected(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the call is up")
		}
	}
}

func TestListEntries(t *testing.T) {
	book := file(t, "a.pbk", books["book.pbk"]+"[Office]\r\nMEDIA=rastapi\r\nDevice=WAN Miniport (IKEv2)\r\nDEVICE=vpn\r\n")
	r := rasdial(t, t.Context(), "-phonebook", book, "-list-entries")
	if r.status != exitOK || !strings.Contains(r.stdout, "isp     modem  COM3  555 0100") || !strings.Contains(r.stdout, "not a serial dial-up entry: DEVICE=vpn") {
		t.Errorf("exit %d\n%s", r.status, r.stdout)
	}
}

func TestBadEntries(t *testing.T) {
	book := file(t, "a.pbk", books["book.pbk"])
	conf := file(t, "wvdial.conf", "[Dialer a]\nPhone = 1;H\n[Dialer b]\nPhone = 1\nBaud = fast\n")
	for _, tt := range []struct {
		name string
		args []string
		last string
	}{
		{"entry without a book", []string{"isp"}, `unexpected argument "isp": an entry needs -phonebook FILE`},
		{"no such book", []string{"isp", "-phonebook", "/nonexistent/x.pbk"}, "-phonebook: open /nonexistent/x.pbk"},
		{"no such peer", []string{"-phonebook", "nobodysisp"}, "-phonebook: open /etc/ppp/peers/nobodysisp"},
		{"no such entry", []string{"ips", "-phonebook", book}, `no entry "ips"; there is "isp"`},
		{"no mapping", []string{"isp", "-phonebook", book}, "has errors; nothing was sent"},
		{"a bad mapping", []string{"isp", "-phonebook", book, "-map", "COM3"}, `invalid value "COM3" for flag -map: write KEY=VALUE`},
		{"a number that is a command", []string{"a", "-phonebook", conf}, "has errors; nothing was sent"},
		{"exec and interact", []string{"-exec", "cat", "-interact"}, "-exec and -interact: one of them"},
		{"exec for a shell", []string{"-exec", "a | b"}, `-exec: only a shell understands \|: add -shell`},
		{"persist alone", []string{"-persist"}, "-persist needs -exec or -interact"},
		{"map without a book", []string{"-map", "a=b"}, "need -phonebook FILE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rasdial(t, t.Context(), tt.args...)
			r.expect(t, exitUsage, tt.last)
			if strings.Contains(r.stderr, "RASCS_") {
				t.Error("something was opened")
			}
		})
	}
	r := rasdial(t, t.Context(), "-check", "-phonebook", conf)
	if r.status != exitUsage || !strings.Contains(r.stdout, conf+":2:9: error: Phone") || !strings.Contains(r.stdout, conf+":5:8: error: Baud") {
		t.Errorf("-check: exit %d\n%s", r.status, r.stdout)
	}
}

// TestExec hands the line to a program after the login, with what has arrived, and
// hangs up when it ends.
func TestExec(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("dials and hangs up in real time")
	}
	pw := file(t, "pw", password)
	script := file(t, "ppp.sh", "#!/bin/sh\nhead -c 8 >\"$1\"\necho \"line $2\" >&2\nexit $3\n")
	for _, tt := range []struct {
		exit   string
		status int
		last   string
	}{{"0", exitOK, "RASCS_Disconnected +hung up by"}, {"7", exitFailed, "^rasdial: error 635 ERROR_UNKNOWN: sh: exit status 7"}} {
		t.Run(tt.exit, func(t *testing.T) {
			t.Parallel()
			port, m := modemPort(t, &scripttest.LoginConfig{User: "joe", Password: password})
			out := file(t, "out", "")
			r := rasdial(t, t.Context(), "-port", port, "-dial", "5550100", "-user", "joe", "-password-file", pw,
				"-exec", "/bin/sh "+script+" "+out+" {} "+tt.exit)
			r.expect(t, tt.status, tt.last)
			if got := read(t, out); !strings.HasPrefix(got, string(scripttest.PPPFrame()[:8])) {
				t.Errorf("the program has read %q", got)
			}
			if !strings.Contains(r.stderr, "line /dev/") {
				t.Error("the program did not get the path of the line")
			}
			if m.Connected() {
				t.Error("the call is up")
			}
		})
	}
}

// TestJSON: every line on standard error is a record, the states and the final error
// among them.
func TestJSON(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		for _, args := range [][]string{{"-v"}, {"-dial", "5550101"}, {"-dial", "1", "-script", "/nonexistent.scp"}} {
			r := rasdial(t, t.Context(), append(args, "-log", "json")...)
			states := 0
			last := map[string]any{}
			for line := range strings.Lines(r.stderr) {
				last = map[string]any{}
				if err := json.Unmarshal([]byte(line), &last); err != nil {
					t.Errorf("%q is no JSON: %v", line, err)
				}
				if last["msg"] == "state" {
					states++
				}
			}
			if r.status == exitUsage {
				continue
			}
			if states < 5 {
				t.Errorf("%d states", states)
			}
			if r.status == exitFailed && (last["msg"] != "rasdial" || last["code"] != 676.0 || last["name"] != "ERROR_LINE_BUSY") {
				t.Errorf("last record %v", last)
			}
		}
	})
}

// TestDocuments writes the completions and the manual page.
func TestDocuments(t *testing.T) {
	for kind, want := range map[string]string{"bash": "complete -o filenames -F _rasdial rasdial", "zsh": "#compdef rasdial", "man": ".TH RASDIAL 1"} {
		if r := rasdial(t, t.Context(), "-document", kind); r.status != exitOK || !strings.Contains(r.stdout, want) || !strings.Contains(r.stdout, "phonebook") {
			t.Errorf("%s: exit %d", kind, r.status)
		}
	}
	rasdial(t, t.Context(), "-document", "html").expect(t, exitUsage, `-document "html": use bash, zsh or man`)
}

// TestJSONAlone is that every line on standard error is a record, whatever the
// commands of a phone book and of -exec write there, and that a child which -exec
// has started does not hold the end up.
// TestJSONOfFlags has records of what is wrong with the flags, too, also where -log
// follows them. -h is for people.
func TestJSONOfFlags(t *testing.T) {
	for _, args := range []string{"-log json -prot x", "-prot x -log=json", "-rings 0 -timeout -1s --log json", "-log json -exec none|none"} {
		r := rasdial(t, t.Context(), strings.Fields(args)...)
		r.expect(t, exitUsage, `^{.*"msg":"rasdial","status":2,"error":"`)
		for line := range strings.Lines(r.stderr) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %q is no record", args, line)
			}
		}
	}
	rasdial(t, t.Context(), "-log", "json", "-h").expect(t, exitOK, "show the conversation$")
}

// TestFullOutput fails where what was requested cannot be written.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	book := file(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\nStupid Mode=yes\nInit10=ATX\n")
	inf := file(t, "switch.inf", "[One]\nCOMMAND=x<cr>\nOK=<match>\"y\"\n")
	for _, args := range []string{"-list-entries -phonebook " + book, "-check -phonebook " + book, "-list -script " + inf, "-document man"} {
		if status := run(t.Context(), strings.Fields(args), streams{in: null, out: full, err: null}); status != exitFailed {
			t.Errorf("%s: exit status %d, want %d", args, status, exitFailed)
		}
	}
}

func TestJSONAlone(t *testing.T) {
	t.Parallel()
	port, m := modemPort(t, nil)
	book := file(t, "peer", port+"\nconnect \"echo noise >&2; exec 2>&1 >/dev/null true\"\n")
	began := time.Now()
	r := rasdial(t, t.Context(), "-phonebook", book, "-shell", "-log", "json",
		"-exec", "sleep 60 & echo $! >&2; printf %070000d 1 >&2; exit 0")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	r.expect(t, exitOK, "")
	logged, child := 0, 0
	for line := range strings.Lines(r.stderr) {
		var record struct{ Msg, Line string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v: %.80q", err, line)
		}
		switch record.Msg {
		case "exec":
			if logged += len(record.Line); child == 0 {
				child, _ = strconv.Atoi(record.Line)
			}
		case "shell":
			logged++
		}
	}
	if child > 0 {
		syscall.Kill(child, syscall.SIGKILL)
	}
	if logged < 70001 || child == 0 {
		t.Errorf("%d bytes of the commands were logged, child %d", logged, child)
	}
	awaitEnd(t, m)
}
