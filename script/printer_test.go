package script_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

func TestPrinter(t *testing.T) {
	var out bytes.Buffer
	start := time.Now()
	h := script.NewPrinter(&out, &script.PrinterConfig{Start: start, Name: "prog", Level: slog.LevelDebug})
	for _, r := range []struct {
		level slog.Level
		msg   string
		attrs []slog.Attr
	}{
		{slog.LevelDebug, "sent", []slog.Attr{slog.String("data", "AT\r")}},
		{slog.LevelDebug, "sent", []slog.Attr{slog.Any("data", ras.Secret("hunter2"))}},
		{slog.LevelDebug, "received", []slog.Attr{slog.String("data", "\x1b[2J\r\nOK"), slog.Int("pattern", 1)}},
		{slog.LevelDebug, "wait failed", []slog.Attr{slog.String("data", "x"), slog.Any("error", errors.New("a\x1bb"))}},
		{slog.LevelWarn, "odd", []slog.Attr{slog.Int("n", 1)}},
		{slog.LevelWarn, "\x1b[2J -- open failed", []slog.Attr{slog.String("csi", "\x9b2J"), slog.String("rtl", "\u202e")}},
	} {
		rec := slog.NewRecord(start.Add(1500*time.Millisecond), r.level, r.msg, 0)
		rec.AddAttrs(r.attrs...)
		if err := h.WithAttrs(nil).Handle(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	want := "[  1.500s]   > \"AT\\r\"\n" +
		"[  1.500s]   > \"***\"\n" +
		"[  1.500s]   < \"\\x1b[2J\\r\\nOK\"\n" +
		"[  1.500s]   . wait failed error=\"a\\x1bb\" \"x\"\n" +
		"prog: warn: odd n=1\n" +
		"prog: warn: \\x1b[2J -- open failed csi=\"\\x9b2J\" rtl=\"\\u202e\"\n"
	if out.String() != want {
		t.Errorf("printed\n%swant\n%s", out.String(), want)
	}
}
