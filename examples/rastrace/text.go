package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rasline/rasline/port/capture"
)

// text writes a line for each event, with the time since the start and since the
// event before, as rasdial -v does: ">" for what was sent, "<" for what was
// received, "." for notes and "-" for everything else.
func (p *program) text() error {
	out := bufio.NewWriter(p.out)
	var start, last time.Time
	err := p.each(func(r *capture.Reader, e *capture.Event) {
		if start.IsZero() {
			start, last = e.Time, e.Time
			fmt.Fprintf(out, "start %s\n", start.Format("2006-01-02 15:04:05.000000 MST"))
		}
		name := ""
		if p.port == "" && len(r.Ports()) > 1 {
			name = r.Ports()[e.Port].Name + " "
		}
		fmt.Fprintf(out, "[%9.3fs +%8.3fs] %s%s\n", e.Time.Sub(start).Seconds(), e.Time.Sub(last).Seconds(), name, describe(e))
		last = e.Time
		if p.hex && len(e.Data) > 0 {
			for line := range strings.Lines(hex.Dump(e.Data)) {
				fmt.Fprintf(out, "        %s", line)
			}
		}
	})
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

// describe returns an event in words.
func describe(e *capture.Event) string {
	note := strings.ReplaceAll(e.Note, "\n", "; ")
	if strings.ContainsFunc(note, func(r rune) bool { return r < ' ' || r == 0x7F || r >= 0x80 && r < 0xA0 }) {
		note = fmt.Sprintf("%q", note)
	}
	var text string
	switch e.Kind {
	case capture.Sent:
		text = fmt.Sprintf("> %q", e.Data)
	case capture.Received:
		text = fmt.Sprintf("< %q", e.Data)
	case capture.Note:
		return ". " + note
	case capture.LinesChanged:
		text = fmt.Sprintf("- lines %v", e.Lines)
	case capture.Break:
		text = "- break received"
		if e.Out {
			text = "- break sent"
		}
	default:
		text = "- " + e.Kind.String()
	}
	if note != "" {
		text += " (" + note + ")"
	}
	return text
}
