package dllexport

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/rasline/rasline/internal/handles"
	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

const opScript = "RasCustomScriptExecute"

// invocation is one call of RasCustomScriptExecute by the host.
type invocation struct {
	host      host
	port      ras.Handle
	phonebook string
	entry     string
	params    rasabi.DialParams // the host's own memory
	userName  func() string     // the Windows user
}

// run runs the registered executor and returns what the host gets. It recovers
// from panics of the executor.
func (r registration) run(ctx context.Context, inv *invocation) ras.Code {
	if r.executor == nil {
		return ras.ErrNotSupported
	}
	err := r.execute(ctx, inv)
	if err != nil {
		r.log.Error("the script failed", "entry", inv.entry, "error", err)
	}
	return ras.CodeOf(err)
}

func (r registration) execute(ctx context.Context, inv *invocation) error {
	before, err := readParams(inv.params)
	if err != nil {
		return err
	}
	if before.UserName == "" {
		before.UserName = inv.userName()
	}
	a := newAPI(ctx, inv.host, inv.port)
	slot := handles.Register(uintptr(inv.port))    // for calls that the executor makes by hand
	defer handles.Release(uintptr(inv.port), slot) // the host uses its handles again
	params := before
	call := &ras.Call{API: a, Port: inv.port, Phonebook: inv.phonebook, Entry: inv.entry, Params: &params, Exact: true}
	if err = r.protect(ctx, a, call); err != nil && err != error(ras.Success) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", opScript, ras.ContextError(ctx))
	}
	return writeBack(inv.params, before, *call.Parameters())
}

// protect runs the executor, turns a panic into an error, and takes back the
// callbacks on every way out.
func (r registration) protect(ctx context.Context, a *api, call *ras.Call) (err error) {
	defer func() {
		if unread, err := call.End(); err != nil || len(unread) > 0 {
			r.log.Warn("the script left bytes that the host cannot take back", "entry", call.Entry, "bytes", len(unread), "error", err)
		}
		if leaked := a.close(); leaked > 0 {
			r.log.Warn("the script left buffers unfreed", "entry", call.Entry, "buffers", leaked)
		}
	}()
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("the script panicked", "entry", call.Entry, "stack", string(debug.Stack()))
			err = &ras.Error{Op: opScript, Code: ras.ErrUnknown, Err: fmt.Errorf("panic: %s", call.Mask(fmt.Append(nil, v)))}
		}
	}()
	return r.executor.Execute(ctx, call)
}

// readParams copies the texts of the host's structure.
func readParams(d rasabi.DialParams) (ras.DialParams, error) {
	var p ras.DialParams
	for i, to := range p.Texts() {
		s, err := d.Text(rasabi.Fields[i])
		if err != nil {
			return p, invalid(err)
		}
		*to = s
	}
	return p, nil
}

// writeBack stores the credentials that the executor changed, all or none. What
// it left alone stays as the host wrote it, an empty user name included.
func writeBack(d rasabi.DialParams, before, after ras.DialParams) error {
	if err := after.Validate(); err != nil {
		return err
	}
	was, now := before.Texts(), after.Texts()
	for i, field := range rasabi.Fields {
		// A script may change these three and no other.
		if field != rasabi.UserName && field != rasabi.Password && field != rasabi.Domain || *was[i] == *now[i] {
			continue
		}
		if err := d.SetText(field, *now[i]); err != nil {
			return invalid(err)
		}
	}
	return nil
}

func invalid(err error) error {
	return &ras.Error{Op: opScript, Code: ras.ErrInvalidParameter, Err: err}
}
