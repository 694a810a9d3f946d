package capture

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
)

// Handler returns a log handler that makes a note of each record, for
// script.Config.Log: states, waits, matches, the places of a script, errors. The
// note has the message and the attributes as key=value, and the time at which it
// was handled. Records of what is sent and received are dropped, since the events
// hold the bytes, and so are attributes named "data"; of what a script sends, the
// place in the script stays.
//
// A record with an attribute "port" that names a port of the recording belongs
// to that port, any other to the first.
func (w *Writer) Handler() slog.Handler { return &handler{w: w} }

type handler struct {
	w      *Writer
	port   string
	prefix string // of the keys, of WithGroup
	attrs  string // of WithAttrs
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	var b strings.Builder
	for _, a := range attrs {
		with.attr(&b, h.prefix, a)
	}
	with.attrs += b.String()
	return &with
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	here := *h
	var b strings.Builder
	matched, placed := false, false
	r.Attrs(func(a slog.Attr) bool {
		matched, placed = matched || a.Key == "pattern", placed || a.Key == "place"
		here.attr(&b, h.prefix, a)
		return true
	})
	text := r.Message
	switch {
	case text == "sent" && placed:
		text = "sending"
	case text == "sent", text == "received" && !matched:
		return nil
	case text == "received":
		text = "matched"
	}
	if r.Level >= slog.LevelWarn {
		text = strings.ToLower(r.Level.String()) + ": " + text
	}
	h.w.note(here.port, text+h.attrs+b.String())
	return nil
}

// attr appends an attribute as " key=value".
func (h *handler) attr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			h.attr(b, prefix, inner)
		}
		return
	}
	key := prefix + a.Key
	text := v.String()
	switch {
	case key == "" && text == "", key == "data":
		return
	case key == "port":
		h.port = text
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	b.WriteString(" " + key + "=" + text)
}

// note queues a note for the named port, or for the first one.
func (w *Writer) note(name, text string) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > maxNote {
		text = text[:maxNote+1] // maskNote cuts it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.ports[0]
	for _, p := range w.ports {
		if name != "" && p.name == name {
			r = p
		}
	}
	if w.closed {
		return
	}
	w.pushLocked(event{rec: r, kind: Note, note: text}, nil)
	if strings.Contains(text, "RASCS_") {
		w.arm(0) // a program that dies leaves the states that it has reached
	}
}
