package dll

import "sync/atomic"

// mainCalled notes that this program can run as the child process.
var mainCalled atomic.Bool

// Main lets the program run as the child process in which a DLL runs. Call it
// first in main, before flags are read and files are opened, and in TestMain
// first as well:
//
//	func main() {
//		dll.Main()
//		…
//	}
//
// In a process that Execute has started it runs the DLL and does not return. In
// all others, and on systems other than Windows, it does nothing. Execute
// refuses to start a child of a program that has not called it, which would
// only run the program a second time.
func Main() {
	mainCalled.Store(true)
	childMain()
}
