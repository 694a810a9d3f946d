package console

import (
	"os"

	"golang.org/x/sys/windows"
)

// oneKeyAtATime lets a program read each key of a console when it is typed,
// without echo; Ctrl-C still stops the program. Without keys it turns off the
// echo alone. The returned function restores the settings and discards what was
// typed and not read.
func oneKeyAtATime(f *os.File, keys bool) (restore func(), err error) {
	console := windows.Handle(f.Fd())
	var old uint32
	if err := windows.GetConsoleMode(console, &old); err != nil {
		return nil, err
	}
	changed := old &^ windows.ENABLE_ECHO_INPUT
	if keys {
		changed &^= windows.ENABLE_LINE_INPUT
	}
	if err := windows.SetConsoleMode(console, changed); err != nil {
		return nil, err
	}
	return func() {
		windows.FlushConsoleInputBuffer(console)
		windows.SetConsoleMode(console, old)
	}, nil
}

// columns returns the width of a console, or 0.
func columns(f *os.File) int {
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info) != nil {
		return 0
	}
	return int(info.Window.Right-info.Window.Left) + 1
}
