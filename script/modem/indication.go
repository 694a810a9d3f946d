package modem

import (
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/script"
)

// Indication is a kind of line that a modem sends unasked.
type Indication struct {
	// Prefix is what such a line begins with, in any letter case: "RING",
	// "+CREG:". A line that the current command names is no indication: the +CREG:
	// after AT+CREG? is an answer.
	Prefix string

	// Lines is how many lines follow that belong to it: 1 for the text of
	// +CMT:. Negative: those up to the end of a quotation that the line begins,
	// as the text of +CUSD: may be several lines. Default: none.
	Lines int

	// Handle is called with the line, without its end, and with those that
	// follow it, separated by line feeds. It is called during the wait that has
	// read the line, so it must not use the Modem. Nil drops the line.
	Handle func(line string)
}

// maxQuotedLines bounds the lines of an indication whose quotation is not closed.
const maxQuotedLines = 32

// Listen handles the lines that the modem sends unasked until ctx ends, which
// is no error. A program calls it between commands, when otherwise nothing is
// read. The modem must be in command mode; if a call that was ringing has been
// answered by S0, the modem is online and Listen returns.
func (m *Modem) Listen(ctx context.Context) error {
	if err := m.Sync(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return err
	}
	for {
		l, err := m.readLine(ctx, time.Now().Add(forever))
		if err == nil {
			err = m.unasked(ctx, l, "")
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return m.commandError("", nil, err)
		}
		if res, known := m.result(l); known {
			switch res.Outcome {
			case Connect:
				m.setOnline()
				return nil
			case OK, Failed:
				m.state = Unsynchronised
			}
		}
	}
}

// unasked handles a line if it is an indication.
func (m *Modem) unasked(ctx context.Context, l line, body string) error {
	_, err := m.indicated(ctx, l, body)
	return err
}

// indicated reports whether a line was sent unasked, and calls its handler. Body
// is the current command; lines that it names are its answer.
func (m *Modem) indicated(ctx context.Context, l line, body string) (bool, error) {
	res, known := m.result(l)
	if known && res.Outcome == Ring {
		m.ring.ringing(res.Text)
	} else {
		m.ring.identify(res.Text)
	}
	for _, in := range m.cfg.Indications {
		if hasFold(res.Text, in.Prefix) && !names(body, in.Prefix) {
			text, lines, quoted := res.Text, in.Lines, in.Lines < 0
			if quoted {
				lines = maxQuotedLines
			}
			for ; lines > 0 && (!quoted || strings.Count(text, `"`)%2 == 1); lines-- {
				l, err := m.readLine(ctx, time.Now().Add(m.cfg.CommandTimeout))
				if script.IsTimeout(err) {
					break
				}
				if err != nil {
					return true, err
				}
				text += "\n" + l.text
			}
			if in.Handle != nil {
				in.Handle(text)
			}
			return true, nil
		}
	}
	if known && res.Outcome == NoCarrier && m.state != OnlineMode && !m.dialling {
		m.ended()
	}
	if known && (res.Outcome == Ring || res.Outcome == NoCarrier) {
		return true, nil
	}
	name := prefixOf(res.Text)
	return name != "" && isExtended(body) && !(names(body, "+CMGR") || names(body, "+CMGL")) && !names(body, name), nil
}

// names reports whether a command asks for lines with the prefix.
func names(body, prefix string) bool {
	name := strings.TrimRight(prefix, ": ")
	return name != "" && strings.Contains(strings.ToUpper(body), strings.ToUpper(name))
}

// isExtended reports whether a command line begins with an extended command,
// whose answer has its own name in front. Basic commands such as I may answer
// anything.
func isExtended(body string) bool {
	return body != "" && strings.IndexByte(extendedPrefixes, body[0]) >= 0
}

// prefixOf returns the "+NAME:" with which a line of an extended command begins,
// or "".
func prefixOf(text string) string {
	if text == "" || strings.IndexByte(extendedPrefixes, text[0]) < 0 {
		return ""
	}
	i := skipName(text, 1)
	if i == 1 || i == len(text) || text[i] != ':' {
		return ""
	}
	return text[:i+1]
}
