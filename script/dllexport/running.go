package dllexport

import (
	"context"

	"github.com/rasline/rasline/ras"
)

// running is one call of RasCustomScriptExecute: the host's thread waits, with a
// window where it has one, while a goroutine runs the script.
type running struct {
	stop context.CancelCauseFunc
	done chan struct{}
	code ras.Code // valid once done is closed
}

// start runs f on a goroutine of its own and calls ended when that is over, before
// finish returns. A script that ends its goroutine has failed.
func start(f func(ctx context.Context) ras.Code, ended func()) *running {
	ctx, stop := context.WithCancelCause(context.Background())
	r := &running{stop: stop, done: make(chan struct{}), code: ras.ErrUnknown}
	go func() {
		defer close(r.done)
		defer ended()
		r.code = f(ctx)
	}()
	return r
}

// cancel is what IDCANCEL does.
func (r *running) cancel() {
	r.stop(&ras.Error{Op: "IDCANCEL", Code: ras.ErrUserDisconnection, Err: context.Canceled})
}

// finish waits for the script and returns what the host gets.
func (r *running) finish() ras.Code {
	<-r.done
	r.stop(nil)
	return r.code
}
