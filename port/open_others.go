//go:build !linux && !windows

package port

import "context"

func openDevice(ctx context.Context, name string, cfg *Config) (systemPort, error) {
	return openAdapter(ctx, name, cfg)
}
