package scripttest

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
)

// A modem on a pseudo-terminal outlives the programs that use it one after the
// other; the last close of each hangs up its call.
func TestModemSurvivesReopening(t *testing.T) {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := NewModem(pair.Port, &ModemConfig{Dial: func(context.Context, string) Answer {
		a, _ := virtual.Pair()
		return Answer{Far: a, Connect: "CONNECT"}
	}})
	defer m.Close()
	for range 3 {
		f, err := os.OpenFile(pair.Name, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatalf("the terminal cannot be opened again: %v", err)
		}
		f.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(f, "ATE0DT1\r")
		const want = "ATE0DT1\r\r\nCONNECT\r\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(f, got); err != nil || string(got[len(got)-9:]) != "CONNECT\r\n" {
			t.Fatalf("got %q, %v, want a connection", got, err)
		}
		f.Close()
		for deadline := time.After(10 * time.Second); m.Connected(); {
			select {
			case <-deadline:
				t.Fatal("the call outlives the program")
			case <-time.After(time.Millisecond):
			}
		}
		m.post(func() { m.reset() })
	}
}
