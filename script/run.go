package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

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

	// Terminal is the user's terminal, for scripts that show or ask something.
	// Default: there is no user.
	Terminal io.ReadWriter

	// Timeout bounds the whole run; it ends with an error that matches
	// ras.ErrRequestTimeout. Default, and for 0 or less: no limit.
	Timeout time.Duration

	// Exact makes the Dialogs take not one byte past their last match from the
	// port, for a port that is handed on as it is. Default: off; bytes that
	// were taken and not used are in Result.Unread.
	Exact bool

	// SendTimeout bounds each send, as ras.Config.SendTimeout does. Default,
	// and for 0: one minute. Negative: no limit.
	SendTimeout time.Duration

	// OnState is called with the connection's states: ras.StateInteractive when
	// the script starts, and again with the error if it fails. Default: none.
	OnState func(State)

	// Log gets warnings about what scripts leave behind. Default: no log.
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

	// Unread are the bytes that were taken from the port and not used, in
	// order. PPP must get them first: its peer's first frame may be among
	// them.
	Unread []byte

	// Leaks is how many buffers the script did not free.
	Leaks int

	// Stats are the counts of the session.
	Stats ras.Stats

	// Duration is how long the script took.
	Duration time.Duration

	port port.Port
}

// Port returns the port that was run on, which gives Unread to its first
// readers and then goes on with the line. It has the optional abilities of the
// port underneath; those that it lacks return errors.ErrUnsupported.
func (r *Result) Port() port.Port {
	if len(r.Unread) == 0 {
		return r.port
	}
	return newReplay(r.port, r.Unread)
}

// Run runs e on p, which it reads, writes and sets deadlines on until it
// returns, and which it never closes: when e has failed, hanging up is up to the
// caller. The Result is never nil.
//
// If ctx ends, the callbacks fail with the code of its cause, which is
// ras.ErrUserDisconnection for a cancel, and so does Run, even if e returns
// nil. A panic in e becomes an error that matches ras.ErrUnknown. What e has
// handed to Defer is called in any case. Any other
// error of e is returned as it is; ras.CodeOf tells its code. Credentials that
// do not fit into Windows' structures are refused with ras.ErrInvalidParameter.
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
	r := &run{cfg: c, session: ras.NewSession(p, c.session())}
	return r.run(ctx, p, e)
}

// readAhead is what one read of a port may take while data streams in: the size
// of the kernel's buffer for a terminal.
const readAhead = 4096

func (c *Config) session() *ras.Config {
	s := &ras.Config{SendTimeout: c.SendTimeout, ReadAhead: readAhead, Log: c.Log}
	if c.Exact {
		s.ReadAhead = 0
	}
	return s
}

// RunTimeoutError says that the limit of the whole run passed. It matches
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

// Timeout returns true; net.Error asks for it.
func (e *RunTimeoutError) Timeout() bool { return true }

// run is one run of an executor.
type run struct {
	cfg     Config
	session *ras.Session
	start   time.Time
}

func (r *run) run(ctx context.Context, p port.Port, e Executor) (*Result, error) {
	before := ras.DialParams{}
	if r.cfg.Params != nil {
		before = *r.cfg.Params
	}
	params := before
	call := r.call(&params)
	r.start = time.Now()
	r.announce(nil)
	err := before.Validate()
	if err == nil {
		err = r.execute(ctx, e, call)
	}
	res := &Result{Params: before, Duration: time.Since(r.start), port: p}
	closeErr := r.finish(call, res)
	switch {
	case err == nil && closeErr != nil:
		err = &Error{Op: "end the script", Err: closeErr}
	case err == nil:
		err = params.Validate()
	}
	if err = cleanUp(ctx, call, p, err); err != nil {
		r.announce(err)
		return res, err
	}
	res.Params.UserName, res.Params.Password, res.Params.Domain = params.UserName, params.Password, params.Domain
	res.IPAddr = call.IPAddr
	return res, nil
}

func (r *run) call(params *ras.DialParams) *ras.Call {
	return &ras.Call{
		API:       r.session,
		Port:      r.session.Handle(),
		Phonebook: r.cfg.Phonebook,
		Entry:     r.cfg.Entry,
		Params:    params,
		Terminal:  r.cfg.Terminal,
		Exact:     r.cfg.Exact,
	}
}

func (r *run) announce(err error) {
	if r.cfg.OnState != nil {
		r.cfg.OnState(State{Conn: ras.StateInteractive, Err: err, Time: time.Now(), Elapsed: time.Since(r.start)})
	}
}

// execute runs the script under the run's context: when it ends, so do all
// callbacks.
func (r *run) execute(ctx context.Context, e Executor, call *ras.Call) error {
	stop := context.AfterFunc(ctx, func() { r.session.Fail(context.Cause(ctx)) })
	defer stop()
	err := r.protect(ctx, e, call)
	if cause := context.Cause(ctx); cause != nil {
		return cancelled(cause, err)
	}
	return err
}

// cancelled is the error of a run whose context has ended, whatever the script
// made of it. A script that has said something itself is heard.
func cancelled(cause, err error) error {
	code := ras.Cause(cause)
	switch {
	case err == nil:
		return &ras.Error{Op: "script", Code: code, Err: cause}
	case errors.Is(err, code):
		return err
	case errors.Is(err, cause):
		return &ras.Error{Op: "script", Code: code, Err: err}
	}
	return errors.Join(&ras.Error{Op: "script", Code: code, Err: cause}, err)
}

// protect keeps a panic of the script from the host.
func (r *run) protect(ctx context.Context, e Executor, call *ras.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if r.cfg.Log != nil {
				r.cfg.Log.Error("script panicked", "stack", string(debug.Stack()))
			}
			err = &ras.Error{Op: "script", Code: ras.ErrUnknown, Err: fmt.Errorf("panic: %s", call.Mask(fmt.Append(nil, v)))}
		}
	}()
	return e.Execute(ctx, call)
}

// finish ends the session and gathers what it leaves.
func (r *run) finish(call *ras.Call, res *Result) error {
	res.Unread = lineOf(call).release()
	err := r.session.Close()
	res.Unread = append(res.Unread, r.session.Unread()...)
	res.Stats = r.session.Stats()
	res.Leaks = res.Stats.Leaked
	r.warnAboutFormat(call)
	return err
}

// warnAboutFormat tells of a character format that PPP cannot use.
func (r *run) warnAboutFormat(call *ras.Call) {
	setter, ok := call.Line().(port.ModeSetter)
	if r.cfg.Log == nil || !ok {
		return
	}
	m, err := setter.Mode()
	if err == nil && (m.DataBits != 8 || m.Parity != port.ParityNone) {
		r.cfg.Log.Warn("PPP needs 8 data bits and no parity", "mode", m.String())
	}
}
