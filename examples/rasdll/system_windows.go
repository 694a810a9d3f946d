package main

import (
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// parametersKey is where RAS finds CustomScriptDllPath, and this DLL
// ScriptDirectory.
const parametersKey = `System\CurrentControlSet\Services\Rasman\Parameters`

// registryDir returns the folder of the value ScriptDirectory (REG_SZ or
// REG_EXPAND_SZ), or nothing.
func registryDir() string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, parametersKey, registry.QUERY_VALUE)
	if err != nil {
		return ""
	}
	defer k.Close()
	dir, kind, err := k.GetStringValue("ScriptDirectory")
	if err != nil {
		return ""
	}
	if kind == registry.EXPAND_SZ {
		if full, err := registry.ExpandString(dir); err == nil {
			return full
		}
	}
	return dir
}

// debugOutput shows the log to debuggers and to programs such as DebugView. A
// DLL has no standard error.
type debugOutput struct{}

var outputDebugString = windows.NewLazySystemDLL("kernel32.dll").NewProc("OutputDebugStringW")

func (debugOutput) Write(b []byte) (int, error) {
	text, err := windows.UTF16PtrFromString("rasline: " + string(b))
	if err != nil {
		return 0, err
	}
	outputDebugString.Call(uintptr(unsafe.Pointer(text)))
	return len(b), nil
}
