package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rasline/rasline/internal/tee"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// progressEvery is how often the progress line is drawn.
const progressEvery = 200 * time.Millisecond

// Screen is standard error: lines that stay, and, if it is a terminal, a last
// line that shows what is done, what is awaited and until when. Its methods may be
// called from any goroutine.
//
// The last line of the screen, under mu:
//
//	event            empty                  progress (drawn)      text without an end (open)
//	draw, each tick  progress, if doing     drawn anew            -
//	Write, Pass      open, unless the       erased, then as       open, unless the text
//	                 text ends its line     for empty             ends the line
//	Printf, State    empty                  erased, then empty    ended, then empty
//	Close            -                      erased                -
type Screen struct {
	w     io.Writer
	start time.Time
	stop  chan struct{} // nil: there is no progress line
	done  chan struct{}

	mu     sync.Mutex // guards what follows
	doing  string     // the text of the progress line; empty: there is none
	wait   string     // what is awaited
	since  time.Time
	limit  time.Duration // 0: none
	drawn  bool
	open   bool // what was written last did not end its line
	silent bool // states are not printed
}

// NewScreen returns the screen on f. Without progress there is no progress line.
func NewScreen(f *os.File, progress bool) *Screen {
	s := &Screen{w: f, start: time.Now()}
	if info, err := f.Stat(); progress && err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
		s.stop, s.done = make(chan struct{}), make(chan struct{})
		go s.draw() // until Close
	}
	return s
}

// Start returns when the screen was made, from which its times count.
func (s *Screen) Start() time.Time { return s.start }

// SetSilent keeps states from being printed, because a log has them.
func (s *Screen) SetSilent() { s.silent = true }

// Close erases the progress line for good.
func (s *Screen) Close() {
	if s.stop == nil {
		return
	}
	close(s.stop)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *Screen) draw() {
	defer close(s.done)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			s.mu.Lock()
			if s.doing != "" && !s.open {
				fmt.Fprintf(s.w, "\r\x1b[K%s %s", stamp(now.Sub(s.start)), s.progress(now, width(s.w)-len(stamp(0))-2))
				s.drawn = true
			}
			s.mu.Unlock()
		}
	}
}

// progress returns the text of the progress line in so many characters: a line that
// wraps could not be erased. What is awaited is shortened first. s.mu is held.
func (s *Screen) progress(now time.Time, room int) string {
	text := lint.Visible(s.doing)
	if s.wait == "" {
		return shorten(text+" …", room)
	}
	text += ": waiting for "
	tail := fmt.Sprintf(", %d s", int(now.Sub(s.since).Seconds()))
	if s.limit > 0 {
		tail += fmt.Sprintf(" of %v, until %s", s.limit, s.since.Add(s.limit).Format(time.TimeOnly))
	}
	wait := shorten(lint.Visible(s.wait), max(10, room-utf8.RuneCountInString(text+tail)))
	return shorten(text+wait+tail, room)
}

// shorten cuts a text to so many characters.
func shorten(s string, room int) string {
	if r := []rune(s); len(r) > room {
		return string(r[:max(0, room-1)]) + "…"
	}
	return s
}

func (s *Screen) erase() {
	if s.drawn {
		io.WriteString(s.w, "\r\x1b[K")
		s.drawn = false
	}
}

// Write writes text that a script has for the user.
func (s *Screen) Write(b []byte) (int, error) { return s.Pass(s.w, b) }

// Pass is Write for text for w, which may be the same terminal.
func (s *Screen) Pass(w io.Writer, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if len(b) > 0 {
		s.open = b[len(b)-1] != '\n'
	}
	return w.Write(b)
}

// Printf writes lines. What a terminal would act on in them, such as an ESC in the
// name of a file, is written as in a Go string.
func (s *Screen) Printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if s.open {
		io.WriteString(s.w, "\n")
		s.open = false
	}
	var text strings.Builder
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		line, ended := strings.CutSuffix(line, "\n")
		text.WriteString(lint.Visible(line))
		if ended {
			text.WriteByte('\n')
		}
	}
	io.WriteString(s.w, text.String())
}

// State announces a state of the connection.
func (s *Screen) State(st script.State) {
	text := st.Text
	if st.Err != nil {
		text = strings.ReplaceAll(st.Err.Error(), "\n", "; ")
		if st.Number != "" && !strings.Contains(text, st.Number) {
			text = st.Number + " " + text
		}
	}
	if !s.silent {
		s.Printf("%s %-26s %s\n", stamp(time.Since(s.start)), st.Conn, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing, s.wait = text, ""
	if st.Conn.Final() {
		s.doing = ""
	}
}

// Handler returns a log handler that passes records on to h and learns from them
// what a script waits for.
func (s *Screen) Handler(h slog.Handler) slog.Handler {
	if s.stop == nil {
		return h
	}
	return watching{h, s}
}

type watching struct {
	slog.Handler
	screen *Screen
}

func (w watching) Enabled(context.Context, slog.Level) bool { return true }

func (w watching) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "waiting":
		w.screen.mu.Lock()
		w.screen.since, w.screen.limit = r.Time, 0
		r.Attrs(func(a slog.Attr) bool {
			switch a.Key {
			case "for":
				w.screen.wait = a.Value.String()
			case "limit":
				w.screen.limit = a.Value.Duration()
			}
			return true
		})
		w.screen.mu.Unlock()
	case "received", "sent", "wait failed":
		w.screen.mu.Lock()
		w.screen.wait = ""
		w.screen.mu.Unlock()
	}
	if !w.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return w.Handler.Handle(ctx, r)
}

func (w watching) WithAttrs(attrs []slog.Attr) slog.Handler {
	return watching{w.Handler.WithAttrs(attrs), w.screen}
}

func (w watching) WithGroup(name string) slog.Handler {
	return watching{w.Handler.WithGroup(name), w.screen}
}

func stamp(d time.Duration) string { return fmt.Sprintf("[%7.3fs]", d.Seconds()) }

// Log returns the handler of a program's log on the screen, in a format: "text" and
// "json" as in package slog, with states, which State does not print then, and ""
// for people, without them and without the records whose message is one of others.
// name is that of the program.
func (s *Screen) Log(format, name string, level slog.Leveler, others ...string) slog.Handler {
	var h slog.Handler
	switch format {
	case "text":
		h = slog.NewTextHandler(s, &slog.HandlerOptions{Level: level})
	case "json":
		h = slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level})
	default:
		h = tee.Without(script.NewPrinter(s, &script.PrinterConfig{Level: level, Start: s.start, Name: name}), append(others, "state")...)
	}
	s.silent = format != ""
	return s.Handler(h)
}

// defaultWidth is that of a terminal that does not report one.
const defaultWidth = 80

// width returns how many characters a line of the terminal w has.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n := columns(f); n > 0 {
			return n
		}
	}
	return defaultWidth
}
