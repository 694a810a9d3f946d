package modem

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// fake is a modem written by hand for one test: answer gets every line that ends
// with CR, or every piece that arrives if pieces is set, and returns what is
// sent back.
type fake struct {
	port   port.Port
	answer func(f *fake, line string) string
	pieces bool

	mu    sync.Mutex
	lines []string // what was received
	group sync.WaitGroup
}

// later sends a text after d.
func (f *fake) later(d time.Duration, text string) {
	f.group.Go(func() {
		<-time.After(d)
		f.port.Write([]byte(text))
	})
}

// got returns what was received up to now.
func (f *fake) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

func (f *fake) run() {
	var line []byte
	b := make([]byte, 256)
	for {
		n, err := f.port.Read(b)
		switch {
		case f.pieces && n > 0:
			f.take(string(b[:n]))
		default:
			for _, c := range b[:n] {
				if c != '\r' {
					line = append(line, c)
					continue
				}
				f.take(string(line))
				line = line[:0]
			}
		}
		if err != nil {
			return
		}
	}
}

func (f *fake) take(s string) {
	f.mu.Lock()
	f.lines = append(f.lines, s)
	f.mu.Unlock()
	if text := f.answer(f, s); text != "" {
		f.port.Write([]byte(text))
	}
}

// registers answers the questions for S3, S4 and S5 in a line as V.250 has it, and
// everything else by OK.
func registers(line string) string {
	body := strings.ToUpper(strings.TrimPrefix(strings.TrimLeft(line, "\x1B"), "AT"))
	text := ""
	for {
		switch {
		case strings.HasPrefix(body, "S3?"):
			text += "\r\n013\r\n"
		case strings.HasPrefix(body, "S4?"):
			text += "\r\n010\r\n"
		case strings.HasPrefix(body, "S5?"):
			text += "\r\n008\r\n"
		default:
			return text + "\r\nOK\r\n"
		}
		body = body[3:]
	}
}

// withFake runs e on a line with a fake modem, on fake time.
func withFake(t *testing.T, cfg *Config, f *fake, e func(ctx context.Context, m *Modem, d *script.Dialog) error) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.NoLines())
		f.port = far
		done := make(chan struct{})
		go func() { defer close(done); f.run() }()
		_, err = script.Run(t.Context(), near, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			d := script.NewDialog(call, nil)
			defer d.Close()
			return e(ctx, New(d, cfg), d)
		}), nil)
		f.group.Wait()
		near.Close()
		far.Close()
		<-done
	})
	return err
}
