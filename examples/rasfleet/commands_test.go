package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runCommand runs the program with arguments and returns what it prints.
func runCommand(t *testing.T, in string, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	p := &program{ctx: t.Context(), in: strings.NewReader(in), out: &o, errOut: &e}
	status = p.run(args)
	return status, o.String(), e.String()
}

func TestCommands(t *testing.T) {
	e, q := startTestQueue(t, 2*time.Second)
	startWorker(t, q, workerConfig{name: "w1", lines: simLines("a", 2)})
	to := []string{"-nats", e.url(), "-creds", e.creds}
	with := func(command string, args ...string) []string {
		return append(append([]string{command}, to...), args...)
	}
	job := func(id, class, number string) string {
		return `{"id": "` + id + `", "class": "` + class + `", "number": "` + number + `", "attempts": 1, "params": {"user": "reader"}, "credentials": "meters",
			"script": {"language": "chat", "text": "ogin: \\T word: \\U kWh \"\""}}`
	}
	oneLine := func(s string) string { return strings.ReplaceAll(s, "\n", " ") + "\n" }
	file := filepath.Join(t.TempDir(), "job.json")
	if err := os.WriteFile(file, []byte(job("m-1", "modem", "555-0100")), 0o600); err != nil {
		t.Fatal(err)
	}
	linesFile := filepath.Join(t.TempDir(), "lines.json")
	if err := os.WriteFile(linesFile, []byte(`[{"name": "l", "port": "sim:l", "class": "modem"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, in  string
		args      []string
		status    int
		out, errs string
	}{
		{"no command", "", nil, 2, "", "usage"},
		{"unknown command", "", []string{"stauts"}, 2, "", "stauts"},
		{"help", "", []string{"-h"}, 0, "rasfleet serve", ""},
		{"unknown flag", "", []string{"work", "-lnes", "x"}, 2, "", "-lnes"},
		{"no server named", "", []string{"submit", file}, 2, "", "-nats"},
		{"a password in the URL", "", []string{"status", "-nats", "nats://u:kilowatt-9731@127.0.0.1:1"}, 1, "", "nats://127.0.0.1:1: "},
		{"a password in a URL that does not parse", "", []string{"status", "-nats", "nats://u:kilowatt-9731@127.0.0.1:x"}, 1, "", "no URL"},
		{"a password with a percent sign", "", []string{"status", "-nats", "nats://u:kilowatt-9731%zz@127.0.0.1:1"}, 1, "", "no URL"},
		{"a wrong address for clients", "", []string{"serve", "-store", t.TempDir(), "-listen", "foo"}, 2, "", "-listen foo"},
		{"a wrong address of the page", "", []string{"serve", "-store", t.TempDir(), "-http", "foo"}, 2, "", "-http foo"},
		{"an address that is another host's", "", []string{"serve", "-store", t.TempDir(), "-listen", "192.0.2.1:1"}, 1, "", "192.0.2.1"},
		{"replicas of one server", "", []string{"serve", "-store", t.TempDir(), "-replicas", "3"}, 2, "", "-replicas"},
		{"no directory of secrets", "", with("work", "-lines", linesFile, "-secrets", "missing"), 2, "", "-secrets"},
		{"an error in a job of several lines", strings.Replace(job("x-1", "modem", "1"), `}}`, `},}`, 1), with("submit", "-"), 2, "", "-:2: no job"},
		{"a job that ends early", "{\n\"id\":\n", with("submit", "-"), 2, "", "-:2: no job: unexpected EOF"},
		{"the second job of several lines", job("x-1", "modem", "1") + "\n\n" + job("x-2", "modem", "1;X"), with("submit", "-"), 2, "", "-:4: number"},
		{"a file without a job", "", with("submit", os.DevNull), 2, "", "there is no job"},
		{"no jobs on standard input", "\n", with("submit", "-wait", "-"), 0, "", "0 jobs queued"},
		{"one of two jobs is wrong", oneLine(job("x-1", "modem", "1")) + oneLine(job("x-2", "modem", "1;X")), with("submit", "-"), 2, "", "-:2: number"},
		{"one of two classes is unknown", oneLine(job("x-1", "modem", "1")) + oneLine(job("x-2", "nope", "1")), with("submit", "-"), 2, "", "class nope"},
		{"a job", "", with("submit", "-wait", file), 0, "", "1 of 1 done, 0 failed"},
		{"the same again", "", with("submit", "-wait", file), 0, "", "0 jobs queued, 1 known before"},
		{"a job that fails", job("m-2", "modem", "555-0199"), with("submit", "-wait", "-"), 1, "", "some jobs have failed"},
		{"results", "", with("results"), 0, "m-1", ""},
		{"results in JSON", "", with("results", "-json"), 0, `"outcome":"ok"`, ""},
		{"status", "", with("status"), 0, "2 results", ""},
		{"cancel what has ended", "", with("cancel", "m-1"), 0, "had ended before", ""},
		{"cancel what is unknown", "", with("cancel", "x-1"), 1, "", "no job has this id"},
	} {
		status, out, errs := runCommand(t, test.in, test.args...)
		if status != test.status || !strings.Contains(out, test.out) || !strings.Contains(errs, test.errs) {
			t.Errorf("%s: status %d, %q, %q; want %d, %q, %q", test.name, status, out, errs, test.status, test.out, test.errs)
		}
		if strings.Contains(out+errs, simPassword[:8]) {
			t.Errorf("%s: the password was printed", test.name)
		}
	}
}
