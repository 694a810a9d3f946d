package capture_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/chat"
	"github.com/rasline/rasline/script/scriptfile"
)

// TestPlacesOfScripts records a script of each language and looks for the lines
// at which it waits and sends, and plays it back to the script with another password.
// The password, which is in the name of the file, is
// not shown.
func TestPlacesOfScripts(t *testing.T) {
	const password = "hunter22"
	load := func(name, section, src string) script.Executor {
		s, err := scriptfile.Load(name, []byte(src), &scriptfile.Config{Section: section})
		if err != nil {
			t.Fatal(err)
		}
		return s.Executor()
	}
	arguments, err := chat.Parse([]string{"ogin: ", "joe", "word: ", `hello\c`})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name   string
		e      script.Executor
		places []string // of waits and what is sent
	}{
		{"scp", load("a hunter22 b.scp", "", "proc main\n waitfor \"ogin: \"\n transmit $USERID + \"^M\"\n\n waitfor \"word: \" until 5\n transmit \"hello\"\nendproc\n"),
			[]string{"waiting a *** b.scp:2", "sending a *** b.scp:3", "waiting a *** b.scp:5", "sending a *** b.scp:6"}},
		{"chat", load("my.chat", "", "TIMEOUT 5\n'ogin: ' joe\n'word: '\n 'hello\\c'\n"),
			[]string{"waiting my.chat:2", "sending my.chat:2", "waiting my.chat:3", "sending my.chat:4"}},
		{"chat's arguments", arguments,
			[]string{"waiting argument 1", "sending argument 2", "waiting argument 3", "sending argument 4"}},
		{"switchinf", load("my.inf", "x", "[x]\nCOMMAND=\nOK=<match>\"ogin: \"\nCOMMAND=joe<cr>\nOK=<match>\"word: \"\nCOMMAND=hello\nCONNECT=<ignore>\n"),
			[]string{"waiting my.inf:2", "sending my.inf:4", "waiting my.inf:4", "sending my.inf:6", "waiting my.inf:6"}},
		{"runscript", load("my.runscript", "", "expect {\n \"ogin: \"\n}\nsend \"joe\"\nexpect {\n \"word: \"\n}\nsend \"hello\\c\"\n"),
			[]string{"waiting my.runscript:1", "sending my.runscript:4", "waiting my.runscript:5", "sending my.runscript:8"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var file bytes.Buffer
				w, err := capture.NewWriter(&file, nil)
				if err != nil {
					t.Fatal(err)
				}
				near, far := virtual.Pair()
				defer near.Close()
				defer far.Close()
				go func() {
					for _, prompt := range []string{"login: ", "password: ", "\r\nready"} {
						far.Write([]byte(prompt))
						far.Read(make([]byte, 99))
					}
				}()
				cfg := &script.Config{Params: &ras.DialParams{UserName: "joe", Password: password}, Log: slog.New(w.Handler())}
				if _, err := script.Run(t.Context(), capture.Record(near, w), v.e, cfg); err != nil {
					t.Error(err)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				var places []string
				for _, e := range readAll(t, file.Bytes()) {
					what, rest, _ := strings.Cut(e.Note, " ")
					if _, place, ok := strings.Cut(rest, "place="); ok {
						places = append(places, what+" "+strings.Trim(place, `"`))
					}
				}
				if got := slices.Compact(places); fmt.Sprint(got) != fmt.Sprint(v.places) {
					t.Errorf("got %q\nwant %q", got, v.places)
				}
				if piece := echo.Leak(file.String(), password); piece != "" {
					t.Errorf("the file shows %q", piece)
				}

				again, host := virtual.Pair()
				defer again.Close()
				played := capture.Play(host, openFile(t, file.Bytes()), &capture.PlayConfig{Hold: true})
				cfg = &script.Config{Params: &ras.DialParams{UserName: "joe", Password: "another"}}
				if _, err := script.Run(t.Context(), played.Near(again), v.e, cfg); err != nil {
					t.Errorf("the same script at its recording: %v", err)
				}
				again.Close()
				if err := played.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
