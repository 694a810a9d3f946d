package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
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
	return slog.New(&talk{screen: s, level: level})
}

// talk is a slog.Handler that shows a conversation as people read it.
type talk struct {
	screen *screen
	level  slog.Level
	attrs  []slog.Attr
}

func (t *talk) Enabled(_ context.Context, l slog.Level) bool { return l >= t.level }

func (t *talk) WithGroup(string) slog.Handler { return t }

func (t *talk) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &talk{t.screen, t.level, append(t.attrs[:len(t.attrs):len(t.attrs)], attrs...)}
}

func (t *talk) Handle(_ context.Context, r slog.Record) error {
	var data, rest string
	note := func(a slog.Attr) bool {
		if a.Key == "data" {
			data = a.Value.Resolve().String()
		} else if !(r.Level < slog.LevelInfo && a.Key == "pattern") {
			rest += fmt.Sprintf(" %s=%s", a.Key, printable(a.Value.Resolve().String()))
		}
		return true
	}
	for _, a := range t.attrs {
		note(a)
	}
	r.Attrs(note)
	at := stamp(time.Since(t.screen.start))
	switch {
	case r.Level >= slog.LevelWarn:
		t.screen.printf("rasdial: %s: %s%s\n", strings.ToLower(r.Level.String()), r.Message, rest)
	case r.Message == "sent":
		t.screen.printf("%s   > %q\n", at, data)
	case r.Message == "received":
		t.screen.printf("%s   < %q\n", at, data)
	default:
		t.screen.printf("%s   . %s%s\n", at, r.Message, rest+shown(data))
	}
	return nil
}

// shown returns data as the end of a line.
func shown(data string) string {
	if data == "" {
		return ""
	}
	return fmt.Sprintf(" %q", data)
}

// printable keeps control characters from the terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
