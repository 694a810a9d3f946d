package dll

import (
	"context"

	"github.com/rasline/rasline/ras"
)

// job is one run of a DLL: the parameters of RasCustomScriptExecute.
type job struct {
	path      string // of the DLL, absolute
	port      ras.Handle
	phonebook string
	entry     string
	window    uint64
	params    ras.DialParams
}

// result is what the DLL left.
type result struct {
	code     ras.Code // what RasCustomScriptExecute returned
	userName string
	password ras.Secret
	domain   string
	leaked   int // buffers that were not freed
}

// finish gives the call what the DLL left, or returns the error of the run. A
// DLL that returns 0 although its run was ended has not succeeded.
func (r *result) finish(ctx context.Context, call *ras.Call) error {
	cause := context.Cause(ctx)
	switch {
	case r.code != ras.Success:
		return &ras.Error{Op: entryPoint, Code: r.code, Err: cause}
	case cause != nil:
		return &ras.Error{Op: entryPoint, Code: endCode(ctx), Err: ras.ContextError(ctx)}
	}
	if call.Params != nil {
		call.Params.UserName, call.Params.Password, call.Params.Domain = r.userName, r.password, r.domain
	}
	return nil
}

// endCode returns the code of the callbacks of a run whose context has ended.
// The parent process passes the code to its child, which is the cause there.
func endCode(ctx context.Context) ras.Code {
	if code, ok := context.Cause(ctx).(ras.Code); ok {
		return code
	}
	return ras.CodeOf(ras.ContextError(ctx))
}
