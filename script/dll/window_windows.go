package dll

import (
	"sync"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	wmCommand = 0x0111
	idCancel  = 2
)

var (
	user32            = windows.NewLazySystemDLL("user32.dll")
	enumThreadWindows = user32.NewProc("EnumThreadWindows")
	postMessage       = user32.NewProc("PostMessageW")
)

// cancelOne sends IDCANCEL to one window. A script that shows a window has to
// handle it.
var cancelOne = sync.OnceValue(func() uintptr {
	return syscall.NewCallback(func(window, _ uintptr) uintptr {
		postMessage.Call(window, wmCommand, idCancel, 0)
		return 1
	})
})

// cancelWindows sends IDCANCEL to the windows of the thread that runs the DLL.
// Where there is no user32.dll there are no windows.
func cancelWindows(thread uint32) {
	if enumThreadWindows.Find() != nil || postMessage.Find() != nil {
		return
	}
	enumThreadWindows.Call(uintptr(thread), cancelOne(), 0)
}
