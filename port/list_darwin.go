//go:build cgo

package port

import (
	"context"

	"go.bug.st/serial/enumerator"
)

// listDevices asks the I/O registry, which needs cgo.
func listDevices(context.Context) ([]Info, error) {
	found, err := enumerator.GetDetailedPortsList()
	if err != nil {
		return nil, err
	}
	ports := make([]Info, 0, len(found))
	for _, p := range found {
		ports = append(ports, Info{
			Name: p.Name, Description: p.Product,
			USB: p.IsUSB, VID: p.VID, PID: p.PID, Product: p.Product, SerialNumber: p.SerialNumber,
		})
	}
	return ports, nil
}
