package switchinf

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// run is one run of a section. One goroutine uses it.
type run struct {
	*executor
	call   *ras.Call
	dialog *script.Dialog

	current *step
	echo    echo
	matches []matcher
	buffer  buffer
	talking bool // whether the line has not been quiet since the last byte of buffer
}

// step runs one step and reports whether the script goes on.
func (r *run) step(ctx context.Context, s *step) (more bool, err error) {
	r.current = s
	r.echo.reset()
	r.buffer.reset()
	r.talking = false
	if err := r.send(ctx, &s.command); err != nil {
		return false, r.lineError(ctx, err)
	}
	switch {
	case s.noResponse:
		return true, nil
	case len(s.responses) == 0:
		return false, nil
	}
	r.begin(s)
	return r.wait(ctx)
}

// send sends the command and makes the pause that it asks for. Input is left
// where it is.
func (r *run) send(ctx context.Context, c *command) error {
	if c.empty() {
		return r.dialog.Pause(ctx, r.cfg.EmptyPause)
	}
	r.logCommand(c)
	for _, p := range c.parts {
		if err := r.sendPart(ctx, p); err != nil {
			return err
		}
	}
	if c.endsLine() {
		return nil
	}
	return r.dialog.Pause(ctx, r.cfg.SendPause)
}

func (r *run) sendPart(ctx context.Context, p part) error {
	if p.macro == macroPassword {
		return r.dialog.SendSecret(ctx, ras.Secret(r.value(p)))
	}
	return r.dialog.Send(ctx, r.value(p))
}

// value returns what a part sends.
func (r *run) value(p part) []byte {
	var params ras.DialParams
	if r.call.Params != nil {
		params = *r.call.Params
	}
	switch p.macro {
	case macroUser:
		return []byte(params.UserName)
	case macroPassword:
		return []byte(params.Password.Reveal())
	case macroAddress:
		return []byte(r.address(r.call))
	case macroUserData:
		return []byte(r.cfg.UserData)
	case macroFacilities:
		return []byte(r.cfg.Facilities)
	}
	return p.text
}

// begin prepares the wait for a response to the step.
func (r *run) begin(s *step) {
	for _, p := range s.command.parts {
		r.echo.expect(r.value(p), p.macro == macroPassword)
	}
	r.matches = r.matches[:0]
	for i := range s.responses {
		r.matches = append(r.matches, newMatcher(&s.responses[i]))
	}
}

// wait reads until a response fits and reports whether the script goes on.
func (r *run) wait(ctx context.Context) (more bool, err error) {
	start := time.Now()
	for {
		limit, quiet := r.patience(start)
		if limit < 0 {
			return false, r.overdue()
		}
		var fit *matcher
		b, err := r.dialog.NextByte(ctx, limit)
		switch {
		case err == nil:
			fit = r.take(b)
		case !script.IsTimeout(err):
			return false, r.lineError(ctx, err)
		case quiet:
			fit = r.quiet()
		}
		switch {
		case fit == nil:
		case fit.response.action == actLoop:
			r.loop()
		default:
			return r.end(fit)
		}
	}
}

// patience returns how long to wait for the next byte: 0 for ever, less than 0
// if the step's limit has passed. It tells whether that much silence completes
// the response.
func (r *run) patience(start time.Time) (limit time.Duration, quiet bool) {
	if r.cfg.Timeout > 0 {
		if limit = r.cfg.Timeout - time.Since(start); limit <= 0 {
			return -1, false
		}
	}
	if r.talking && (limit == 0 || r.cfg.Quiet <= limit) {
		return r.cfg.Quiet, true
	}
	return limit, false
}

// take adds a byte to the response and returns the first line that fits now.
func (r *run) take(b byte) *matcher {
	if r.echo.take(b) {
		return nil
	}
	r.logEcho()
	r.buffer.add(b)
	r.talking = true
	var fit *matcher
	for i := range r.matches {
		if m := &r.matches[i]; m.take(b, r.buffer.total) && fit == nil {
			fit = m
		}
	}
	return fit
}

// quiet returns the first line that fits now that the line is silent.
func (r *run) quiet() *matcher {
	r.talking = false
	for i := range r.matches {
		if m := &r.matches[i]; m.ready {
			return m
		}
	}
	return nil
}

// loop drops the response and prepares for another.
func (r *run) loop() {
	r.logResponse()
	r.buffer.reset()
	r.talking = false
	for i := range r.matches {
		r.matches[i].reset()
	}
}

// end does what a line that fits says.
func (r *run) end(m *matcher) (more bool, err error) {
	r.logResponse()
	switch m.response.action {
	case actNext:
		return true, nil
	case actConnect:
		return false, nil
	}
	keyword := m.response.keyword
	e := r.file.failure(r.section.Name, m.response.line, deviceCode(keyword), errors.New("device reported "+keyword), "")
	e.Keyword = keyword
	if keyword == "ERROR_DIAGNOSTICS" {
		e.Code = ras.ErrFromDevice
		if r.section.Kind == KindPAD {
			e.Code = ras.ErrX25Diagnostic
		}
		e.Diagnostics = r.diagnose(m)
		e.Err = fmt.Errorf("the device refused: %q", e.Diagnostics[:min(len(e.Diagnostics), shownDiagnostics)])
	}
	return false, e
}

// diagnose shows the text of a diagnostics line to the user and returns it.
func (r *run) diagnose(m *matcher) string {
	if m.response.pattern.ending != endDiagnostics {
		return ""
	}
	text := strings.TrimSpace(lint.Plain(string(r.call.Mask(r.buffer.after(m.at))), "\r\n\t"))
	if r.call.Terminal != nil && text != "" {
		// A terminal that cannot show it is no reason to fail otherwise.
		r.call.Terminal.Write([]byte(text + "\r\n"))
	}
	return text
}

// overdue is the failure of a step whose limit has passed.
func (r *run) overdue() *Error {
	r.logResponse()
	return r.failure(ras.ErrRequestTimeout, limitError{r.cfg.Timeout})
}

// lineError is the failure of a step in which sending or receiving failed.
func (r *run) lineError(ctx context.Context, err error) *Error {
	r.logResponse()
	return r.failure(lineCode(ctx, err), err)
}

func (r *run) failure(code ras.Code, err error) *Error {
	return r.file.failure(r.section.Name, r.current.line, code, err, string(r.call.Mask(r.buffer.tail())))
}

func (r *run) portName() string {
	if r.cfg.PortName != "" {
		return r.cfg.PortName
	}
	return strconv.FormatUint(uint64(r.call.Port), 10)
}
