package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/ras"
)

// recorder is what -record writes; nil: nothing is recorded.
type recorder struct {
	file   *os.File
	writer *capture.Writer
	notes  *slog.Logger
}

// startRecording creates the file of -record, which others must not read, and has
// the log put into it too.
func (d *dialer) startRecording() error {
	if d.opts.record == "" {
		return nil
	}
	f, err := os.OpenFile(d.opts.record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("-record: %s exists already: remove it, or name another file", d.opts.record)
	}
	if err != nil {
		return fmt.Errorf("-record: %w", err)
	}
	w, err := capture.NewWriter(f, &capture.Config{Watch: true})
	if err != nil {
		f.Close()
		return fmt.Errorf("-record: %w", err)
	}
	d.recorder = &recorder{file: f, writer: w, notes: slog.New(w.Handler())}
	if s, ok := d.log.Handler().(splitter); ok {
		s.notes.Store(d.recorder.notes)
	}
	return nil
}

// record returns p, recorded if the flags ask for that.
func (d *dialer) record(p port.Port) port.Port {
	if d.recorder == nil {
		return p
	}
	return capture.Record(p, d.recorder.writer)
}

// stopRecording completes the file.
func (d *dialer) stopRecording() {
	if d.recorder == nil {
		return
	}
	if err := errors.Join(d.recorder.writer.Close(), d.recorder.file.Close()); err != nil {
		d.screen.printf("rasdial: -record: %s\n", oneLine(err.Error()))
	}
}

// state announces a state on the screen and in the recording.
func (d *dialer) state(state ras.ConnState, text string) {
	d.screen.state(state, text)
	if d.recorder == nil {
		return
	}
	attrs := []any{"state", state.String()}
	if text != "" {
		attrs = append(attrs, "text", text)
	}
	d.recorder.notes.Info("state", attrs...)
}

// splitter is the log handler of the program: it hands records to the screen and,
// once a recording has begun, to that. States are dropped, since the program
// announces its own, which have the dialling before them; the recording gets
// those that failed, whose errors name the place in the script.
type splitter struct {
	screen slog.Handler
	notes  *atomic.Pointer[slog.Logger]
	derive []func(slog.Handler) slog.Handler // of notes, as screen was derived
}

func (s splitter) Enabled(ctx context.Context, l slog.Level) bool {
	return s.screen.Enabled(ctx, l) || s.notes.Load() != nil
}

func (s splitter) Handle(ctx context.Context, r slog.Record) error {
	state, failed := r.Message == "state", false
	r.Attrs(func(a slog.Attr) bool { failed = failed || a.Key == "error"; return true })
	var err error
	if !state && s.screen.Enabled(ctx, r.Level) {
		err = s.screen.Handle(ctx, r)
	}
	if notes := s.notes.Load(); notes != nil && (!state || failed) {
		h := notes.Handler()
		for _, derive := range s.derive {
			h = derive(h)
		}
		err = errors.Join(err, h.Handle(ctx, r))
	}
	return err
}

func (s splitter) with(derive func(slog.Handler) slog.Handler) slog.Handler {
	return splitter{derive(s.screen), s.notes, append(s.derive[:len(s.derive):len(s.derive)], derive)}
}

func (s splitter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return s.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (s splitter) WithGroup(name string) slog.Handler {
	return s.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}
