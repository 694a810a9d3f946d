package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/rasline/rasline/internal/tee"
)

// maxLog is the size of the log file at which it becomes the older one.
const maxLog = 1 << 20

// logFile appends records to a file that other processes append to as well: each
// dialling program has its own copy of this DLL. A file that would exceed maxLog
// is renamed to PATH.old, of which there is one.
type logFile struct {
	mu   sync.Mutex // held while the file is open
	path string     // empty: no file
}

// Write implements io.Writer. A record that cannot be written is dropped: a
// script must not fail because of its log.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		return len(b), nil
	}
	if info, err := os.Stat(l.path); err == nil && info.Size()+int64(len(b)) > maxLog {
		os.Rename(l.path, l.path+".old") // fails while another process writes; the next record tries again
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(l.path), 0o700); err == nil {
			f, err = os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		}
	}
	if err != nil {
		return len(b), nil
	}
	f.Write(b)
	f.Close()
	return len(b), nil
}

// newLog returns the log of the DLL: the file gets all records and the debug
// output too; the event log gets those of errors.
func newLog(file, debug, events io.Writer) *slog.Logger {
	return slog.New(tee.Handler{
		slog.NewTextHandler(io.MultiWriter(file, debug), nil),
		slog.NewTextHandler(events, &slog.HandlerOptions{Level: slog.LevelError, ReplaceAttr: withoutTime}),
	})
}

// withoutTime omits the time, since the event log has its own.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}
