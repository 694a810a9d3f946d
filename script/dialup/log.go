package dialup

import (
	"log/slog"

	"github.com/rasline/rasline/internal/tee"
)

// handler returns the handler for the log and the recording.
func (c *Config) handler() slog.Handler {
	var all tee.Handler
	if c.Log != nil {
		all = append(all, c.Log)
	}
	if c.Record != nil {
		all = append(all, c.Record.Handler())
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}
