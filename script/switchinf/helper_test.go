package switchinf_test

import (
	"io"
	"log/slog"
)

// debugLog returns a logger that writes everything to w.
func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
