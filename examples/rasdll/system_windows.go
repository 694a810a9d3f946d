package main

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/eventlog"
)

// parametersKey is where RAS finds CustomScriptDllPath, and this DLL
// ScriptDirectory and LogFile.
const parametersKey = `System\CurrentControlSet\Services\Rasman\Parameters`

// setting returns a value of parametersKey (REG_SZ or REG_EXPAND_SZ), and whether
// there is one.
func setting(name string) (text string, ok bool) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, parametersKey, registry.QUERY_VALUE)
	if err != nil {
		return "", false
	}
	defer k.Close()
	text, kind, err := k.GetStringValue(name)
	if err != nil {
		return "", false
	}
	if kind == registry.EXPAND_SZ {
		if full, err := registry.ExpandString(text); err == nil {
			return full, true
		}
	}
	return text, true
}

func scriptDirectory() string {
	dir, _ := setting("ScriptDirectory")
	return dir
}

// systemLogs returns the path of the log file, and what writes to debuggers and to the
// application log.
func systemLogs() (path string, debug, events io.Writer) {
	openEvents := sync.OnceValues(func() (*eventlog.Log, error) { return eventlog.Open("rasline") })
	return logPath(), debugWriter{}, eventWriter{openEvents}
}

// logPath returns the path of the log file: the value LogFile, where an empty one
// means no file, or rasline\rasline.log under the local application data of the
// user who dials, or under ProgramData for a service.
func logPath() string {
	if path, ok := setting("LogFile"); ok {
		return path
	}
	folder := windows.FOLDERID_LocalAppData
	var session uint32
	if err := windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &session); err == nil && session == 0 {
		folder = windows.FOLDERID_ProgramData // services, and nothing else, are in session 0
	}
	dir, err := windows.KnownFolderPath(folder, windows.KF_FLAG_DEFAULT)
	if err != nil {
		if dir = os.Getenv("ProgramData"); dir == "" {
			return ""
		}
	}
	return filepath.Join(dir, "rasline", "rasline.log")
}

// debugWriter shows the log to debuggers and to programs such as DebugView.
type debugWriter struct{}

var outputDebugString = windows.NewLazySystemDLL("kernel32.dll").NewProc("OutputDebugStringW")

func (debugWriter) Write(b []byte) (int, error) {
	text, err := windows.UTF16PtrFromString("rasline: " + string(b))
	if err != nil {
		return 0, err
	}
	outputDebugString.Call(uintptr(unsafe.Pointer(text)))
	return len(b), nil
}

// eventWriter writes records to the application log as errors of the source
// "rasline".
type eventWriter struct{ open func() (*eventlog.Log, error) }

// eventID is the one event. EventCreate.exe, which the README registers for the
// source, has texts for 1 to 1000.
const eventID = 1

func (w eventWriter) Write(b []byte) (int, error) {
	if log, err := w.open(); err == nil {
		log.Error(eventID, string(b))
	}
	return len(b), nil
}
