package dll

import (
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

const (
	wmCommand = 0x0111
	idCancel  = 2

	cancelEvery = 100 * time.Millisecond // how often a cancelled DLL is checked for new windows
)

var (
	user32      = windows.NewLazySystemDLL("user32.dll")
	enumWindows = user32.NewProc("EnumWindows")
	postMessage = user32.NewProc("PostMessageW")
)

// cancelWindows sends IDCANCEL once to every window of this process, which a
// script that shows a window has to handle, and to those that are opened later,
// whatever their threads; it does not return. Where there is no user32.dll there
// are no windows.
func cancelWindows() {
	if enumWindows.Find() != nil || postMessage.Find() != nil {
		return
	}
	told := make(map[windows.HWND]bool)
	each := syscall.NewCallback(func(window windows.HWND, _ uintptr) uintptr {
		var process uint32
		windows.GetWindowThreadProcessId(window, &process)
		if process == windows.GetCurrentProcessId() && !told[window] {
			told[window] = true
			postMessage.Call(uintptr(window), wmCommand, idCancel, 0)
		}
		return 1
	})
	for ; ; <-time.After(cancelEvery) {
		enumWindows.Call(each, 0)
	}
}
