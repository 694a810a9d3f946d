package console

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// TestLines gets the same lines however they are cut.
func TestLines(t *testing.T) {
	const text = "one\r\n\ntwo\nrest"
	for size := 1; size <= len(text); size++ {
		var got []string
		w := Lines(func(line string) { got = append(got, line) })
		for piece := range slices.Chunk([]byte(text), size) {
			w.Write(piece)
		}
		if want := []string{"one", "", "two"}; !slices.Equal(got, want) {
			t.Errorf("pieces of %d: %q, want %q", size, got, want)
		}
		w.Close()
		if last := got[len(got)-1]; last != "rest" {
			t.Errorf("pieces of %d: the last line is %q", size, last)
		}
	}
}

// TestLongLines are cut, so that memory stays bounded.
func TestLongLines(t *testing.T) {
	for _, size := range []int{1000, maxLine, 3*maxLine + 5} {
		var got []int
		w := Lines(func(line string) { got = append(got, len(line)) })
		for piece := range slices.Chunk(append(bytes.Repeat([]byte("x"), 2*maxLine+1), "\nend"...), size) {
			w.Write(piece)
		}
		w.Close()
		if want := []int{maxLine, maxLine, 1, 3}; !slices.Equal(got, want) {
			t.Errorf("pieces of %d: lines of %v, want %v", size, got, want)
		}
	}
}

// TestProgress shows what is done, what is awaited, for how long and until when.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &Screen{w: &out, start: begin, stop: make(chan struct{})}
	s.State(script.State{Conn: ras.StateInteractive, Text: "logging in"})
	progress := func() string { return s.progress(begin.Add(3*time.Second), 79) }
	if got := progress(); got != "logging in …" {
		t.Errorf("%q", got)
	}
	h := s.Handler(slog.DiscardHandler)
	record := func(msg string, args ...any) {
		r := slog.NewRecord(begin, slog.LevelDebug, msg, 0)
		r.Add(args...)
		h.Handle(t.Context(), r)
	}
	record("waiting", "for", `"login:"`, "limit", time.Minute)
	if got, want := progress(), `logging in: waiting for "login:", 3 s of 1m0s, until 03:05:05`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	record("waiting", "for", `"x"`)
	if got, want := progress(), `logging in: waiting for "x", 3 s`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	record("waiting", "for", strings.Repeat("é\x1b", 40), "limit", time.Minute)
	for room := 1; room < 200; room++ {
		got := s.progress(begin.Add(3*time.Second), room)
		if n := utf8.RuneCountInString(got); n > room {
			t.Errorf("%d characters in %d: %q", n, room, got)
		}
		if room >= 63 && !strings.HasSuffix(got, ", 3 s of 1m0s, until 03:05:05") {
			t.Errorf("%q", got)
		}
	}
	record("received", "data", "x")
	if got := progress(); got != "logging in …" {
		t.Errorf("%q", got)
	}
	s.State(script.State{Conn: ras.StateDisconnected, Text: "hung up"})
	if s.doing != "" {
		t.Error("there is a progress line after the end")
	}
}

// TestControlCharacters keeps what is in the names of files and entries away from
// the terminal.
func TestControlCharacters(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{w: &out, start: time.Now()}
	s.Printf("a: %s\nb: %s", "\x1b]0;x\a\u009b2J", "\x9b2J\u202e\r")
	if want := `a: \x1b]0;x\a\u009b2J` + "\n" + `b: \x9b2J\u202e\r`; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	out.Reset()
	s.State(script.State{Conn: ras.StateOpenPort, Text: "opening \x1b[2J"})
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
}

// TestText shows the same however it is cut.
func TestText(t *testing.T) {
	const text = "a\r\n\tb\x1b[2J\x00\x7f \u00fcber \xfc \x9b2J\u009b2J\u202e\u00a0\a\b."
	const want = "a\r\n\tb^[[2J^@^? \u00fcber \u00fc \\x9b2J\\x9b2J\\u202e\u00a0\a\b."
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		w := (&Screen{w: &out}).Text()
		for piece := range slices.Chunk([]byte(text), size) {
			if n, err := w.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if out.String() != want {
			t.Errorf("pieces of %d: %q, want %q", size, out.String(), want)
		}
	}
}
