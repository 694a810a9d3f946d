package rfc2217_test

import (
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
	"github.com/rasline/rasline/port/rfc2217"
)

// TestClientConforms runs the suite with our client at our server, which shares
// one end of a null-modem cable.
func TestClientConforms(t *testing.T) {
	porttest.TestPort(t, func(t *testing.T) (a, b port.Port) {
		return remote(t, &rfc2217.Config{AckTimeout: 3 * time.Second})
	})
}
