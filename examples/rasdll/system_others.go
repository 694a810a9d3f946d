//go:build !windows

package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

func scriptDirectory() string { return "" }

func systemLogs() (path string, debug, events io.Writer) { return "", io.Discard, io.Discard }

func entryScript(string, string, *bool) (bool, error) {
	return false, fmt.Errorf("phone books of Windows are on Windows and not on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
