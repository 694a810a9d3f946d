package dllexport

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/rasline/rasline/script"
)

// Config holds how the DLL treats its host. The zero Config and a nil one work.
type Config struct {
	// Log gets what the return code cannot tell: the error of an executor, a
	// panic, buffers that it left unfreed. Default: no log. A DLL has no
	// standard error; examples/rasdll writes its log to the debug output of
	// Windows, which debuggers show.
	Log *slog.Logger
}

// registration is what Register was given.
type registration struct {
	executor script.Executor
	log      *slog.Logger
}

var (
	registeredMu sync.Mutex
	registered   registration
)

// Register makes e the executor behind the DLL's RasCustomScriptExecute. Call
// it from an init function of the main package; a nil cfg means the zero Config.
// A later call replaces e for calls of the host that come after it. Executions
// may run at once, one for each connection.
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
	r := registration{executor: e, log: slog.New(slog.DiscardHandler)}
	if cfg != nil && cfg.Log != nil {
		r.log = cfg.Log
	}
	registeredMu.Lock()
	defer registeredMu.Unlock()
	registered = r
	return nil
}

// Path returns the path of the DLL that this package is part of, which tells
// where to look for files beside it. It is empty outside a DLL.
func Path() string { return modulePath() }
