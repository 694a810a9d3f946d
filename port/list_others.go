//go:build !linux && !windows && !(darwin && cgo)

package port

import (
	"context"
	"path/filepath"
)

// Names of call-out devices: macOS; FreeBSD's UARTs and USB adapters;
// OpenBSD's.
var deviceGlobs = []string{"/dev/cu.*", "/dev/cuau[0-9]*", "/dev/cuaU[0-9]*", "/dev/cua[0-9][0-9]"}

// listDevices goes by the names alone: the library's lister opens devices on
// some systems and needs cgo on another.
func listDevices(ctx context.Context) ([]Info, error) {
	var ports []Info
	for _, glob := range deviceGlobs {
		names, err := filepath.Glob(glob)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if ext := filepath.Ext(name); ext == ".init" || ext == ".lock" { // FreeBSD's initial-state devices
				continue
			}
			ports = append(ports, Info{Name: name})
		}
	}
	return ports, nil
}
