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
	"strings"
	"time"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

const defaultGrace = 2 * time.Second

// Config holds how a DLL is run. The zero Config and a nil one work in a
// program that calls Main.
type Config struct {
	// Program is the program file that runs as the child process. It must call
	// Main. A program built with GOARCH=386 runs 32-bit DLLs for a 64-bit one.
	// Default: this program.
	Program string

	// Timeout bounds the duration of the run, which then fails with
	// ras.ErrRequestTimeout. Default, and for 0 or less: no limit but the
	// context's.
	Timeout time.Duration

	// Grace is how long a DLL may continue after its context or its limit has
	// ended, with all callbacks failing, before its process is ended. Default,
	// and for 0 or less: 2 seconds.
	Grace time.Duration

	// Strict refuses what Windows does not promise to allow. By default three
	// liberties of legacy DLLs are permitted, the first two with a warning: to
	// set parity, stop bits and data bits on a port that has none, and to send
	// from the buffer of a receive that is posted, since such DLLs regard any
	// refusal as the loss of the line; and to rely on buffers at addresses that
	// are multiples of 16, as heap memory has them. A strict buffer ends
	// exactly where an inaccessible page begins, so that each write past its
	// end crashes.
	Strict bool

	// Header is the version of ras.h whose RASDIALPARAMS the DLL gets. Some
	// DLLs return ERROR_INVALID_SIZE (632) unless dwSize is that of the header
	// they were compiled with. Default: HeaderWindows7.
	Header Header

	// Window is a window of this program (HWND) that the DLL may use as the
	// parent of its own. Default: none.
	Window uintptr

	// Log gets one record at debug level for each callback of the DLL, named
	// as in Windows, with sizes and codes and never with data; and warnings.
	// Default: the log of the run.
	Log *slog.Logger
}

// Header is a version of the Windows header ras.h, which decides the size of
// RASDIALPARAMS. Each version adds a field at the end.
type Header int

// The headers, with dwSize for programs of 64 and of 32 bits.
const (
	HeaderWindows7    Header = iota // WINVER 0x601: 2112 and 2108
	HeaderWindows8                  // WINVER 0x602: 2120 and 2112
	HeaderWindows2000               // WINVER 0x401 to 0x600: 2108 and 2104
	HeaderWindowsNT4                // WINVER 0x400: 2096, up to szDomain
)

var headers = map[Header]rasabi.Version{
	HeaderWindows7: rasabi.Windows7, HeaderWindows8: rasabi.Windows8,
	HeaderWindows2000: rasabi.Windows2000, HeaderWindowsNT4: rasabi.WindowsNT4,
}

// DLL is a custom-scripting DLL. It is a script.Executor; Execute may run
// several times concurrently, each in a process of its own.
type DLL struct {
	path  string
	cfg   Config
	noLog bool                    // Config.Log is that of the call
	start func() (process, error) // a child process
}

// Load returns the DLL in the file at path. A nil cfg means the zero Config.
// The file is read and not loaded; each Execute loads it in a child process.
//
// The error matches ras.ErrFileNotFound if there is no such file,
// ras.ErrModNotFound if it is no DLL that this program, or Config.Program, can
// load, ras.ErrProcNotFound if it does not export RasCustomScriptExecute,
// ras.ErrInvalidParameter if Config.Header is none of the constants, and
// errors.ErrUnsupported on systems other than Windows.
func Load(path string, cfg *Config) (*DLL, error) {
	d := &DLL{path: path}
	if cfg != nil {
		d.cfg = *cfg
	}
	if d.cfg.Log == nil {
		d.noLog, d.cfg.Log = true, slog.New(slog.DiscardHandler)
	}
	if d.cfg.Grace <= 0 {
		d.cfg.Grace = defaultGrace
	}
	if err := supported(); err != nil {
		return nil, loadError(ras.ErrNotSupported, err)
	}
	if _, ok := headers[d.cfg.Header]; !ok {
		return nil, loadError(ras.ErrInvalidParameter, fmt.Errorf("Config.Header is %d: use one of the Header constants", d.cfg.Header))
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, loadError(ras.ErrFileNotFound, err)
	}
	d.path, d.start = abs, d.startChild
	arch := runtime.GOARCH
	if d.cfg.Program != "" {
		img, err := inspectFile(d.cfg.Program)
		if err != nil {
			return nil, fmt.Errorf("the program for the child process: %w", err)
		}
		arch = img.Arch
	}
	if err := checkFile(abs, arch); err != nil {
		return nil, err
	}
	return d, nil
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
	case img.Decorated != "":
		return loadError(ras.ErrProcNotFound, fmt.Errorf("%s does not export %s but %s: build the DLL with a .def file that exports the undecorated name",
			path, entryPoint, img.Decorated))
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

const opLoad = "load DLL"

func loadError(code ras.Code, err error) error {
	return &ras.Error{Op: opLoad, Code: code, Err: err}
}

// missingImports returns the DLLs that the DLL at path needs, itself or by way of
// DLLs in its directory, and that neither that directory nor the system has, in
// the order in which they are found. system reports whether the system has a DLL
// of a name.
func missingImports(path string, system func(name string) bool) []string {
	var missing []string
	dir := filepath.Dir(path)
	seen := make(map[string]bool)
	for todo := []string{path}; len(todo) > 0; todo = todo[1:] {
		img, err := inspectFile(todo[0])
		if err != nil {
			continue
		}
		for _, name := range img.Imports {
			key := strings.ToLower(name)
			switch {
			case seen[key] || strings.HasPrefix(key, "api-ms-") || strings.HasPrefix(key, "ext-ms-"):
				// The last two are names for parts of Windows, not for files.
			default:
				file := filepath.Join(dir, name)
				if info, err := os.Stat(file); err == nil && !info.IsDir() {
					todo = append(todo, file)
				} else if !system(name) {
					missing = append(missing, name)
				}
			}
			seen[key] = true
		}
	}
	return missing
}

// Path returns the absolute path of the DLL.
func (d *DLL) Path() string { return d.path }

// Execute calls the DLL's RasCustomScriptExecute with the callbacks of call and
// returns when it has returned. User name, password and domain of call.Params
// are then those that the DLL has set, if it returned 0.
//
// An error of the DLL's own matches the ras.Code that it returned. If ctx or
// Config.Timeout ends, all callbacks fail with the code of the cause and the
// windows of the DLL get IDCANCEL, those that it opens afterwards included; a
// DLL that has still not returned after Config.Grace is ended with its process.
// A DLL that ends its process gives a *CrashError, which matches
// ras.ErrUnknown. Programs that the DLL has started are ended when Execute
// returns.
func (d *DLL) Execute(ctx context.Context, call *ras.Call) error {
	if d.noLog && call.Log != nil {
		own := *d
		own.cfg.Log = call.Log
		d = &own
	}
	if d.cfg.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, d.cfg.Timeout, &script.RunTimeoutError{Limit: d.cfg.Timeout})
		defer cancel()
		ctx = limited
	}
	j := &job{
		path: d.path, port: call.Port, phonebook: call.Phonebook, entry: call.Entry, window: uint64(d.cfg.Window), header: d.cfg.Header,
	}
	if call.Params != nil {
		j.params = *call.Params
	}
	p, err := d.start()
	if err != nil {
		return err
	}
	res, err := d.supervise(ctx, p, j, call)
	if err != nil {
		return err
	}
	if res.leaked > 0 {
		d.cfg.Log.Warn("the DLL did not free all its buffers", "dll", d.path, "buffers", res.leaked)
	}
	if res.damaged > 0 {
		d.cfg.Log.Warn("the DLL wrote past the end of buffers", "dll", d.path, "buffers", res.damaged)
	}

	// A DLL that returns 0 although its run was ended has not succeeded.
	cause := context.Cause(ctx)
	switch {
	case res.code != ras.Success:
		if cause == nil && res.code == ras.ErrInvalidSize {
			cause = fmt.Errorf("%s: if the DLL expects another size of RASDIALPARAMS, set Config.Header to the Windows that it was made for", res.code.Text())
		}
		if cause == nil && !res.code.Known() { // any code of winerror.h, whose texts Windows has
			cause = systemText(res.code)
		}
		return &ras.Error{Op: entryPoint, Code: res.code, Err: cause}
	case cause != nil:
		return &ras.Error{Op: entryPoint, Code: endCode(ctx), Err: ras.ContextError(ctx)}
	}
	if call.Params != nil {
		call.Params.UserName, call.Params.Password, call.Params.Domain = res.userName, res.password, res.domain
	}
	return nil
}
