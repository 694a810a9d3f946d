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
	header    Header
	params    ras.DialParams
}

// result is the result of the DLL's run.
type result struct {
	code     ras.Code // what RasCustomScriptExecute returned
	userName string
	password ras.Secret
	domain   string
	leaked   int // buffers that were not freed
	damaged  int // buffers that were written past their end
}

// endCode returns the code of the callbacks of a run whose context has ended.
func endCode(ctx context.Context) ras.Code {
	if code, ok := context.Cause(ctx).(ras.Code); ok {
		return code
	}
	return ras.CodeOf(ras.ContextError(ctx))
}
