package rfc2217_test

import (
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

func TestClientConforms(t *testing.T) {
	porttest.TestPort(t, func(t *testing.T) (a, b port.Port) {
		return remote(t, nil)
	})
}
