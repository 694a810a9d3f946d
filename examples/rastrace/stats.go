package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rasline/rasline/port/capture"
)

// counts are what stats shows of one port.
type counts struct {
	info     capture.PortInfo
	first    time.Time
	last     time.Time
	kinds    [capture.End + 1]int
	sent     int
	received int
	hidden   int

	quiet     time.Duration // the longest time between two events with bytes
	quietFrom time.Time
	data      time.Time // of the last event with bytes

	waits, matched, failed int
}

// stats writes what passed over each port.
func (p *program) stats() error {
	var ports []*counts
	err := p.each(func(r *capture.Reader, e *capture.Event) {
		for len(ports) <= e.Port {
			ports = append(ports, &counts{info: r.Ports()[len(ports)]})
		}
		ports[e.Port].add(e)
	})
	if err != nil {
		return err
	}
	for _, c := range ports {
		if !c.first.IsZero() {
			w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
			row := func(what, format string, args ...any) {
				fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...))
			}
			row("port", "%s", c.info.Name)
			if c.info.Mode != "" {
				row("mode", "%s", c.info.Mode)
			}
			row("start", "%s", c.first.Format("2006-01-02 15:04:05.000 MST"))
			row("duration", "%v", c.last.Sub(c.first).Round(time.Millisecond))
			row("sent", "%d bytes in %d events", c.sent, c.kinds[capture.Sent])
			row("received", "%d bytes in %d events", c.received, c.kinds[capture.Received])
			if c.quiet > 0 {
				row("longest silence", "%v, from %.3fs on", c.quiet.Round(time.Millisecond), c.quietFrom.Sub(c.first).Seconds())
			}
			row("waits", "%d, of which %d matched and %d failed", c.waits, c.matched, c.failed)
			row("hidden", "%d pieces of secrets", c.hidden)
			row("lines", "%d states", c.kinds[capture.LinesChanged])
			for _, k := range []capture.Kind{capture.Break, capture.Framing, capture.Parity, capture.Overflow, capture.Lost} {
				if n := c.kinds[k]; n > 0 {
					row(k.String(), "%d", n)
				}
			}
			if c.kinds[capture.End] == 0 {
				row("end", "missing: the recording was cut off")
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *counts) add(e *capture.Event) {
	if c.first.IsZero() {
		c.first = e.Time
	}
	c.last = e.Time
	c.kinds[e.Kind]++
	c.hidden += len(e.Secrets)
	switch e.Kind {
	case capture.Sent:
		c.sent += len(e.Data)
	case capture.Received:
		c.received += len(e.Data)
	case capture.Note:
		switch {
		case strings.HasPrefix(e.Note, "waiting "):
			c.waits++
		case strings.HasPrefix(e.Note, "matched "):
			c.matched++
		case strings.HasPrefix(e.Note, "wait failed"):
			c.failed++
		}
		return
	default:
		return
	}
	if d := e.Time.Sub(c.data); !c.data.IsZero() && d > c.quiet {
		c.quiet, c.quietFrom = d, c.data
	}
	c.data = e.Time
}
