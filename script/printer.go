package script

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/rasline/rasline/script/lint"
)

// PrinterConfig holds the settings of NewPrinter. The zero PrinterConfig and a
// nil one work.
type PrinterConfig struct {
	// Level is the least level that is printed. Default: slog.LevelDebug,
	// which is the whole conversation.
	Level slog.Leveler

	// Start is what times are counted from. Default, and for the zero time:
	// the call of NewPrinter.
	Start time.Time

	// Name begins the lines of warnings and errors, as the messages of a
	// program do. Default: none.
	Name string
}

// NewPrinter returns a log handler that prints a conversation for people, for
// Config.Log and DialogConfig.Log: a line for each record with the time since
// the start, ">" for what is sent and "<" for what is received, and the bytes in
// quotes, so that nothing in them reaches a terminal as a control sequence.
// Other records of the library begin with ".", warnings and errors with Name and
// their level. Each line is one Write. The handler is safe for concurrent use.
//
//	[  1.203s]   < "login: "
//	[  1.204s]   > "joe\r"
func NewPrinter(w io.Writer, cfg *PrinterConfig) slog.Handler {
	p := &printer{shared: &printerShared{w: w}}
	if cfg != nil {
		p.cfg = *cfg
	}
	if p.cfg.Level == nil {
		p.cfg.Level = slog.LevelDebug
	}
	if p.cfg.Start.IsZero() {
		p.cfg.Start = time.Now()
	}
	return p
}

type printer struct {
	cfg    PrinterConfig
	attrs  []slog.Attr
	shared *printerShared
}

type printerShared struct {
	mu sync.Mutex // held while a record is written, so that records stay whole
	w  io.Writer
}

func (p *printer) Enabled(_ context.Context, l slog.Level) bool { return l >= p.cfg.Level.Level() }

func (p *printer) WithGroup(string) slog.Handler { return p }

func (p *printer) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *p
	with.attrs = append(p.attrs[:len(p.attrs):len(p.attrs)], attrs...)
	return &with
}

func (p *printer) Handle(_ context.Context, r slog.Record) error {
	var data, rest string
	note := func(a slog.Attr) bool {
		switch text := a.Value.Resolve().String(); {
		case a.Key == "data":
			data = fmt.Sprintf("%q", text)
		case a.Key == "pattern" && r.Level < slog.LevelInfo:
			// which of several patterns it was is for programs
		case lint.Visible(text) != text:
			rest += fmt.Sprintf(" %s=%q", a.Key, text)
		default:
			rest += fmt.Sprintf(" %s=%s", a.Key, text)
		}
		return true
	}
	for _, a := range p.attrs {
		note(a)
	}
	r.Attrs(note)
	line := strings.Repeat(" ", len("[  0.000s]"))
	if !r.Time.IsZero() {
		line = fmt.Sprintf("[%7.3fs]", r.Time.Sub(p.cfg.Start).Seconds())
	}
	message := lint.Visible(r.Message) // some have the name of a file in them
	switch {
	case r.Level >= slog.LevelWarn:
		line = strings.ToLower(r.Level.String()) + ": " + message + rest
		if p.cfg.Name != "" {
			line = p.cfg.Name + ": " + line
		}
	case r.Message == "sent":
		line += "   > " + data
	case r.Message == "received":
		line += "   < " + data
	default:
		line += "   . " + message + rest
		if data != `""` && data != "" {
			line += " " + data
		}
	}
	p.shared.mu.Lock()
	defer p.shared.mu.Unlock()
	_, err := io.WriteString(p.shared.w, line+"\n")
	return err
}
