//go:build !linux && !windows

package port

import "context"

// openDevice is that of systems for which this package has no port of its own.
func openDevice(ctx context.Context, name string, cfg *Config) (systemPort, error) {
	return openAdapter(ctx, name, cfg)
}
