package console

import (
	"log/slog"

	"github.com/rasline/rasline/internal/tee"
	"github.com/rasline/rasline/script"
)

// Log returns the handler of a program's log on the screen, in a format: "text" and
// "json" as in package slog, with states, which State does not print then, and ""
// for people, without them and without the records whose message is one of others.
// name is that of the program.
func (s *Screen) Log(format, name string, level slog.Leveler, others ...string) slog.Handler {
	var h slog.Handler
	switch format {
	case "text":
		h = slog.NewTextHandler(s, &slog.HandlerOptions{Level: level})
	case "json":
		h = slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level})
	default:
		h = tee.Without(script.NewPrinter(s, &script.PrinterConfig{Level: level, Start: s.start, Name: name}), append(others, "state")...)
	}
	s.silent = format != ""
	return s.Handler(h)
}
