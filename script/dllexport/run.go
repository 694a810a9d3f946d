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
	result := Result{Entry: inv.entry}
	result.Err = r.execute(ctx, inv, &result)
	result.Code = ras.CodeOf(result.Err)
	if result.Err != nil {
		r.log.Error("the script failed", "entry", inv.entry, "error", result.Err)
	}
	if result.Lost > 0 {
		r.log.Warn("PPP misses bytes that were received after the last match: the host granted a larger buffer than was requested, or the script read on",
			"entry", inv.entry, "bytes", result.Lost)
	}
	if result.Leaked > 0 {
		r.log.Warn("the script left buffers unfreed", "entry", inv.entry, "buffers", result.Leaked)
	}
	r.onResult(result)
	return result.Code
}

func (r registration) execute(ctx context.Context, inv *invocation, result *Result) error {
	// The texts other than the credentials are empty where the host's structure
	// has no valid text.
	var before ras.DialParams
	for i, to := range before.Texts() {
		text, err := inv.params.Text(rasabi.Fields[i])
		if err != nil && credential(rasabi.Fields[i]) {
			return invalid(err)
		}
		*to = text
	}
	if before.UserName == "" {
		before.UserName = inv.userName()
	}
	a := &api{host: inv.host, port: inv.port, buffers: make(map[*buffer]bool)}
	a.ctx, a.cancel = context.WithCancel(ctx)
	a.unhook = context.AfterFunc(a.ctx, a.runEnded) // not ctx: Retrieve must find a.ctx ended
	slot := handles.Register(uintptr(inv.port))     // for Calls that the executor makes itself
	defer handles.Release(uintptr(inv.port), slot)  // the host uses its handles again
	params := before
	call := &ras.Call{API: a, Port: inv.port, Phonebook: inv.phonebook, Entry: inv.entry, Params: &params, Exact: true, ReadAhead: true}
	if err := r.protect(ctx, a, call, result); err != nil && err != error(ras.Success) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", opScript, ras.ContextError(ctx))
	}

	// Store the credentials that the executor changed, all or none. The others
	// stay as the host wrote them, an empty user name included.
	after := *call.Parameters()
	if err := after.Validate(); err != nil {
		return err
	}
	was, now := before.Texts(), after.Texts()
	for i, field := range rasabi.Fields {
		if !credential(field) || *was[i] == *now[i] {
			continue
		}
		if err := inv.params.SetText(field, *now[i]); err != nil {
			return invalid(err)
		}
	}
	return nil
}

// protect runs the executor, converts a panic to an error, and revokes the
// callbacks however the executor ends.
func (r registration) protect(ctx context.Context, a *api, call *ras.Call, result *Result) (err error) {
	defer func() {
		unread, endErr := call.End()
		if endErr != nil {
			r.log.Warn("a send of the script did not end", "entry", call.Entry, "error", endErr)
		}
		result.Leaked, result.Lost = a.close()
		result.Lost += len(unread)
	}()
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("the script panicked", "entry", call.Entry, "stack", string(debug.Stack()))
			err = &ras.Error{Op: opScript, Code: ras.ErrUnknown, Err: fmt.Errorf("panic: %s", call.Mask(fmt.Append(nil, v)))}
		}
	}()
	return r.executor.Execute(ctx, call)
}

// credential reports whether a field is one of those that a script needs and may
// change.
func credential(f rasabi.Field) bool {
	return f == rasabi.UserName || f == rasabi.Password || f == rasabi.Domain
}

func invalid(err error) error {
	return &ras.Error{Op: opScript, Code: ras.ErrInvalidParameter, Err: err}
}
