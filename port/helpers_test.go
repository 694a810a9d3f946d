package port_test

import (
	"errors"
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

// runSuite runs the checks of the conformance suite in parallel, since most of
// their time is pauses.
func runSuite(t *testing.T, open func(t *testing.T) (a, b port.Port)) {
	t.Helper()
	t.Parallel()
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.Run(t, open)
		})
	}
}

// wantOp checks that err is an OpError of op that matches want.
func wantOp(t *testing.T, err error, op string, want error) {
	t.Helper()
	var o *port.OpError
	if !errors.As(err, &o) || o.Op != op || !errors.Is(err, want) {
		t.Fatalf("got error %v (%T), want an OpError of %q that matches %v", err, err, op, want)
	}
}
