package script_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rasline/rasline/script"
)

func TestWatches(t *testing.T) {
	busy := errors.New("line is busy")
	tests := []struct {
		name, input string
		wantErr     error
		wantSeen    string
	}{
		{"abort", "xxBUSY OK", busy, ""},
		{"awaited first", "OK BUSY", nil, ""},
		{"awaited on the same byte wins", "BUSY/OK", nil, ""},
		{"observed and awaited on the same byte", "REPORT OK", nil, "REPORT OK"},
		{"goes on after a watch", "RING\r\nRING\r\nOK", nil, "RING;RING;"},
		{"abort completes earlier", "BUSY/OK", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				d := script.NewDialog(b.call, nil)
				seen := ""
				d.Watch(script.Text("RING"), func(m script.Match) error { seen += string(m.Text) + ";"; return nil })
				d.Watch(script.Text("BUSY "), func(script.Match) error { return busy })
				d.Watch(script.Text("BUSY/OK"), func(script.Match) error { return busy })
				d.Observe(script.Text("REPORT OK"), func(m script.Match) { seen += string(m.Text) })
				b.farSends(tt.input)
				_, err := d.WaitFor(b.Context(), time.Minute, script.Text("OK"))
				if !errors.Is(err, tt.wantErr) || (err != nil) != (tt.wantErr != nil) || seen != tt.wantSeen {
					b.Errorf("got %v and saw %q; want %v and %q", err, seen, tt.wantErr, tt.wantSeen)
				}
			})
		})
	}
}

func TestWatchStop(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		n := 0
		var w *script.Watch
		w = d.Watch(script.Text("x"), func(script.Match) error { n++; w.Stop(); return nil })
		b.farSends("xxxOKxxxOK")
		b.finds(d, 0, "xxx", "OK", script.Text("OK"))
		b.finds(d, 0, "xxx", "OK", script.Text("OK"))
		if n != 1 {
			b.Errorf("called %d times after Stop, want once", n)
		}
	})
}

// TestWatchMayTakeWhatFollows has a watch take a byte out of the middle of a text,
// however the stream is cut: the wait continues with what follows.
func TestWatchMayTakeWhatFollows(t *testing.T) {
	const sent = "...abZX"
	for cut := 1; cut < len(sent); cut++ {
		for _, watch := range []string{"b", "ab"} {
			onBench(t, func(b *bench) {
				d := script.NewDialog(b.call, nil)
				d.Watch(script.Text(watch), func(script.Match) error {
					c, err := d.NextByte(b.Context(), time.Minute)
					if c != 'Z' {
						b.Errorf("the watch took %q, want Z", c)
					}
					return err
				})
				b.farSends(sent[:cut])
				time.AfterFunc(time.Second, func() { b.farSends(sent[cut:]) })
				b.finds(d, 0, "...", "abX", script.Text("abX"))
			})
		}
	}
}

func TestEmptyWatchFiresOnTheFirstByte(t *testing.T) {
	onBench(t, func(b *bench) {
		d := script.NewDialog(b.call, nil)
		stop := errors.New("stop")
		d.Watch(script.Text(""), func(script.Match) error { return stop })
		b.timesOut(d, time.Second, script.Text("OK"))
		b.farSends("xOK")
		if _, err := d.WaitFor(b.Context(), time.Second, script.Text("OK")); !errors.Is(err, stop) {
			b.Errorf("got %v", err)
		}
		b.finds(d, 0, "", "O", script.Text("O"))
	})
}
