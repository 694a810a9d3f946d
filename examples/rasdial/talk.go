package main

import (
	"log/slog"
	"sync/atomic"

	"github.com/rasline/rasline/script"
)

// newLogger returns the log that the flags ask for. The built-in modem is there
// to be watched, so its conversation shows without -v, unless the user takes part in
// it.
func newLogger(o *options, s *screen) *slog.Logger {
	level := slog.LevelWarn
	if o.verbose || o.port == "" && !o.terminal {
		level = slog.LevelDebug
	}
	var h slog.Handler
	switch o.logFormat {
	case "text":
		h = slog.NewTextHandler(s, &slog.HandlerOptions{Level: level})
	case "json":
		h = slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level})
	default:
		h = script.NewPrinter(s, &script.PrinterConfig{Level: level, Start: s.start, Name: "rasdial"})
	}
	return slog.New(splitter{screen: h, notes: new(atomic.Pointer[slog.Logger])})
}
