package dll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const defaultGrace = 2 * time.Second

// Config holds how a DLL is run. The zero Config and a nil one work in a
// program that calls Main.
type Config struct {
	// InProcess runs the DLL in this process, where a crash of the DLL ends the
	// program, and where a DLL that does not return cannot be ended: Execute
	// then waits for it, whatever its context and Timeout say. Default: a child
	// process for each run.
	InProcess bool

	// Program is the program file that plays the child process. It must call
	// Main. A program built with GOARCH=386 runs 32-bit DLLs for a 64-bit one.
	// Default: this program.
	Program string

	// Timeout bounds how long the DLL may take; the run then fails with
	// ras.ErrRequestTimeout. Default, and for 0 or less: no limit but the
	// context's.
	Timeout time.Duration

	// Grace is how long a DLL may go on after its context or its limit has
	// ended, with all callbacks failing, before its process is ended. Default,
	// and for 0 or less: 2 seconds. It means nothing with InProcess.
	Grace time.Duration

	// Strict passes on that a port has no parity, stop bits and data bits to
	// set. By default the DLL is told that they were set and a warning is
	// logged, since DLLs of the period give up a line on which they cannot set
	// them, although it works.
	Strict bool

	// Window is a window of this program (HWND) that the DLL may use as the
	// parent of its own. Default: none.
	Window uintptr

	// Log gets one record at debug level for each callback of the DLL, named
	// as in Windows, with sizes and codes and never with data; and warnings.
	// Default: no log.
	Log *slog.Logger
}

// DLL is a custom-scripting DLL. It is a script.Executor; Execute may run
// several times at once. A DLL of the period may not expect that within one
// process; the child processes of a Config without InProcess keep the runs
// apart.
type DLL struct {
	path string
	cfg  Config
	here library // with InProcess: the DLL as this process has loaded it
}

// Load returns the DLL in the file at path. A nil cfg means the zero Config.
//
// The error matches ras.ErrFileNotFound if there is no such file,
// ras.ErrModNotFound if it is no DLL that this program, or Config.Program, can
// load, ras.ErrProcNotFound if it does not export RasCustomScriptExecute, and
// errors.ErrUnsupported on systems other than Windows.
func Load(path string, cfg *Config) (*DLL, error) {
	d := &DLL{path: path}
	if cfg != nil {
		d.cfg = *cfg
	}
	if d.cfg.Log == nil {
		d.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if d.cfg.Grace <= 0 {
		d.cfg.Grace = defaultGrace
	}
	if err := supported(); err != nil {
		return nil, loadError(ras.ErrNotSupported, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, loadError(ras.ErrFileNotFound, err)
	}
	d.path = abs
	arch, err := d.hostArch()
	if err != nil {
		return nil, err
	}
	if err := checkFile(abs, arch); err != nil {
		return nil, err
	}
	return d, nil
}

// hostArch returns the GOARCH of the program that will load the DLL.
func (d *DLL) hostArch() (string, error) {
	if d.cfg.InProcess || d.cfg.Program == "" {
		return runtime.GOARCH, nil
	}
	img, err := inspectFile(d.cfg.Program)
	if err != nil {
		return "", fmt.Errorf("the program for the child process: %w", err)
	}
	return img.Arch, nil
}

// checkFile returns an error unless the file is a custom-scripting DLL for
// programs of the given GOARCH.
func checkFile(path, arch string) error {
	img, err := inspectFile(path)
	switch {
	case err != nil:
		return err
	case !img.DLL:
		return loadError(ras.ErrModNotFound, fmt.Errorf("%s is a program and not a DLL", path))
	case img.Arch != arch:
		return loadError(ras.ErrModNotFound, fmt.Errorf("%s is a DLL for %s and this is a program for %s: use a program built with GOARCH=%s",
			path, archName(img.Arch), archName(arch), img.Arch))
	case !img.Script:
		return loadError(ras.ErrProcNotFound, fmt.Errorf("%s is no custom-scripting DLL: it does not export %s", path, entryPoint))
	}
	return nil
}

func archName(arch string) string {
	switch arch {
	case "386", "arm":
		return "32 bits (" + arch + ")"
	case "amd64", "arm64":
		return "64 bits (" + arch + ")"
	}
	return arch
}

func inspectFile(path string) (*Image, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, loadError(ras.ErrFileNotFound, err)
	}
	if err != nil {
		return nil, loadError(ras.ErrModNotFound, err)
	}
	defer f.Close()
	img, err := Inspect(f)
	if err != nil {
		return nil, loadError(ras.ErrModNotFound, fmt.Errorf("%s: %w", path, err))
	}
	return img, nil
}

func loadError(code ras.Code, err error) error {
	return &ras.Error{Op: "load DLL", Code: code, Err: err}
}

// Path returns the absolute path of the DLL.
func (d *DLL) Path() string { return d.path }

// Execute calls the DLL's RasCustomScriptExecute with the callbacks of call and
// returns when it has returned. User name, password and domain of call.Params
// are then those that the DLL left, if it returned 0.
//
// An error of the DLL's own matches the ras.Code that it returned. If ctx or
// Config.Timeout ends, all callbacks fail with the code of the cause and the
// windows of the DLL get IDCANCEL; a DLL that has still not returned after
// Config.Grace is ended with its process. A DLL that takes its process down
// gives a *CrashError, which matches ras.ErrUnknown.
func (d *DLL) Execute(ctx context.Context, call *ras.Call) error {
	if d.cfg.InProcess {
		return d.execute(ctx, call, d.runHere)
	}
	return d.execute(ctx, call, d.runIsolated)
}

func (d *DLL) execute(ctx context.Context, call *ras.Call, run func(context.Context, *job, *line) (*result, error)) error {
	if d.cfg.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.cfg.Timeout, &script.RunTimeoutError{Limit: d.cfg.Timeout})
		defer cancel()
		ctx = limited
	}
	j := &job{
		path: d.path, port: call.Port, phonebook: call.Phonebook, entry: call.Entry, window: uint64(d.cfg.Window),
	}
	if call.Params != nil {
		j.params = *call.Params
	}
	l := &line{api: call.API, port: call.Port, strict: d.cfg.Strict, log: d.cfg.Log}
	res, err := run(ctx, j, l)
	if err != nil {
		return err
	}
	if res.leaked > 0 {
		d.cfg.Log.Warn("the DLL did not free all its buffers", "dll", d.path, "buffers", res.leaked)
	}
	return res.finish(ctx, call)
}

// Close unloads the DLL if it was loaded into this process and waits for
// running Executes first. A DLL whose threads are still running crashes then,
// as it does under Windows RAS. The DLL can be executed again.
func (d *DLL) Close() error { return d.here.unload() }
