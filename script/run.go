package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/mask"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// Config holds what Run gives a script. The zero Config and a nil one work.
type Config struct {
	// Params are the parameters of the connection. Run works on a copy; what
	// the script made of them is in Result. Default: all empty.
	Params *ras.DialParams

	// Phonebook and Entry are the path of the phone book and the name of the
	// entry that is dialled. Default: empty.
	Phonebook, Entry string

	// Terminal is the user's terminal, for scripts that show something or prompt.
	// Default: there is no user.
	Terminal io.ReadWriter

	// Timeout bounds the whole run; it ends with an error that matches
	// ras.ErrRequestTimeout. Default, and for 0 or less: no limit.
	Timeout time.Duration

	// Exact makes the Dialogs take not one byte past their last match from the
	// port, for a port that is handed on as it is. Default: off; bytes that
	// were read and not used are in Result.Unread.
	Exact bool

	// SendTimeout bounds each send, as ras.Config.SendTimeout does. Default,
	// and for 0: one minute. Negative: no limit.
	SendTimeout time.Duration

	// OnState is called with the connection's states: ras.StateInteractive when
	// the script starts, and again with the error if it fails. Default: none.
	OnState func(State)

	// Log gets the whole conversation of the run at debug level, from every
	// Dialog, dialler and language in it: what is sent and received, waits with
	// their limits, and waits that failed, with secrets masked; the states of
	// OnState at info level; and warnings about what scripts do not free.
	// NewPrinter makes a log for people, and the Handler of a capture.Writer
	// puts it into a recording. Default: no log.
	Log *slog.Logger
}

// Result is what a run leaves.
type Result struct {
	// Params are the parameters after the script: PPP authenticates with the
	// user name, password and domain in it. After a failure they are those
	// given to Run.
	Params ras.DialParams

	// IPAddr is the address that the script gave the caller for the session;
	// the zero value if it gave none.
	IPAddr netip.Addr

	// Unread are the bytes that were read from the port and not used, in order.
	// PPP must get them first: its peer's first frame may be among them. The
	// readers of Port get them, and so does the next Run on the same port,
	// whichever is first. A program that passes Unread on itself sets it to nil,
	// so that a later Run on the port does not get the bytes again.
	Unread []byte

	// Guessed reports that the script could not see that the line was ready for
	// PPP and assumed so because LoginConfig.Hope allows it.
	Guessed bool

	// Leaks is how many buffers the script did not free.
	Leaks int

	// Stats are the counts of the session.
	Stats ras.Stats

	// Duration is how long the script ran.
	Duration time.Duration

	port port.Port
	rest *leftover // shared by all of Port and the next Run; nil: none
}

// Port returns the port that was run on, which gives Unread to its first
// readers and then reads the line. It has the optional abilities of the
// port underneath; those that it lacks return errors.ErrUnsupported, and Detach
// fails while bytes of Unread wait to be read. All ports that Port returns share
// the bytes: each is read once.
func (r *Result) Port() port.Port {
	if r.rest == nil {
		return r.port
	}
	return &replay{Forward: port.Forward{Port: r.port}, rest: r.rest}
}

// TakeUnread returns what is left of Unread, gives it up and sets it to nil: no
// reader of Port and no later Run gets these bytes.
func (r *Result) TakeUnread() []byte {
	r.Unread = nil
	if r.rest == nil {
		return nil
	}
	return r.rest.take()
}

// Waiting returns how many bytes of Unread nothing has read yet.
func (r *Result) Waiting() int {
	if r.rest == nil {
		return 0
	}
	return r.rest.len()
}

// Format prints what became of the run and no data, whatever the verb.
func (r Result) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%v, %d bytes unread, %d leaks, %v}", r.Params, len(r.Unread), r.Leaks, r.Duration)
}

// LogValue is what log/slog prints, in every format: what Format does.
func (r Result) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// State is a state that a connection has reached, or has failed in. Run, the
// dialler of package modem and whatever else sets a connection up report in this
// one form.
type State struct {
	// Conn is the state in RAS's terms. A failure has the state that was not
	// completed.
	Conn ras.ConnState

	// Text is for people: what is being done, the modem's result. May be empty.
	Text string

	// Err is why the state failed; nil when it is entered.
	Err error

	// Time is the moment, and Elapsed the time since the start of whatever
	// reports.
	Time    time.Time
	Elapsed time.Duration

	// Attempt counts the calls of a dialler from 1 on, and Number is what is
	// being dialled. 0 and empty before the first and where nothing is dialled.
	Attempt int
	Number  string
}

// Run runs e on p, which it reads, writes and sets deadlines on until it
// returns, and which it never closes: when e has failed, hanging up is up to the
// caller. The Result is never nil.
//
// Bytes that the last Run on the port left in Result.Unread, and that nothing
// has read since, are what e receives first. (The port is known again if it is a
// pointer or another value that can be compared.)
//
// If ctx ends, the callbacks fail with ras.ErrUserDisconnection for a cancel and
// ras.ErrRequestTimeout for a deadline, and so does Run, even if e returns nil;
// the error matches the context's error and its cause. A panic in e becomes an
// error that matches ras.ErrUnknown. What e has handed to Defer is called in any
// case. Any other error of e is returned as it is, but for ras.Success, which is none; ras.CodeOf gives its code. Credentials
// that do not fit into Windows' structures are refused with
// ras.ErrInvalidParameter.
func Run(ctx context.Context, p port.Port, e Executor, cfg *Config) (*Result, error) {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, c.Timeout, &RunTimeoutError{c.Timeout})
		defer cancel()
		ctx = limited
	}
	p, unread := takeLeftover(p)
	session := &ras.Config{SendTimeout: c.SendTimeout, ReadAhead: readAhead, Log: c.Log}
	if c.Exact {
		session.ReadAhead = 0
	}
	r := &run{cfg: c, session: ras.NewSession(p, session)}
	return r.run(ctx, p, unread, e)
}

// readAhead is what one read of a port may take while data streams in: the size
// of the kernel's buffer for a terminal.
const readAhead = 4096

// RunTimeoutError means that the limit of the whole run passed. It matches
// ras.ErrRequestTimeout and context.DeadlineExceeded.
type RunTimeoutError struct {
	Limit time.Duration
}

// Error names the limit.
func (e *RunTimeoutError) Error() string {
	return fmt.Sprintf("the run's limit of %v has passed", e.Limit)
}

// Unwrap returns the errors that it matches.
func (e *RunTimeoutError) Unwrap() []error {
	return []error{ras.ErrRequestTimeout, context.DeadlineExceeded}
}

// Timeout returns true, for net.Error.
func (e *RunTimeoutError) Timeout() bool { return true }

// run is one run of an executor.
type run struct {
	cfg     Config
	session *ras.Session
	mask    func([]byte) []byte // of the call
	start   time.Time
}

func (r *run) run(ctx context.Context, p port.Port, unread []byte, e Executor) (*Result, error) {
	before := ras.DialParams{}
	if r.cfg.Params != nil {
		before = *r.cfg.Params
	}
	params := before
	call := &ras.Call{
		API:       r.session,
		Port:      r.session.Handle(),
		Phonebook: r.cfg.Phonebook,
		Entry:     r.cfg.Entry,
		Params:    &params,
		Terminal:  r.cfg.Terminal,
		Exact:     r.cfg.Exact,
		Log:       r.cfg.Log,
	}
	if h, ok := p.(port.Hider); ok && len(before.Password) >= mask.Short {
		h.Hide(before.Password.Reveal()) // a shorter one is hidden where it is sent
	}
	r.mask = call.Mask
	res := &Result{Params: before, port: p}
	start := time.Now()
	r.announce(nil, "")
	err := r.session.ReturnBytes(r.session.Handle(), unread)
	if err == nil {
		err = before.Validate()
	}
	if err == nil {
		err = r.execute(ctx, e, call)
	}
	res.Duration = time.Since(start)
	closeErr := r.finish(call, res)
	after := call.Parameters()
	switch {
	case err == nil && closeErr != nil:
		err = &Error{Op: "end the script", Err: closeErr}
	case err == nil && after != nil:
		err = after.Validate()
	}
	if err = cleanUp(ctx, call, p, err); err != nil {
		r.announce(err, "")
		return res, err
	}
	if after != nil {
		res.Params.UserName, res.Params.Password, res.Params.Domain = after.UserName, after.Password, after.Domain
	}
	res.IPAddr = call.Address()
	if res.Guessed = Shared[guess](call).made; res.Guessed {
		r.announce(nil, "the peer fell silent after the login; it is assumed to wait for PPP")
		if r.cfg.Log != nil {
			r.cfg.Log.Warn("the login ended in silence and was taken for a success", "entry", r.cfg.Entry)
		}
	}
	return res, nil
}

// guess is what Login leaves for Result.Guessed.
type guess struct{ made bool }

func (r *run) announce(err error, text string) {
	if r.cfg.Log != nil {
		attrs := []any{"state", ras.StateInteractive.String()}
		if text != "" {
			attrs = append(attrs, "text", text)
		}
		if err != nil {
			// A script may have quoted in it what the peer has sent.
			attrs = append(attrs, "error", string(r.mask([]byte(err.Error()))))
		}
		r.cfg.Log.Info("state", attrs...)
	}
	if r.cfg.OnState != nil {
		now := time.Now()
		if r.start.IsZero() {
			r.start = now
		}
		r.cfg.OnState(State{Conn: ras.StateInteractive, Text: text, Err: err, Time: now, Elapsed: now.Sub(r.start)})
	}
}

// execute runs the script under the run's context: when it ends, so do all
// callbacks.
func (r *run) execute(ctx context.Context, e Executor, call *ras.Call) error {
	failed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(failed)
		r.session.Fail(ras.ContextError(ctx))
	})
	defer func() {
		if !stop() {
			<-failed // what it logs is logged before Run returns
		}
	}()
	err := r.protect(ctx, e, call)
	if code, ok := err.(ras.Code); ok && code == ras.Success {
		err = nil
	}
	if ctx.Err() == nil {
		return err
	}
	// The end of the context is the result, whatever the script made of it. An
	// error of the script's own is part of it.
	var end *ras.Error
	errors.As(ras.ContextError(ctx), &end)
	switch ofContext := errors.Is(err, ctx.Err()) && errors.Is(err, context.Cause(ctx)); {
	case ofContext && ras.CodeOf(err) == end.Code:
		return err
	case ofContext:
		return &ras.Error{Op: "script", Code: end.Code, Err: err}
	case err != nil:
		return errors.Join(&ras.Error{Op: "script", Code: end.Code, Err: end.Err}, err)
	}
	return &ras.Error{Op: "script", Code: end.Code, Err: end.Err}
}

// protect keeps a panic of the script from the host.
func (r *run) protect(ctx context.Context, e Executor, call *ras.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			if r.cfg.Log != nil {
				r.cfg.Log.Error("script panicked", "stack", string(call.Mask(stack)))
			}
			err = &ras.Error{Op: "script", Code: ras.ErrUnknown,
				Err: fmt.Errorf("panic at %s: %s", panicPlace(), call.Mask(fmt.Append(nil, v)))}
		}
	}()
	return e.Execute(ctx, call)
}

// panicPlace returns "FILE:LINE" of the function that has panicked, for a
// function that is deferred.
func panicPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for panicking := false; ; {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicking = panicking || inRuntime; panicking && !inRuntime {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// finish ends the session and gathers what it leaves.
func (r *run) finish(call *ras.Call, res *Result) error {
	unread, sendErr := call.End()
	err := r.session.Close()
	res.Unread = append(unread, r.session.Unread()...)
	res.rest = keepLeftover(res)
	res.Stats = r.session.Stats()
	res.Leaks = res.Stats.Leaked
	if setter, ok := call.Line().(port.ModeSetter); ok && r.cfg.Log != nil {
		if m, err := setter.Mode(); err == nil && (m.DataBits != 8 || m.Parity != port.ParityNone) {
			r.cfg.Log.Warn("PPP needs 8 data bits and no parity", "mode", m.String())
		}
	}
	return errors.Join(sendErr, err)
}
