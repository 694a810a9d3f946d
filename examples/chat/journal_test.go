package main

import (
	"bytes"
	"log/slog"
	"testing"
)

func TestJournal(t *testing.T) {
	for _, tt := range []struct {
		name           string
		verbose        bool
		stderr, system string
	}{
		{"plain", false, "Failed\nSIGINT\n", "ERROR SIGINT|"},
		{"verbose", true, "send (x)\n -- got it\n\nFailed\nSIGINT\n", "DEBUG send (x)|DEBUG  -- got it\n|INFO Failed|ERROR SIGINT|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			system := ""
			log := slog.New(&journal{verbose: tt.verbose, stderr: &stderr,
				system: func(level slog.Level, text string) { system += level.String() + " " + text + "|" }})
			log.Debug("send (x)")
			log.Debug(" -- got it")
			log.Warn("the line cannot send a break")
			log.Info("Failed")
			log.Error("SIGINT")
			if stderr.String() != tt.stderr || system != tt.system {
				t.Errorf("standard error %q, system %q; want %q, %q", stderr.String(), system, tt.stderr, tt.system)
			}
		})
	}
}
