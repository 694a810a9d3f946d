package script

import (
	"context"
	"errors"
	"slices"

	"github.com/rasline/rasline/ras"
)

// Executor is a script: it logs in, dials, or does whatever else must be done
// on the line before PPP starts. It is the Go form of RasCustomScriptExecute.
//
// Execute talks to the peer through the callbacks of call, mostly by way of a
// Dialog, and returns nil when PPP may start. It may change the user name,
// password and domain in call.Params. It must not use call after it has
// returned. The context ends when the user or the host cancels; by then the
// callbacks fail by themselves. An executor that is used for several runs
// concurrently must be safe for that; those of this module are.
type Executor interface {
	Execute(ctx context.Context, call *ras.Call) error
}

// ExecutorFunc makes an Executor of a function.
type ExecutorFunc func(ctx context.Context, call *ras.Call) error

// Execute calls f.
func (f ExecutorFunc) Execute(ctx context.Context, call *ras.Call) error { return f(ctx, call) }

// Sequence returns an Executor that runs the given ones in order on the same
// call and stops at the first error. What one has received and not used is the
// first thing that the next receives.
func Sequence(e ...Executor) Executor { return sequence(e) }

type sequence []Executor

func (s sequence) Execute(ctx context.Context, call *ras.Call) error {
	for _, e := range s {
		if ctx.Err() != nil {
			return ras.ContextError(ctx)
		}
		err := e.Execute(ctx, call)
		if code, ok := err.(ras.Code); err != nil && !(ok && code == ras.Success) {
			return err
		}
	}
	return nil
}

// Check reports what the parts would, up to the first that is no Checker, which may
// set what the others need.
func (s sequence) Check(p *ras.DialParams) error {
	var errs []error
	for _, e := range s {
		c, ok := e.(Checker)
		if !ok {
			break
		}
		errs = append(errs, c.Check(p))
	}
	return errors.Join(errs...)
}

// NeedsTerminal reports whether any part of the sequence does.
func (s sequence) NeedsTerminal() bool {
	return slices.ContainsFunc(s, func(e Executor) bool {
		u, ok := e.(TerminalUser)
		return ok && u.NeedsTerminal()
	})
}
