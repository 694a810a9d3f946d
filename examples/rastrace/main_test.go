package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scriptfile"
	"github.com/rasline/rasline/script/scripttest"
)

// rastrace runs the program.
func rastrace(t *testing.T, status int, args ...string) (out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	if got := run(t.Context(), args, strings.NewReader(""), &o, &e); got != status {
		t.Fatalf("rastrace %q: exit status %d, want %d\n%s", args, got, status, e.String())
	}
	return o.String(), e.String()
}

var params = ras.DialParams{UserName: "guest", Password: "swordfish"}

// record runs a script at a host on fake time and returns the path of the
// recording.
func record(t *testing.T, dial bool, cfg *scripttest.LoginConfig, e script.Executor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "line.pcapng")
	synctest.Test(t, func(t *testing.T) {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w, err := capture.NewWriter(f, &capture.Config{Watch: true})
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair(virtual.Names("line", "far"), virtual.LineSpeed(9600))
		p := capture.Record(near, w)
		if dial {
			m := scripttest.NewModem(far, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
				line, host := virtual.Pair()
				login := scripttest.NewLogin(host, cfg)
				context.AfterFunc(ctx, func() { login.Close() })
				return scripttest.Answer{Far: line, Connect: "CONNECT 9600"}
			}})
			defer m.Close()
			e = script.Sequence(&modem.Dialer{Numbers: []string{"5551234"}}, e)
		} else {
			defer scripttest.NewLogin(far, cfg).Close()
		}
		given := params
		if _, err := script.Run(t.Context(), p, e, &script.Config{Params: &given, Log: slog.New(w.Handler())}); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return path
}

// recordings are of a call with a modem and a menu, of a host that echoes every
// character, and of one that is typed at byte by byte.
func recordings(t *testing.T) map[string]string {
	t.Helper()
	cfg := scripttest.LoginConfig{User: params.UserName, Password: params.Password}
	menu := cfg
	menu.Menu = []string{"Telnet", "PPP"}
	typed := script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, &script.DialogConfig{PerByte: 50 * time.Millisecond})
		defer d.Close()
		if _, err := d.Exchange(ctx, time.Minute, script.Text("ogin:"), call.Params.UserName+"\r"); err != nil {
			return err
		}
		if _, err := d.ExchangeSecret(ctx, time.Minute, script.Text("word:"), call.Params.Password+"\r"); err != nil {
			return err
		}
		_, err := d.WaitFor(ctx, time.Minute, script.Text("Welcome"))
		return err
	})
	return map[string]string{
		"modem": record(t, true, &menu, script.Login(nil)),
		"menu":  record(t, false, &menu, script.Login(nil)),
		"typed": record(t, false, &cfg, typed),
	}
}

// all are recordings, and those of real sessions in testdata.
func all(t *testing.T) map[string]string {
	t.Helper()
	paths := recordings(t)
	real, err := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "*.pcapng"))
	if err != nil || len(real) < 3 {
		t.Fatalf("testdata/captures has %q, %v; want three recordings", real, err)
	}
	for _, path := range real {
		paths[filepath.Base(path)] = path
	}
	return paths
}

func TestText(t *testing.T) {
	path := recordings(t)["modem"]
	out, _ := rastrace(t, exitOK, "text", path)
	at := 0
	for _, want := range []string{"start 2000-01-01 00:00:00", "- lines DTR|RTS", `> "ATDT5551234\r"`, "DCD", `. waiting for=`, `> "guest\r"`, `> "********\r"`, "- end"} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("there is no %q behind offset %d of\n%s", want, at, out)
		}
		at += i
	}
	if strings.Contains(out, params.Password.Reveal()) {
		t.Error("the password shows")
	}
	out, _ = rastrace(t, exitOK, "text", "-hex", "-port", "line", path)
	if !strings.Contains(out, "67 75 65 73 74 0d") {
		t.Errorf("there is no hexadecimal dump:\n%s", out)
	}
}

func TestStats(t *testing.T) {
	out, _ := rastrace(t, exitOK, "stats", recordings(t)["menu"])
	for _, want := range []string{"port  ", "line\n", "115200,8N1,none", "bytes in", "longest silence", "pieces of secrets", "waits"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "cut off") {
		t.Errorf("a whole recording counts as cut off:\n%s", out)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(recordings(t)["menu"])
	if err != nil {
		t.Fatal(err)
	}
	cut := write("cut", whole[:len(whole)-9])
	var empty bytes.Buffer
	w, err := capture.NewWriter(&empty, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		status int
		want   string
		args   []string
	}{
		{exitUsage, "usage:", nil},
		{exitOK, "usage:", []string{"-h"}},
		{exitOK, "-hex", []string{"text", "-h"}},
		{exitUsage, `no command "show"`, []string{"show", cut}},
		{exitUsage, "name one", []string{"text"}},
		{exitUsage, "-colour", []string{"text", "-colour", cut}},
		{exitFailed, "no such file", []string{"text", filepath.Join(dir, "none")}},
		{exitFailed, "no pcapng file", []string{"text", write("text", []byte("hello, hello"))}},
		{exitFailed, `no port "other": name one of ["line"]`, []string{"text", "-port", "other", cut}},
		{exitFailed, "nothing was sent", []string{"scp", write("empty", empty.Bytes())}},
		{exitFailed, "loopback", []string{"serve", "-listen", "0.0.0.0:0", cut}},
		{exitOK, "warning: " + cut + ": capture: at offset", []string{"text", cut}},
		{exitOK, "", []string{"html", cut}},
	} {
		out, errOut := rastrace(t, test.status, test.args...)
		if !strings.Contains(errOut, test.want) {
			t.Errorf("rastrace %q: standard error %q, want %q in it", test.args, errOut, test.want)
		}
		if test.status != exitOK && out != "" {
			t.Errorf("rastrace %q: standard output %q", test.args, out)
		}
	}
	if out, _ := rastrace(t, exitOK, "stats", cut); !strings.Contains(out, "the recording was cut off") {
		t.Errorf("stats of a recording that is cut off:\n%s", out)
	}
	if out, _ := rastrace(t, exitOK, "html", cut); !strings.Contains(out, "cut off here") {
		t.Error("the page of a recording that is cut off does not say so")
	}
}

// TestDrafts runs the drafts of recordings against their playbacks.
func TestDrafts(t *testing.T) {
	for name, path := range all(t) {
		for _, language := range []string{"scp", "chat"} {
			t.Run(name+"/"+language, func(t *testing.T) {
				draft, _ := rastrace(t, exitOK, language, path)
				s, err := scriptfile.Load("draft."+language, []byte(draft), nil)
				if err != nil {
					t.Fatalf("%v\n%s", err, draft)
				}
				if f := s.Findings(); len(f) > 0 {
					t.Errorf("findings %v in\n%s", f, draft)
				}
				synctest.Test(t, func(t *testing.T) {
					near, far := virtual.Pair()
					defer near.Close()
					host := scripttest.NewPlayback(far, open(t, path), nil)
					given := ras.DialParams{Password: "any other"}
					_, err := script.Run(t.Context(), near, s.Executor(), &script.Config{Params: &given})
					if closeErr := host.Close(); err != nil || closeErr != nil {
						t.Errorf("the draft: %v; the playback: %v\n%s", err, closeErr, draft)
					}
				})
			})
		}
	}
}

func open(t *testing.T, path string) *capture.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestChatRunsTheDrafts has chat(8) run them on a pseudo-terminal.
func TestChatRunsTheDrafts(t *testing.T) {
	chat := peertest.Program(t, "chat")
	for name, path := range all(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			draft, _ := rastrace(t, exitOK, "chat", path)
			runChat(t, chat, draft, path)
		})
	}
}

// TestServe gets the page, and refuses requests of other hosts and paths.
func TestServe(t *testing.T) {
	path := recordings(t)["menu"]
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		defer w.Close()
		status <- run(ctx, []string{"serve", path}, nil, w, io.Discard)
	}()
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(buf[:n]))
	get := func(path, host string) (int, string) {
		req, err := http.NewRequest("GET", url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, page := get("", ""); code != http.StatusOK || !strings.Contains(page, "line.pcapng") || !strings.Contains(page, "guest") {
		t.Errorf("the page: status %d, %.100q", code, page)
	}
	if code, _ := get("", "evil.example"); code != http.StatusForbidden {
		t.Errorf("a request of another host: status %d, want %d", code, http.StatusForbidden)
	}
	if code, _ := get("favicon.ico", ""); code != http.StatusNotFound {
		t.Errorf("another path: status %d, want %d", code, http.StatusNotFound)
	}
	cancel()
	if got := <-status; got != exitOK {
		t.Errorf("exit status %d, want %d", got, exitOK)
	}
}
