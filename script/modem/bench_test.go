package modem

import (
	"context"
	"testing"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scripttest"
)

func BenchmarkParseResult(b *testing.B) {
	for b.Loop() {
		if r, ok := ParseResult("CONNECT 33600/ARQ/V34/LAPM/V42BIS"); !ok || r.Rate != 33600 {
			b.Fatal(r)
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	near, far := virtual.Pair()
	defer near.Close()
	tm := scripttest.NewModem(far, nil)
	defer tm.Close()
	_, err := script.Run(b.Context(), near, withModem(&Config{Settle: -1}, func(ctx context.Context, m *Modem) error {
		if err := m.Sync(ctx); err != nil {
			return err
		}
		for b.Loop() {
			if _, err := m.Command(ctx, "ATI3"); err != nil {
				return err
			}
		}
		return nil
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
}
