package dllexport

import (
	"cmp"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// Config holds how the DLL treats its host. The zero Config and a nil one work.
type Config struct {
	// Log gets what the return code cannot express: the error of an executor, a
	// panic, buffers that it left unfreed. Default: no log. A DLL has no
	// standard error; examples/rasdll writes its log to a file.
	Log *slog.Logger

	// OnResult is called at the end of each run, before the host gets the code.
	// Default: none.
	OnResult func(Result)
}

// Result is how one run of the executor ended.
type Result struct {
	Entry string   // the phone-book entry that the host dialled
	Code  ras.Code // what the host gets
	Err   error    // why, unless the code is ras.Success

	// Lost counts bytes that were received after the last match and that the
	// host cannot take back, so that PPP misses them. It is 0 on hosts that
	// grant buffers of the requested size; see the package comment.
	Lost int

	// Leaked counts buffers that the executor did not free; the host got them
	// back, but for one whose receive it still has.
	Leaked int
}

// registration is what Register was given.
type registration struct {
	executor script.Executor
	log      *slog.Logger
	onResult func(Result)
}

// registered is what the last Register was given; nil before the first.
var registered atomic.Pointer[registration]

// Register makes e the executor that the DLL's RasCustomScriptExecute runs. Call
// it from an init function of the main package; a nil cfg means the zero Config.
// A later call replaces e for calls of the host that follow it. Executions
// may run concurrently, one for each connection.
//
// Without Windows and cgo there is no DLL, and the error matches
// errors.ErrUnsupported.
func Register(e script.Executor, cfg *Config) error {
	if err := supported(); err != nil {
		return err
	}
	if e == nil {
		return errors.New("dllexport: no executor to register")
	}
	r := registration{executor: e, log: slog.New(slog.DiscardHandler), onResult: func(Result) {}}
	if cfg != nil {
		r.log = cmp.Or(cfg.Log, r.log)
		if cfg.OnResult != nil {
			r.onResult = cfg.OnResult
		}
	}
	registered.Store(&r)
	return nil
}

// Path returns the path of the DLL that this package is part of, which specifies
// where files beside it can be found. It is empty outside a DLL.
func Path() string { return modulePath() }
