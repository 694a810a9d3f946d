package port_test

import (
	"errors"
	"net"
	"testing"

	"github.com/rasline/rasline/port"
)

func TestDrainIsNotFooledByClose(t *testing.T) {
	_, s := newPair(t, nil)
	if err := port.DrainWhileClosing(s); !errors.Is(err, net.ErrClosed) {
		t.Errorf("drain of a port whose output Close discarded: %v, want %v", err, net.ErrClosed)
	}
}
