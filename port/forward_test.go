package port_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// TestForwardHasEveryAbility calls every method of a Forward around a port that
// has none.
func TestForwardHasEveryAbility(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	f := port.Forward{Port: near}
	if a := f.Abilities(); a != 0 {
		t.Errorf("abilities %v, want none", a)
	}
	if f.Interruptible() || f.Name() != "*net.pipe" {
		t.Errorf("interruptible %v, name %q", f.Interruptible(), f.Name())
	}
	f.Hide("text")
	v := reflect.ValueOf(f)
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		switch name {
		case "Read", "Write", "Close", "SetDeadline", "SetReadDeadline", "SetWriteDeadline", "Abilities", "Name", "Hide", "Interruptible", "Unsupported":
			continue
		}
		m := v.Method(i)
		args := make([]reflect.Value, m.Type().NumIn())
		for j := range args {
			if args[j] = reflect.Zero(m.Type().In(j)); m.Type().In(j) == reflect.TypeFor[context.Context]() {
				args[j] = reflect.ValueOf(t.Context())
			}
		}
		out := m.Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		var op *port.OpError
		if !errors.As(err, &op) || op.Port != "*net.pipe" || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: error %v, want an OpError that matches errors.ErrUnsupported", name, err)
		}
	}
}

// TestForwardKeepsAbilities has a port with abilities underneath.
func TestForwardKeepsAbilities(t *testing.T) {
	near, far := virtual.Pair(virtual.Names("near", "far"))
	defer far.Close()
	f := port.Forward{Port: near}
	if got, want := port.AbilitiesOf(f), port.AbilitiesOf(near); got != want || f.Name() != "near" || !f.Interruptible() {
		t.Errorf("abilities %v, want %v; name %q, interruptible %v", got, want, f.Name(), f.Interruptible())
	}
	if err := f.SetLines(port.DTR, 0); err != nil {
		t.Error(err)
	}
	if lines, err := far.Lines(); err != nil || lines.Has(port.DSR) {
		t.Errorf("the peer sees %v, %v; want DSR off", lines, err)
	}
}
