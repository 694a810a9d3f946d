package tee

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	var all, some bytes.Buffer
	plain := func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(Handler{
		slog.NewTextHandler(&all, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: plain}),
		slog.NewTextHandler(failing{}, nil),
		slog.NewTextHandler(&some, &slog.HandlerOptions{Level: slog.LevelError, ReplaceAttr: plain}),
	}).With("a", 1).WithGroup("g")
	log.Debug("one", "b", 2)
	log.Error("two")
	if got, want := all.String(), "level=DEBUG msg=one a=1 g.b=2\nlevel=ERROR msg=two a=1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := some.String(), "level=ERROR msg=two a=1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if (Handler{}).Enabled(t.Context(), slog.LevelError) {
		t.Error("a handler without handlers is enabled")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestFilters drop what they should, with attributes and groups too.
func TestFilters(t *testing.T) {
	var out bytes.Buffer
	h := From(Without(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), "state"), slog.LevelInfo)
	for _, l := range []*slog.Logger{slog.New(h), slog.New(h).With("a", 1), slog.New(h).WithGroup("g")} {
		out.Reset()
		l.Debug("detail")
		l.Info("state")
		l.Warn("state")
		l.Info("other")
		got := out.String()
		if strings.Count(got, "\n") != 2 || !strings.Contains(got, "level=WARN msg=state") || !strings.Contains(got, "msg=other") {
			t.Errorf("the log is\n%s", got)
		}
	}
}
