//go:build unix

package main

import (
	"log/slog"
	"log/syslog"
)

// openSystemLog connects to the system's log. It returns nil if there is none.
func openSystemLog() (log func(level slog.Level, text string), end func()) {
	w, err := syslog.New(syslog.LOG_LOCAL2|syslog.LOG_INFO, "chat")
	if err != nil {
		return nil, func() {}
	}
	return func(level slog.Level, text string) {
		if level >= slog.LevelError {
			w.Err(text)
		} else {
			w.Info(text)
		}
	}, func() { w.Close() }
}
