package switchinf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// run is one run of a section. One goroutine uses it.
type run struct {
	*executor
	call   *ras.Call
	dialog *script.Dialog

	current  *step
	waiting  bool // for a response, rather than sending
	echo     echo
	readings []reading // at least the one from offset 0; later ones begin after an echo
	held     fit       // in what may be the echo, while that is not known
	buffer   buffer    // all that was received for the step, the echo included
	talking  bool      // whether the line has not been quiet since the last byte of buffer
}

// A fit is a line that fits, the reading in which it does, and the offset of the
// byte after it. The zero fit is none.
type fit struct {
	*matcher
	from, end int
}

// step runs one step and reports whether the script continues.
func (r *run) step(ctx context.Context, s *step) (more bool, err error) {
	r.current = s
	r.echo.reset()
	r.buffer.reset()
	r.talking, r.waiting = false, false
	if err := r.send(ctx, &s.command); err != nil {
		return false, r.lineError(ctx, err)
	}
	switch {
	case s.noResponse:
		return true, nil
	case len(s.responses) == 0:
		return false, nil
	}
	for _, p := range s.command.parts {
		r.echo.expect(r.value(p), p.macro == macroPassword)
	}
	r.waiting = true
	r.held = fit{}
	r.readings = r.readings[:0]
	r.read(0)
	return r.wait(ctx)
}

// send sends the command and makes the pause that it asks for. Input is left
// where it is.
func (r *run) send(ctx context.Context, c *command) error {
	if c.empty() {
		return r.dialog.Pause(ctx, r.cfg.EmptyPause)
	}
	if r.cfg.DeviceLog != nil {
		var s strings.Builder
		for _, p := range c.parts {
			if p.macro == macroPassword {
				s.WriteString(passwordMacro)
			} else {
				s.WriteString(shown(r.value(p)))
			}
		}
		r.cfg.DeviceLog.entry(r.portName(), logCommand, s.String())
	}
	for _, p := range c.parts {
		var err error
		if p.macro == macroPassword {
			err = r.dialog.SendSecret(ctx, ras.Secret(r.value(p)))
		} else {
			err = r.dialog.Send(ctx, r.value(p))
		}
		if err != nil {
			return err
		}
	}
	// A device acts immediately on a command that ends in CR, or CR LF, of its
	// own.
	text := c.parts[len(c.parts)-1].text
	if n := len(text); n > 1 {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	if bytes.HasSuffix(text, []byte("\r")) {
		return nil
	}
	return r.dialog.Pause(ctx, r.cfg.SendPause)
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
		if r.cfg.X25Address != "" {
			return []byte(r.cfg.X25Address)
		}
		return []byte(params.PhoneNumber)
	case macroUserData:
		return []byte(r.cfg.UserData)
	case macroFacilities:
		return []byte(r.cfg.Facilities)
	}
	return p.text
}

// read adds a reading from the offset on.
func (r *run) read(from int) {
	n := len(r.readings)
	if n < cap(r.readings) {
		r.readings = r.readings[:n+1] // with the matchers of an earlier step
	} else {
		r.readings = append(r.readings, reading{})
	}
	next := &r.readings[n]
	next.from, next.matches = from, next.matches[:0]
	for i := range r.current.responses {
		if i < cap(next.matches) {
			next.matches = next.matches[:i+1]
			next.matches[i].response = &r.current.responses[i]
		} else {
			next.matches = append(next.matches, newMatcher(&r.current.responses[i]))
		}
		next.matches[i].reset(from)
	}
}

// wait reads until a response fits and reports whether the script continues.
func (r *run) wait(ctx context.Context) (more bool, err error) {
	start, responses := time.Now(), r.current.responses
	want := make([]string, len(responses))
	for i := range responses {
		want[i] = responses[i].shown()
	}
	r.dialog.LogWait(ctx, r.cfg.Timeout, want...)
	ended := func(err *Error) (bool, error) {
		r.dialog.LogWaitEnd(ctx, 0, err)
		return false, err
	}
	for {
		// Wait for the next byte until the step's limit, or until so much
		// silence that it completes the response; 0 is for ever.
		var limit time.Duration
		if r.cfg.Timeout > 0 {
			if limit = r.cfg.Timeout - time.Since(start); limit <= 0 {
				r.logResponse(r.responseStart())
				return ended(r.failure(ras.ErrRequestTimeout, limitError{r.cfg.Timeout}))
			}
		}
		quiet := r.talking && (limit == 0 || r.cfg.Quiet <= limit)
		if quiet {
			limit = r.cfg.Quiet
		}
		var f fit
		b, err := r.dialog.NextByte(ctx, limit)
		switch {
		case err == nil:
			f = r.take(b)
		case !script.IsTimeout(err):
			return ended(r.lineError(ctx, err))
		case quiet:
			f = r.quiet()
		}
		if f.matcher == nil {
			continue
		}
		if more := r.buffer.cut(f.end); len(more) > 0 {
			if err := r.dialog.Unread(more); err != nil {
				return ended(r.lineError(ctx, err))
			}
		}
		if f.response.action != actLoop {
			r.dialog.LogWaitEnd(ctx, slices.IndexFunc(responses, func(x response) bool { return x.line == f.response.line }), nil)
			return r.end(f)
		}
		// Drop the response and prepare for another, which has no echo before it.
		r.logResponse(f.from)
		r.buffer.reset()
		r.echo.reset()
		r.talking = false
		r.held = fit{}
		r.readings = r.readings[:0]
		r.read(0)
	}
}

// take adds a byte to what was received and returns the first line that fits
// now, in any reading.
//
// A fit in what may still be the echo of a command with text is held: if the
// echo becomes complete, it was one, and if it does not, the fit counts.
func (r *run) take(b byte) fit {
	r.buffer.add(b)
	r.talking = true
	total := r.buffer.total
	wasComplete := r.echo.complete()
	echoed := r.echo.take(b)
	if !echoed && !wasComplete && r.echo.bytes == total-1 && r.echo.bytes > 0 {
		if r.held.matcher != nil {
			return r.held
		}
		r.read(total - 1) // a part of the command was echoed, and this is what follows it
	}
	// Every reading follows the byte. Of several that fit, the first line of the
	// file counts, in the reading that leaves most to the echo.
	var f fit
	for i := range r.current.responses {
		for j := len(r.readings) - 1; j >= 0; j-- {
			next := &r.readings[j]
			if m := &next.matches[i]; m.take(b, total) && f.matcher == nil {
				f = fit{m, next.from, total}
			}
		}
	}
	switch {
	case echoed && r.echo.complete():
		r.held = fit{}
		if r.echo.text && f.from == 0 {
			f = fit{}
		}
		r.read(total)
	case echoed && r.echo.text && f.matcher != nil && total < maxBuffer/2:
		if r.held.matcher == nil {
			r.held = f
		}
		f = fit{}
	}
	return f
}

// quiet returns the first line that fits now that the line is silent. What may
// be the echo and nothing else is no response that a silence completes, but the
// echo of a command does not stop in its middle.
func (r *run) quiet() fit {
	r.talking = false
	if r.echo.bytes == r.buffer.total {
		return r.held
	}
	for i := range r.current.responses {
		for j := len(r.readings) - 1; j >= 0; j-- {
			next := &r.readings[j]
			if m := &next.matches[i]; m.ready && r.buffer.total > next.from {
				return fit{m, next.from, r.buffer.total}
			}
		}
	}
	return fit{}
}

// responseStart returns where the response begins in what was received for a
// step that has failed: after the echo, if it is complete or shows a part of the
// password.
func (r *run) responseStart() int {
	if r.echo.complete() || len(r.echo.secret) > 0 {
		return r.echo.bytes
	}
	return 0
}

// end does what a line that fits specifies.
func (r *run) end(m fit) (more bool, err error) {
	r.logResponse(m.from)
	switch m.response.action {
	case actNext:
		return true, nil
	case actConnect:
		return false, nil
	}
	keyword := m.response.keyword
	code, known := codesByName()[keyword]
	if !known {
		code = ras.ErrFromDevice
	}
	e := r.file.failure(r.section.Name, m.response.line, code, errors.New("device reported "+keyword), "")
	e.Keyword = keyword
	if keyword == "ERROR_DIAGNOSTICS" {
		e.Code = ras.ErrFromDevice
		if r.section.Kind == KindPAD {
			e.Code = ras.ErrX25Diagnostic
		}
		if m.response.pattern.ending == endDiagnostics {
			e.Diagnostics = strings.TrimSpace(lint.Plain(string(r.masked(m.at, r.buffer.after(m.at))), "\r\n\t"))
		}
		if r.call.Terminal != nil && e.Diagnostics != "" {
			// A terminal that cannot show it is no reason to fail otherwise.
			r.call.Terminal.Write([]byte(e.Diagnostics + "\r\n"))
		}
		e.Err = fmt.Errorf("the device refused: %q", e.Diagnostics[:min(len(e.Diagnostics), shownDiagnostics)])
	}
	return false, e
}

// masked returns what may be shown of the text, which is what was received from the
// offset on. The echo before it is masked with it: a password that begins there may
// continue in the text.
func (r *run) masked(from int, text []byte) []byte {
	all := r.buffer.after(0)
	before := all[:len(all)-len(r.buffer.after(from))]
	masked := r.call.Mask(slices.Concat(before, text))
	// At the end of a text Mask hides the first characters of a secret, which it
	// shows if something else follows.
	const shortest = 4
	for shown := range min(shortest, len(before)+1) {
		n := len(before) - shown
		if rest, ok := bytes.CutPrefix(masked, append(r.call.Mask(before[:n]), before[n:]...)); ok {
			return rest
		}
	}
	return masked
}

// lineError is the failure of a step in which sending or receiving failed.
func (r *run) lineError(ctx context.Context, err error) *Error {
	r.logResponse(r.responseStart())
	code := ras.CodeOf(err)
	switch {
	case ctx.Err() != nil:
		code = ras.CodeOf(ras.ContextError(ctx))
	case code == ras.ErrDisconnection, code == ras.ErrRemoteDisconnection, errors.Is(err, port.ErrCarrierLost):
		code = ras.ErrNoCarrier // to a script a peer that closed is a carrier that was lost
	}
	if d := (*script.Error)(nil); errors.As(err, &d) {
		err = d.Err // the operation is named in the script's words
	}
	return r.failure(code, err)
}

func (r *run) failure(code ras.Code, err error) *Error {
	start := r.responseStart()
	tail := r.masked(start, r.buffer.after(start))
	e := r.file.failure(r.section.Name, r.current.line, code, err, string(tail[max(0, len(tail)-keptTail):]))
	if r.waiting {
		// Name the first responses in the words of the file.
		const named = 4
		responses := r.current.responses
		names := make([]string, min(named, len(responses)))
		for i := range names {
			names[i] = responses[i].shown()
		}
		if more := len(responses) - named; more > 0 {
			e.Op += fmt.Sprintf(": wait for %s or one of %d more", strings.Join(names, ", "), more)
		} else {
			e.Op += ": wait for " + strings.Join(names, " or ")
		}
	}
	return e
}

func (r *run) portName() string {
	if r.cfg.PortName != "" {
		return r.cfg.PortName
	}
	return strconv.FormatUint(uint64(r.call.Port), 10)
}
