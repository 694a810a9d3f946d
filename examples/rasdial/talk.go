package main

import (
	"log/slog"

	"github.com/rasline/rasline/script"
)

// newLogger returns the log that the flags ask for. The built-in modem is there
// to be watched, so its conversation shows without -v.
func newLogger(o *options, s *screen) *slog.Logger {
	level := slog.LevelWarn
	if o.verbose || o.port == "" {
		level = slog.LevelDebug
	}
	switch o.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: level}))
	case "json":
		return slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(script.NewPrinter(s, &script.PrinterConfig{Level: level, Start: s.start, Name: "rasdial"}))
}
