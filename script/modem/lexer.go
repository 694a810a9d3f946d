package modem

import (
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/script"
)

// lineLimit bounds a line; what follows up to its end is dropped.
const lineLimit = 1024

// line is a line that a modem has sent in command mode.
type line struct {
	text string // without its end
	end  string // "\r\n", "\r", "\n" and so on; "" where silence ended it
}

// reader cuts what a modem sends in command mode into lines. Between two calls
// it holds the part of a line that has arrived.
//
// A line ends with CR LF, with LF or with CR, by maker and by what it is: an
// echo ends with CR alone. After a CR the next byte decides; if none arrives
// within Config.Quiet, the CR was the whole end. Not one byte past a CONNECT may
// be consumed, since it is data: a byte that belongs to no end is put back, and
// once Sync has learnt the ends of this modem's results, nothing else is read
// after them.
type reader struct {
	text     []byte    // of the line that has begun
	ends     [2]string // of verbose and numeric results; "" is not known
	blank    []byte    // CR and LF since the last line
	received time.Time // when the last byte was read
	raw      []byte    // the end of what was received in this wait, for errors
}

// The indexes of reader.ends.
const (
	wordEnd = iota
	numberEnd
)

// readLine reads a line, or up to the prompt that is awaited. At the time until,
// what there is of a line counts as one; without any, the error is a
// *script.TimeoutError.
func (m *Modem) readLine(ctx context.Context, until time.Time) (line, error) {
	l, err := m.readWholeLine(ctx, until)
	if script.IsTimeout(err) {
		if l, ok := m.endLine(""); ok {
			return l, nil
		}
	}
	return l, err
}

// readWholeLine is readLine without the part of a line that has arrived at the
// time until, which is kept.
func (m *Modem) readWholeLine(ctx context.Context, until time.Time) (line, error) {
	for {
		c, err := m.readByte(ctx, time.Until(until))
		if err != nil {
			return line{}, err
		}
		if c == '\r' || c == '\n' {
			if len(m.in.text) == 0 {
				m.in.blank = append(m.in.blank, c)
				continue
			}

			// Read the rest of the line end.
			kind := wordEnd
			if _, code := numericText(string(m.in.text), &m.cfg); code && m.notation != verbose {
				kind = numberEnd
			}
			want, end := m.in.ends[kind], string(c)
			if want == "" && c == '\r' {
				want = "\r\n"
			}
			for strings.HasPrefix(want, end) && len(end) < len(want) {
				ok, err := m.accept(ctx, want[len(end)], until)
				if err != nil {
					return line{}, err
				}
				if !ok {
					break
				}
				end = want[:len(end)+1]
			}
			l, _ := m.endLine(end)
			return l, nil
		}
		if c != 0 && len(m.in.text) < lineLimit {
			m.in.text = append(m.in.text, c)
		}
		if m.prompt != "" && strings.TrimSpace(string(m.in.text)) == m.prompt {
			m.endLine("")
			return line{}, errPrompted
		}
	}
}

// endLine ends a line and returns the part of a line that has arrived, with its end.
func (m *Modem) endLine(end string) (line, bool) {
	l := line{text: string(m.in.text), end: end}
	m.in.text = m.in.text[:0]
	if l.text != "" {
		m.in.blank = m.in.blank[:0]
	}
	return l, l.text != ""
}

// accept reads the next byte and reports whether it is c. Any other is put
// back, with the NULs before it that some modems send as padding.
func (m *Modem) accept(ctx context.Context, c byte, until time.Time) (bool, error) {
	var skipped []byte
	limit := time.Now().Add(m.cfg.Quiet)
	if until.Before(limit) {
		limit = until
	}
	for {
		b, err := m.readByte(ctx, time.Until(limit))
		switch {
		case script.IsTimeout(err):
			m.putBack(skipped)
			return false, nil
		case err != nil:
			return false, err
		case b == c:
			return true, nil
		}
		if skipped = append(skipped, b); b != 0 {
			m.putBack(skipped)
			return false, nil
		}
	}
}

func (m *Modem) putBack(b []byte) {
	m.dialog.Unread(b)
	m.in.raw = m.in.raw[:max(0, len(m.in.raw)-len(b))]
	m.keep = m.keep[:max(0, len(m.keep)-len(b))]
}

// errOver is the error of a read whose limit has passed before it began.
var errOver = &script.TimeoutError{Want: []string{"the modem"}}

// readByte reads a byte. A limit of 0 or less has passed.
func (m *Modem) readByte(ctx context.Context, limit time.Duration) (byte, error) {
	if limit <= 0 {
		return 0, errOver
	}
	c, err := m.dialog.NextByte(ctx, limit)
	if err != nil {
		return 0, err
	}
	m.in.received = time.Now()
	if len(m.in.raw) >= 2*tailLimit {
		m.in.raw = m.in.raw[:copy(m.in.raw, m.in.raw[len(m.in.raw)-tailLimit:])]
	}
	m.in.raw = append(m.in.raw, c)
	if m.keep != nil {
		m.keep = append(m.keep, c)
	}
	return c, nil
}
