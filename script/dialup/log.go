package dialup

import (
	"context"
	"errors"
	"log/slog"
)

// handler returns the handler for the log and the recording.
func (c *Config) handler() slog.Handler {
	var all handlers
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

// handlers gives each record to several handlers.
type handlers []slog.Handler

func (h handlers) Enabled(ctx context.Context, l slog.Level) bool {
	for _, one := range h {
		if one.Enabled(ctx, l) {
			return true
		}
	}
	return false
}

func (h handlers) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, one := range h {
		if one.Enabled(ctx, r.Level) {
			errs = append(errs, one.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(errs...)
}

func (h handlers) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h handlers) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h handlers) each(f func(slog.Handler) slog.Handler) slog.Handler {
	out := make(handlers, len(h))
	for i, one := range h {
		out[i] = f(one)
	}
	return out
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
