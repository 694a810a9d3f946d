package main

import (
	"context"
	"io"
	"log/slog"
)

// journal is a slog.Handler that writes messages as chat(8) does: nothing but
// their text, to the standard error and to the system's log.
type journal struct {
	verbose bool
	stderr  io.Writer                           // nil: not there
	system  func(level slog.Level, text string) // nil: not there
}

// Enabled keeps the conversation to those who asked for it.
func (j *journal) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || j.verbose
}

// Handle writes a message. What a line cannot do is no message of chat(8).
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		return nil
	}
	text := r.Message
	if text == " -- got it" {
		text += "\n" // chat(8) has a blank line here
	}
	if j.system != nil && (j.verbose || r.Level >= slog.LevelError) {
		j.system(r.Level, text)
	}
	if j.stderr != nil {
		io.WriteString(j.stderr, text+"\n")
	}
	return nil
}

// WithAttrs drops the attributes; there are none.
func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup drops the group.
func (j *journal) WithGroup(string) slog.Handler { return j }
