// Package tee has log handlers that give each record to several handlers, and that
// drop some records.
package tee

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// Without returns a handler that drops the records below slog.LevelWarn with one of the messages.
func Without(h slog.Handler, messages ...string) slog.Handler { return without{h, messages} }

type without struct {
	slog.Handler
	messages []string
}

func (h without) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && slices.Contains(h.messages, r.Message) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h without) WithAttrs(attrs []slog.Attr) slog.Handler {
	return without{h.Handler.WithAttrs(attrs), h.messages}
}

func (h without) WithGroup(name string) slog.Handler {
	return without{h.Handler.WithGroup(name), h.messages}
}

// From returns a handler that drops the records below a level.
func From(h slog.Handler, least slog.Level) slog.Handler { return from{h, least} }

type from struct {
	slog.Handler
	least slog.Level
}

func (h from) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.least && h.Handler.Enabled(ctx, l)
}

func (h from) WithAttrs(attrs []slog.Attr) slog.Handler {
	return from{h.Handler.WithAttrs(attrs), h.least}
}

func (h from) WithGroup(name string) slog.Handler { return from{h.Handler.WithGroup(name), h.least} }
