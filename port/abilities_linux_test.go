package port_test

import (
	"errors"
	"net"
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

func TestAbilitiesOf(t *testing.T) {
	terminal := port.AbilityMode | port.AbilityDrain | port.AbilityQueued | port.AbilityDetach
	all := port.AbilityMode | port.AbilityLines | port.AbilityBreak | port.AbilitySetBreak | port.AbilityDrain | port.AbilityStats | port.AbilityQueued
	far, s := newPair(t, nil)
	pipe, _ := stdioPair(t)
	conn, other := net.Pipe()
	defer conn.Close()
	defer other.Close()
	a, _ := virtual.Pair()
	bare, _ := virtual.Pair(virtual.NoLines())
	for _, tt := range []struct {
		name string
		p    port.Port
		want port.Abilities
	}{
		{"a pseudo-terminal", s, terminal},
		{"its master", far, terminal},
		{"two pipes", pipe, port.AbilityDrain | port.AbilityQueued},
		{"a connection", conn, 0},
		{"a stream", port.FromStream(conn, "x"), 0},
		{"a virtual port", a, all},
		{"one without lines", bare, all &^ port.AbilityLines},
	} {
		if got := port.AbilitiesOf(tt.p); got != tt.want {
			t.Errorf("%s: %v; want %v", tt.name, got, tt.want)
		}
	}
	if got := (port.AbilityMode | port.AbilityDetach).String(); got != "mode, detach" {
		t.Errorf("String is %q", got)
	}
	if got := port.Abilities(0).String(); got != "none" {
		t.Errorf("String of nothing is %q", got)
	}
}

func TestDrainIsNotFooledByClose(t *testing.T) {
	_, s := newPair(t, nil)
	if err := port.DrainWhileClosing(s); !errors.Is(err, net.ErrClosed) {
		t.Errorf("drain of a port whose output Close discarded: %v, want %v", err, net.ErrClosed)
	}
}
