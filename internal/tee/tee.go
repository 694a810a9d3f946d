// Package tee has a log handler that gives each record to several handlers.
package tee

import (
	"context"
	"errors"
	"log/slog"
)

// Handler gives each record to all of its handlers that want it. The zero Handler
// wants none.
type Handler []slog.Handler

// Enabled reports whether one of the handlers is.
func (h Handler) Enabled(ctx context.Context, l slog.Level) bool {
	for _, one := range h {
		if one.Enabled(ctx, l) {
			return true
		}
	}
	return false
}

// Handle gives a copy of r to every handler that is enabled for its level, also
// after one has failed.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, one := range h {
		if one.Enabled(ctx, r.Level) {
			errs = append(errs, one.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(errs...)
}

// WithAttrs returns a Handler of the handlers with the attributes.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

// WithGroup returns a Handler of the handlers with the group.
func (h Handler) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h Handler) each(f func(slog.Handler) slog.Handler) slog.Handler {
	out := make(Handler, len(h))
	for i, one := range h {
		out[i] = f(one)
	}
	return out
}
