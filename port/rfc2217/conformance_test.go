package rfc2217_test

import (
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/rfc2217"
)

// conforms runs the checks of the suite in parallel, since most of their time is
// pauses.
func conforms(t *testing.T, open func(t *testing.T) (a, b port.Port)) {
	t.Helper()
	t.Parallel()
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, open)
		})
	}
}

// TestClientConforms runs the suite with our client at our server, which shares
// one end of a null-modem cable.
func TestClientConforms(t *testing.T) {
	conforms(t, func(t *testing.T) (a, b port.Port) {
		return remote(t, &rfc2217.Config{AckTimeout: 3 * time.Second})
	})
}
