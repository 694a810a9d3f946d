package port_test

import (
	"errors"
	"testing"

	"github.com/rasline/rasline/port"
)

// wantOp checks that err is an OpError of op that matches want.
func wantOp(t *testing.T, err error, op string, want error) {
	t.Helper()
	var o *port.OpError
	if !errors.As(err, &o) || o.Op != op || !errors.Is(err, want) {
		t.Fatalf("got error %v (%T), want an OpError of %q that matches %v", err, err, op, want)
	}
}
