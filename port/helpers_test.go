package port_test

import (
	"errors"
	"testing"
	"time"

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

// blocked calls f on a goroutine of its own and returns its result's channel
// once f has begun.
func blocked(f func() error) <-chan error {
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		close(begun)
		done <- f()
	}()
	<-begun
	return done
}

func wantSoon(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("still blocked after 5 seconds")
		return nil
	}
}
