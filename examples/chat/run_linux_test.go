package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A line that is no terminal is refused before anything is sent.
func TestNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var stderr bytes.Buffer
	status := run([]string{"chat", "-sS", "", "AT"}, r, w, &stderr, os.LookupEnv)
	want := "Can't get terminal parameters: Inappropriate ioctl for device\n"
	if status != 2 || stderr.String() != want {
		t.Errorf("status %d, standard error %q; want 2, %q", status, stderr.String(), want)
	}
}

func TestUsage(t *testing.T) {
	var stderr bytes.Buffer
	status := run([]string{"/sbin/chat", "-Z"}, os.Stdin, os.Stdout, &stderr, os.LookupEnv)
	if status != 1 || !strings.HasPrefix(stderr.String(), "Usage: /sbin/chat [-e]") {
		t.Errorf("status %d, standard error %q", status, stderr.String())
	}
}

// Everything the program writes is searched for everything that is secret,
// while the peer echoes what it gets.
func TestNoSecretIsWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and waits for its timeouts")
	}
	program := build(t)
	secrets := []string{"5551212", "7773", "marked-one", "from-file"}
	for _, signal := range []syscall.Signal{0, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			p := &play{
				args: []string{"-SsveV", "-t3", "-r", "@REPORT", "-T", secrets[0], "-U", secrets[1], "REPORT", "echo", "ABORT", "no carrier",
					"SAY", `dialling \T and \U`, "", `ATD\T,\U`, "x", `\q` + strings.ReplaceAll(secrets[2], "-", `\-`), "y", "@@FILE", "TIMEOUT", "1", "OK-BREAK-OK", `\c`},
				file:   secrets[3] + "\n",
				replys: []string{"echo ATD5551212,7773\r\nx", "Marked-One\r\ny", "echo from-FILE from-f"},
				signal: signal,
			}
			got, err := perform(context.Background(), t, program, p)
			if err != nil {
				t.Fatal(err)
			}
			if want := "ATD5551212,7773\rmarked-one\rfrom-file\r"; got.sent != want || got.broken != "" {
				t.Errorf("sent %q, want %q; %s", got.sent, want, got.broken)
			}
			for _, s := range secrets[1:] { // the first is a number, which may be shown
				if shown := strings.ToLower(got.stderr + got.report); strings.Contains(shown, s) {
					t.Errorf("%q is shown in %q", s, shown)
				}
			}
			if !strings.Contains(got.stderr, "***") || !strings.Contains(got.report, "***") {
				t.Errorf("nothing is masked: %q and %q", got.stderr, got.report)
			}
		})
	}
}
