package modem

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const (
	answerLimit  = 64 << 10              // bytes of information text in one answer
	tailLimit    = 200                   // bytes of input that errors show
	strayLimit   = time.Millisecond      // for input that is there before a command
	abortTimeout = 2 * time.Second       // for the answer to giving up a call
	pollLines    = 20 * time.Millisecond // between checks of a line that may have changed
	resyncs      = 3                     // how often a command is held back because of a late answer
)

// echoing is whether the modem is known to echo.
type echoing uint8

const (
	echoUnknown echoing = iota
	echoOn
	echoOff
)

// request is a command line with the criteria for its answer.
type request struct {
	body    string // without AT
	end     string // after the line; "" is Config.End
	timeout time.Duration
	final   func(Outcome) bool // the results that end the answer
	prompt  string             // ends the answer too, as the beginning of a line
}

// errPrompted is the error of an answer that the prompt has ended.
var errPrompted = errors.New("the modem prompts for a text")

// ready synchronises if need be, and reads what was received before.
func (m *Modem) ready(ctx context.Context) error {
	for range resyncs {
		if err := m.Sync(ctx); err != nil {
			return err
		}
		stale, err := m.strays(ctx)
		if err != nil {
			return m.commandError("", nil, err)
		}
		if !stale {
			return nil
		}
		m.logf(ctx, "a result was received that answers no command", "")
		m.state = Unsynchronised
	}
	return m.commandError("", nil, errStale)
}

var errStale = &ras.Error{Code: ras.ErrUnexpectedResponse, Err: errors.New("the modem keeps sending results that answer no command")}

// exchange sends a command line and reads its answer.
func (m *Modem) exchange(ctx context.Context, req request) (Response, error) {
	if strings.ContainsAny(req.body, "VvZzFfYy") {
		m.notation = anyNotation
	}
	m.state = Unsynchronised // until the answer is there
	m.in.raw = m.in.raw[:0]
	if err := m.sendLine(ctx, "AT"+req.body, req.end); err != nil {
		return Response{}, m.commandError(req.body, nil, err)
	}
	a := answer{modem: m, request: req}
	m.prompt = strings.TrimSpace(req.prompt)
	err := a.read(ctx)
	m.prompt = ""
	switch {
	case err != nil:
		return a.response, m.commandError(req.body, a.response.Lines, err)
	case !a.stale:
		m.state = CommandMode
	}
	m.proven = true
	if changesEcho(req.body) {
		m.echo = echoUnknown
	}
	if a.response.Result.Outcome == Failed {
		return a.response, m.commandError(req.body, a.response.Lines, &OutcomeError{a.response.Result})
	}
	return a.response, nil
}

// sendLine sends a line with its end.
func (m *Modem) sendLine(ctx context.Context, text, end string) error {
	if end == "" {
		end = m.cfg.End
	}
	return m.dialog.Send(ctx, []byte(text+end))
}

// changesEcho reports whether a command can change the echo.
func changesEcho(body string) bool { return strings.ContainsAny(body, "EeZzFfYy") }

// strays handles what the modem has sent unasked since the last command, and
// reports whether a result was among it: an answer to an earlier command, after
// which another may follow. It waits until the modem has been silent for
// Config.Settle, or for Config.Quiet where no echo shows whose an answer is. A
// line that has begun is awaited, so that its end does not count as an answer.
func (m *Modem) strays(ctx context.Context) (stale bool, err error) {
	settle := m.cfg.Settle
	if m.echo != echoOn {
		settle = max(settle, m.cfg.Quiet)
	}
	start := time.Now()
	for time.Since(start) < m.cfg.CommandTimeout {
		before := m.in.received
		l, err := m.readWholeLine(ctx, time.Now().Add(max(strayLimit, settle-time.Since(m.in.received))))
		if script.IsTimeout(err) && len(m.in.text) > 0 {
			l, err = m.readLine(ctx, time.Now().Add(m.cfg.Quiet))
		}
		if script.IsTimeout(err) {
			m.in.blank = m.in.blank[:0]
			return stale, nil
		}
		if err != nil {
			return stale, err
		}
		if res, known := m.result(l); known && res.Outcome != Ring && res.Outcome != Ongoing && res.Outcome != NoCarrier {
			stale = true
			if res.Outcome == Connect {
				m.proven = false // a call that was given up has been set up
			}
		}
		expected, err := m.indicated(ctx, l, "")
		if err != nil {
			return stale, err
		}
		if expected || m.expected(l) {
			m.in.received = before // reports may arrive more often than the modem is silent
		}
	}
	return stale, m.timeout("the modem to fall silent", start, m.cfg.CommandTimeout)
}

// answer is the answer to a command while it is read.
//
// Where the modem echoes, what arrives before the echo answers something else:
// results before it are dropped, and the modem is unsynchronised. Where the
// echo is not known, where a number may be a result or information, and after a
// line of the command before, a result is held until Config.Quiet of silence
// shows that it is the last.
//
//	line                before an echo that is on   else                     held
//	echo, complete      as else from here on        what was read is         what was read is
//	                                                dropped                  dropped, stale
//	information         read                        read                     read, in after
//	result, certain     dropped, stale              complete                 see doubled
//	result, uncertain   dropped, stale              held                     see doubled
//	none for Quiet      -                           -                        complete
//	none until timeout  error                       error                    complete
//
// An answer that is stale or in doubt leaves the modem unsynchronised.
type answer struct {
	modem *Modem
	request
	response Response

	echo   string // the rest of the echo
	echoed bool   // the echo has arrived
	size   int    // bytes of lines

	held   *Result // waits for silence, until the time quiet
	quiet  time.Time
	number string   // what held was read from, if that was a number
	after  []string // lines since held

	doubt bool // a line of another command has arrived
	stale bool // a result of another command has arrived
}

// read reads up to the final result.
func (a *answer) read(ctx context.Context) error {
	m := a.modem
	a.echo = "AT" + a.body
	start := time.Now()
	for {
		until := start.Add(a.timeout)
		if a.held != nil && a.quiet.Before(until) {
			until = a.quiet
		}
		l, err := m.readLine(ctx, until)
		switch {
		case script.IsTimeout(err) && a.held != nil:
			if m.echo == echoUnknown {
				m.echo = echoOff
			}
			a.stale = a.stale || len(a.after) > 0
			a.finish(*a.held)
			return nil
		case script.IsTimeout(err):
			return m.timeout("an answer to "+m.shown(a.body), start, a.timeout)
		case err != nil:
			return err
		}
		if done, err := a.process(ctx, l); done || err != nil {
			return err
		}
	}
}

// process processes a line and reports whether the answer is complete.
func (a *answer) process(ctx context.Context, l line) (done bool, err error) {
	m := a.modem
	if a.consumeEcho(l.text) {
		return false, nil
	}
	res, known := m.result(l)
	if !known || !a.final(res.Outcome) {
		isUnasked, err := m.indicated(ctx, l, a.body)
		if isUnasked || err != nil {
			a.response.Unasked = append(a.response.Unasked, trimNoise(l.text))
			a.doubt = a.doubt || names(m.previous, prefixOf(l.text))
			return false, err
		}
		a.quiet = time.Now().Add(m.cfg.Quiet)
		if a.size += len(l.text); a.size > answerLimit {
			return false, ras.ErrRecvBufFull
		}
		if a.held != nil {
			a.after = append(a.after, l.text)
		} else {
			a.response.Lines = append(a.response.Lines, l.text)
		}
		return false, nil
	}
	if res.Outcome != Connect && m.echo == echoOn && !a.echoed {
		m.logf(ctx, "a result was received before the echo of the command", l.text)
		a.stale = true
		return false, nil
	}
	if a.held != nil && a.doubled() {
		a.stale = true
		a.finish(*a.held)
		return true, nil
	}
	m.learn(l)
	// A number can only be a result if it ends with a CR alone, as V.250 specifies,
	// on a modem whose numeric results end so.
	certain := !res.Numeric || l.end == "\r" && m.in.ends[numberEnd] == "\r"
	if res.Outcome != Connect && (m.echo == echoUnknown && !a.echoed || !certain || a.doubt) {
		a.held, a.quiet, a.number = &res, time.Now().Add(m.cfg.Quiet), ""
		if res.Numeric {
			a.number = trimNoise(l.text)
		}
		return false, nil
	}
	a.finish(res)
	return true, nil
}

// doubled decides what the result that is held was, now that another has
// arrived. If it was a number, it was a line of information, unless the whole
// answer was received twice. If it was a text, it answered an earlier command.
func (a *answer) doubled() bool {
	question := strings.Contains(a.body, "?") || hasFold(a.body, "I")
	switch {
	case a.number == "":
		a.stale = true
		a.response.Lines = a.after
	case slices.Equal(a.after, a.response.Lines) && !(len(a.after) == 0 && question):
		return true
	default:
		a.response.Lines = append(append(a.response.Lines, a.number), a.after...)
	}
	a.held, a.after = nil, nil
	return false
}

// consumeEcho reports whether a line is the echo or a part of it. What was read
// before it is no answer to this command.
func (a *answer) consumeEcho(text string) bool {
	text = trimNoise(text)
	if a.echoed || text == "" || !hasFold(a.echo, text) {
		return false
	}
	a.echo = a.echo[len(text):]
	if a.echo == "" {
		a.echoed = true
		a.stale = a.stale || a.held != nil
		a.held, a.after, a.response.Lines, a.size = nil, nil, nil, 0
		a.modem.echo = echoOn
	}
	return true
}

func (a *answer) finish(res Result) {
	a.stale = a.stale || a.doubt
	a.modem.previous = a.body
	res.Lines = a.response.Lines
	a.response.Result = res
}

// timeout returns the error of a wait whose limit has passed.
func (m *Modem) timeout(want string, start time.Time, limit time.Duration) error {
	return &script.TimeoutError{
		Want:    []string{want},
		Tail:    m.mask(string(m.in.raw)),
		Elapsed: time.Since(start),
		Limit:   limit,
	}
}

// result reads a line as a result code.
func (m *Modem) result(l line) (Result, bool) {
	if text := trimNoise(l.text); isNumber(text) && m.notation == verbose {
		return Result{Text: text}, false
	}
	return parseResult(l.text, &m.cfg)
}

func isNumber(s string) bool { return s != "" && skipDigits(s, 0) == len(s) }

// learn remembers how the modem writes results.
func (m *Modem) learn(l line) {
	m.notation = verbose
	kind := wordEnd
	if isNumber(trimNoise(l.text)) {
		m.notation = numeric
		kind = numberEnd
	}
	if m.in.ends[kind] == "" && strings.HasPrefix(l.end, "\r\n") {
		m.in.ends[kind] = l.end // nothing shorter can follow
	}
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
