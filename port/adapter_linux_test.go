//go:build linux && !ppc64

package port_test

import (
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

// TestAdapterSuite runs the conformance suite on the driver of other systems.
func TestAdapterSuite(t *testing.T) {
	porttest.TestPort(t, func(t *testing.T) (a, b port.Port) {
		p := newPTY(t)
		s, err := port.OpenAdapter(t.Context(), p.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return hungUp{Serial: s}, p.Port
	})
}
