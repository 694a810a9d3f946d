//go:build !unix

package main

import "log/slog"

// openSystemLog returns nil: there is no system log that a program could write
// to without being installed there.
func openSystemLog() (log func(level slog.Level, text string), close func()) {
	return nil, func() {}
}
