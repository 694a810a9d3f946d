package dialup

import (
	"context"
	"log/slog"

	"github.com/rasline/rasline/internal/tee"
)

// handler returns the handler for the log and the recording.
func (c *Config) handler() slog.Handler {
	var all tee.Handler
	if c.Log != nil {
		all = append(all, c.Log)
	}
	if c.Record != nil {
		all = append(all, c.Record.Handler())
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// withoutStates drops the states that script.Run logs: a dial is one run, whose
// script is its last part alone.
type withoutStates struct{ slog.Handler }

func (h withoutStates) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelInfo && r.Message == "state" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h withoutStates) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutStates{h.Handler.WithAttrs(attrs)}
}

func (h withoutStates) WithGroup(name string) slog.Handler {
	return withoutStates{h.Handler.WithGroup(name)}
}
