//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import "context"

// OpenAdapter is Open over the adapter, on whatever system.
func OpenAdapter(ctx context.Context, name string, cfg *Config) (*Serial, error) {
	if cfg == nil {
		cfg = new(Config)
	}
	s := &Serial{name: name}
	dev, err := openAdapter(ctx, name, cfg)
	if err != nil {
		return nil, s.fail("open", err)
	}
	s.dev = dev
	return s, nil
}
