package modem

import (
	"context"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const (
	answerLimit = 64 << 10              // bytes of information text in one answer
	tailLimit   = 200                   // bytes of input that errors show
	strayLimit  = time.Millisecond      // for input that is there before a command
	abortLimit  = 2 * time.Second       // for the answer to giving up a call
	pollLines   = 20 * time.Millisecond // between looks at a line that may have changed
)

// exchange sends a command line and reads its answer up to a result that final
// accepts. The modem must be in command mode.
func (m *Modem) exchange(ctx context.Context, body string, limit time.Duration, final func(Outcome) bool) (Response, error) {
	if err := m.strays(ctx); err != nil {
		return Response{}, m.commandError(body, nil, err)
	}
	if changesNotation(body) {
		m.notation = anyNotation
	}
	m.state = Unsynchronised // until the answer is there
	if err := m.dialog.Send(ctx, []byte("AT"+body+"\r")); err != nil {
		return Response{}, m.commandError(body, nil, err)
	}
	r, err := m.readAnswer(ctx, body, limit, final)
	if err != nil {
		return r, m.commandError(body, r.Lines, err)
	}
	m.state = CommandMode
	if r.Result.Outcome == Failed {
		return r, m.commandError(body, r.Lines, &OutcomeError{r.Result})
	}
	if r.Result.Outcome == Connect {
		return r, nil
	}
	return r, m.dialog.Pause(ctx, m.cfg.Settle)
}

// changesNotation reports whether a command can change how results are
// written: V, Z, &F and what may come after them.
func changesNotation(body string) bool { return strings.ContainsAny(body, "VvZzFfYy") }

// strays hands on what the modem has said unasked since the last command. A
// line that has begun is awaited, so that its end is not taken for an answer.
func (m *Modem) strays(ctx context.Context) error {
	start := time.Now()
	for time.Since(start) < m.cfg.CommandTimeout {
		limit := strayLimit
		if m.lexer.begun() {
			limit = m.cfg.Quiet
		}
		if came, err := m.hearLine(ctx, limit); err != nil || !came {
			return err
		}
	}
	return m.timeout("the modem to fall silent", start, m.cfg.CommandTimeout)
}

// hearLine takes one byte, if one comes within the limit. A line that it
// completes, or that silence ends, is handed on if it is an indication.
func (m *Modem) hearLine(ctx context.Context, limit time.Duration) (came bool, err error) {
	c, err := m.dialog.NextByte(ctx, limit)
	var line lineText
	var ok bool
	switch {
	case isTimeout(err):
		line, ok = m.lexer.flush()
		m.lexer.blank = false
	case err != nil:
		return false, err
	default:
		m.note(c)
		line, ok = m.lexer.feed(c)
	}
	if ok {
		m.indicate(line, "")
	}
	return err == nil, nil
}

// readAnswer collects lines up to a final result.
func (m *Modem) readAnswer(ctx context.Context, body string, limit time.Duration, final func(Outcome) bool) (r Response, err error) {
	start := time.Now()
	m.raw = m.raw[:0]
	echo, size := "AT"+body, 0
	for {
		line, err := m.readLine(ctx, start, limit)
		if isTimeout(err) {
			err = m.timeout("an answer to "+m.shown(body), start, limit)
		}
		if err != nil {
			return r, err
		}
		res, known := m.result(line)
		switch {
		case len(r.Lines) == 0 && echo != "" && line.text == echo:
			echo = ""
		case known && final(res.Outcome):
			res.Lines = r.Lines
			r.Result = res
			m.learn(line)
			return r, nil
		case m.indicate(line, body):
		case size+len(line.text) > answerLimit:
			return r, ras.ErrRecvBufFull
		default:
			size += len(line.text)
			r.Lines = append(r.Lines, line.text)
		}
	}
}

// readLine reads one line. The limit runs from start on; 0 or less is none. A
// line without its end counts as one when the limit passes.
func (m *Modem) readLine(ctx context.Context, start time.Time, limit time.Duration) (lineText, error) {
	for {
		left := limit - time.Since(start)
		if limit <= 0 {
			left = 0
		} else if left <= 0 {
			return lineText{}, m.timeout("a line", start, limit)
		}
		c, err := m.dialog.NextByte(ctx, left)
		if isTimeout(err) {
			if line, ok := m.lexer.flush(); ok {
				return line, nil
			}
		}
		if err != nil {
			return lineText{}, err
		}
		m.note(c)
		if line, ok := m.lexer.feed(c); ok {
			return line, nil
		}
	}
}

// note keeps the end of what came, for errors.
func (m *Modem) note(c byte) {
	if len(m.raw) >= 2*tailLimit {
		m.raw = m.raw[:copy(m.raw, m.raw[len(m.raw)-tailLimit:])]
	}
	m.raw = append(m.raw, c)
}

// timeout describes a wait that got nothing.
func (m *Modem) timeout(want string, start time.Time, limit time.Duration) error {
	return &script.TimeoutError{
		Want:    []string{want},
		Tail:    m.mask(string(m.raw)),
		Elapsed: time.Since(start),
		Limit:   limit,
	}
}

// isCode reports whether the lexer may take a number for a result.
func (m *Modem) isCode(text string) bool {
	if m.notation == verbose {
		return false
	}
	_, ok := numericText(text, &m.cfg)
	return ok
}

// result reads a line as a result code.
func (m *Modem) result(line lineText) (Result, bool) {
	if !line.numeric && isNumber(line.text) {
		return Result{Text: line.text}, false
	}
	return parseResult(line.text, &m.cfg)
}

func isNumber(s string) bool { return skipDigits(s, 0) == len(s) }

// learn remembers how the modem writes results.
func (m *Modem) learn(line lineText) {
	m.notation = verbose
	if line.numeric {
		m.notation = numeric
	}
}

// indicate hands a line that came unasked to its handler, and reports whether
// it was one. Body is the command in hand; what it names is its answer.
func (m *Modem) indicate(line lineText, body string) bool {
	res, known := m.result(line)
	for _, in := range m.cfg.Indications {
		if hasFold(res.Text, in.Prefix) && !names(body, in.Prefix) {
			if in.Handle != nil {
				in.Handle(res.Text)
			}
			return true
		}
	}
	return known && (res.Outcome == Ring || res.Outcome == NoCarrier)
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// names reports whether a command asks for lines with the prefix.
func names(body, prefix string) bool {
	name := strings.TrimRight(prefix, ": ")
	return name != "" && strings.Contains(strings.ToUpper(body), strings.ToUpper(name))
}
