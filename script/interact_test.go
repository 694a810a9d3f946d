package script_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
)

// TestInteractKeepsWhatWasTyped holds that keys which are typed while a session
// ends by Until are sent by it or by the next one. Run it with -race, too.
func TestInteractKeepsWhatWasTyped(t *testing.T) {
	for range 500 {
		onBench(t, func(b *bench) {
			user, terminal := virtual.Pair()
			defer user.Close()
			defer terminal.Close()
			d := script.NewDialog(b.call, nil)
			user.Write([]byte("abc"))
			go b.far.Write([]byte("bye"))
			if err := d.Interact(b.Context(), terminal, &script.InteractConfig{Until: []script.Pattern{script.Text("bye")}}); err != nil {
				b.Error(err)
			}
			user.Write([]byte("\x1d"))
			if err := d.Interact(b.Context(), terminal, nil); err != nil {
				b.Error(err)
			}
			b.farGets("abc")
		})
		if t.Failed() {
			return
		}
	}
}

// deaf is a terminal that accepts deadlines and ignores them. Its type cannot be
// compared.
type deaf struct {
	io.ReadWriter
	hook any
}

func (deaf) SetReadDeadline(time.Time) error { return nil }

// TestInteractOnADeafTerminal holds that Interact returns although the Read of
// the terminal cannot be ended.
func TestInteractOnADeafTerminal(t *testing.T) {
	onBench(t, func(b *bench) {
		user, terminal := virtual.Pair()
		defer user.Close()
		defer terminal.Close()
		d := script.NewDialog(b.call, nil)
		for range 2 {
			ctx, cancel := context.WithTimeout(b.Context(), time.Second)
			defer cancel()
			if err := d.Interact(ctx, deaf{terminal, func() {}}, nil); !errors.Is(err, context.DeadlineExceeded) {
				b.Error(err)
			}
		}
	})
}
