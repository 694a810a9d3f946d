package capture

import (
	"bufio"
	_ "embed" // for the page
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"
)

// HTMLConfig holds the settings of WriteHTML. The zero HTMLConfig and a nil one
// work.
type HTMLConfig struct {
	// Title is the title of the page. Default: "Recording of" and the names of
	// the ports.
	Title string

	// Port is the name of the port that is shown. A recording without it is a
	// *PortError. Default: all ports.
	Port string

	// MaxEvents is how many events the page shows; a remark on it reports that there are more.
	// Default, and for 0 or less: 750,000, which is what browsers can scroll through.
	MaxEvents int
}

const defaultMaxEvents = 750_000

//go:embed page.html
var page string

// WriteHTML writes a page that shows the recording in r: the bytes of both
// directions, the modem lines, the states and what was waited for. The page is
// one file without references to others, for any browser, and is opened from a
// disk as well as from a server. What a peer has sent is shown as text, never as
// markup. A recording that is cut off is shown up to there, with a remark. A nil
// cfg means the zero HTMLConfig.
func WriteHTML(w io.Writer, r *Reader, cfg *HTMLConfig) error {
	var c HTMLConfig
	if cfg != nil {
		c = *cfg
	}
	if c.MaxEvents <= 0 {
		c.MaxEvents = defaultMaxEvents
	}
	var events []Event
	remark := ""
	for {
		e, err := r.Next()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			remark = "The file is cut off here."
		}
		if err == io.EOF || remark != "" {
			break
		}
		if err != nil {
			return err
		}
		if c.Port != "" && r.Ports()[e.Port].Name != c.Port {
			continue
		}
		if len(events) == c.MaxEvents {
			remark = fmt.Sprintf("The recording goes on; the page shows the first %d events.", c.MaxEvents)
			break
		}
		events = append(events, e)
	}
	var names []string
	for _, p := range r.Ports() {
		names = append(names, p.Name)
	}
	if c.Port != "" && !slices.Contains(names, c.Port) {
		return &PortError{Name: c.Port, Ports: r.Ports()}
	}
	if c.Title == "" {
		c.Title = "Recording of " + strings.Join(names, ", ")
	}
	head, rest, _ := strings.Cut(page, "{{TITLE}}")
	middle, tail, _ := strings.Cut(rest, "{{DATA}}")
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(head)
	b.WriteString(html.EscapeString(visible(c.Title)))
	b.WriteString(middle)
	writeData(b, events, names, remark)
	b.WriteString(tail)
	return b.Flush()
}

// writeData writes the events as JSON that holds no '<', so that it can be part
// of a page.
func writeData(b *bufio.Writer, events []Event, names []string, remark string) {
	var start time.Time
	if len(events) > 0 {
		start = events[0].Time
	}
	b.WriteString(`{"start":`)
	writeString(b, start.UTC().Format("2006-01-02 15:04:05.000000 UTC"))
	b.WriteString(`,"remark":`)
	writeString(b, remark)
	b.WriteString(`,"ports":[`)
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(b, name)
	}
	// [microseconds since the start, port, kind, lines, data, note, hidden]
	b.WriteString("],\"events\":[\n")
	for i := range events {
		e := &events[i]
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(b, "[%d,%d,%d,%d", e.Time.Sub(start).Microseconds(), e.Port, e.Kind, e.Lines)
		if len(e.Data) > 0 || e.Note != "" || e.Out {
			b.WriteByte(',')
			writeBytes(b, e.Data)
			b.WriteByte(',')
			note := e.Note
			if e.Kind == Break && note == "" {
				note = map[bool]string{true: "sent", false: "received"}[e.Out]
			}
			writeString(b, note)
			for _, s := range e.Secrets {
				fmt.Fprintf(b, ",%d,%d", s.Offset, s.Len)
			}
		}
		b.WriteByte(']')
	}
	b.WriteString("\n],\"spans\":[\n")
	for i, s := range spansOf(events) {
		if i > 0 {
			b.WriteString(",\n")
		}
		// [kind, first event, last event, milliseconds of the limit, outcome, label, marks…]
		fmt.Fprintf(b, "[%d,%d,%d,%d,%d,", s.kind, s.from, s.to, s.limit.Milliseconds(), s.outcome)
		label := s.label
		if s.place != "" {
			label += " at " + s.place
		}
		writeString(b, label)
		for _, m := range s.marks {
			fmt.Fprintf(b, ",[%d,%d,%d]", m.event, m.offset, m.len)
		}
		b.WriteByte(']')
	}
	b.WriteString("\n]}\n")
}

// writeBytes writes bytes as a JSON string of one character for each.
func writeBytes(b *bufio.Writer, data []byte) {
	b.WriteByte('"')
	for _, c := range data {
		switch {
		case c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c < ' ' || c > '~':
			const digits = "0123456789abcdef"
			b.WriteString(`\u00`)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// writeString writes a text as a JSON string of ASCII characters.
func writeString(b *bufio.Writer, s string) {
	b.WriteByte('"')
	for _, r := range visible(s) {
		switch {
		case r == '"' || r == '\\' || r == '<' || r == '>' || r == '&' || r < ' ' || r > '~' && r <= 0xFFFF:
			fmt.Fprintf(b, `\u%04x`, r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// visible replaces control characters, and those that change the direction of
// text, by their names.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteRune(r)
		case r < ' ' || r >= 0x7F && r < 0xA0, r == 0x061C, r == 0x200E, r == 0x200F,
			r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0xFEFF:
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
