package modem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
)

// recordedIaxmodem is a session with iaxmodem, recorded by TestRecordIaxmodem.
var recordedIaxmodem = filepath.Join("..", "..", "testdata", "captures", "iaxmodem.pcapng")

// iaxmodemSession brings a modem in, asks what it is and dials a number that it
// cannot reach.
func iaxmodemSession(t *testing.T, p port.Port) {
	t.Helper()
	cfg := &Config{DialTimeout: 2 * time.Second, HangUp: []Method{ATH}}
	_, err := script.Run(t.Context(), p, withModem(cfg, func(ctx context.Context, m *Modem) error {
		if err := m.Init(ctx, "ATZ", "ATE1V1Q0X4", "AT&C1&D2"); err != nil {
			return err
		}
		checkAnswer(ctx, t, m, "ATI3", "soft-switch.org")
		checkAnswer(ctx, t, m, "AT+FCLASS=?", "0,1,1.0")
		if id, err := m.Identify(ctx); err != nil || !strings.Contains(strings.Join(id.Info, " "), "soft-switch") {
			t.Errorf("identity %+v, %v; want the maker's site", id, err)
		}
		if r, err := m.Dial(ctx, "555-1234"); err == nil {
			t.Errorf("dialled: %+v; want a failure", r)
		}
		if r, err := m.HangUp(ctx); err != nil || r.Method != ATH {
			t.Errorf("hang-up: %+v, %v; want ATH", r, err)
		}
		return nil
	}), nil)
	if err != nil {
		t.Error(err)
	}
}

// TestRecordIaxmodem makes the recording that TestRecordedIaxmodem plays, if
// RASLINE_RECORD is set.
func TestRecordIaxmodem(t *testing.T) {
	if os.Getenv("RASLINE_RECORD") == "" {
		t.Skip("it writes a file of testdata: set RASLINE_RECORD for that")
	}
	p := startIaxmodem(t)
	f, err := os.Create(recordedIaxmodem)
	if err != nil {
		t.Fatal(err)
	}
	w, err := capture.NewWriter(f, &capture.Config{Name: "iaxmodem"})
	if err != nil {
		t.Fatal(err)
	}
	recorded := capture.Record(p, w)
	iaxmodemSession(t, recorded)
	recorded.Close()
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Error(err)
	}
}

// TestRecordedIaxmodem holds the recorded session again.
func TestRecordedIaxmodem(t *testing.T) {
	f, err := os.Open(recordedIaxmodem)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair(virtual.NoLines())
		defer near.Close()
		// At the recorded pace, since the session has pauses and limits.
		play := capture.Play(far, r, &capture.PlayConfig{Speed: 1})
		iaxmodemSession(t, near)
		near.Close()
		if err := play.Close(); err != nil {
			t.Error(err)
		}
	})
}
