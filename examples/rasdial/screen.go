package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// progressEvery is how often the progress line is drawn.
const progressEvery = 200 * time.Millisecond

// screen is standard error: lines that stay, and, if it is a terminal, a last
// line that shows the time passing. Its methods may be called from any
// goroutine.
type screen struct {
	w     io.Writer
	start time.Time
	stop  chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	now   string // what the progress line says; empty: there is none
	drawn bool
	open  bool // what was written last did not end its line
}

// newScreen returns the screen on f. Without progress no line shows the time.
func newScreen(f *os.File, progress bool) *screen {
	s := &screen{w: f, start: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	if !progress || !isTerminal(f) {
		close(s.done)
		return s
	}
	go s.draw()
	return s
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// close erases the progress line for good.
func (s *screen) close() {
	close(s.stop)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *screen) draw() {
	defer close(s.done)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.redraw()
		}
	}
}

func (s *screen) redraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == "" || s.open {
		return
	}
	fmt.Fprintf(s.w, "\r\x1b[K%s %s …", stamp(time.Since(s.start)), s.now)
	s.drawn = true
}

func (s *screen) erase() {
	if s.drawn {
		io.WriteString(s.w, "\r\x1b[K")
		s.drawn = false
	}
}

// Write writes text that a script has for the user.
func (s *screen) Write(b []byte) (int, error) {
	return s.pass(s.w, b)
}

// pass is Write for text that goes to w, which may be the same terminal.
func (s *screen) pass(w io.Writer, b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if len(b) > 0 {
		s.open = b[len(b)-1] != '\n'
	}
	return w.Write(b)
}

// printf writes lines.
func (s *screen) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if s.open {
		io.WriteString(s.w, "\n")
		s.open = false
	}
	fmt.Fprintf(s.w, format, args...)
}

// state announces a state of the connection.
func (s *screen) state(state ras.ConnState, text string) {
	s.printf("%s %-26s %s\n", stamp(time.Since(s.start)), state, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = state.String()
	if state.Final() {
		s.now = ""
	}
}

func stamp(d time.Duration) string { return fmt.Sprintf("[%7.3fs]", d.Seconds()) }
