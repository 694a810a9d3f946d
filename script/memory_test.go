package script_test

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/script"
)

// TestBeforeIsWhole holds that Before and Text are whole, or bounded exactly,
// however the stream is cut.
func TestBeforeIsWhole(t *testing.T) {
	const size = 10_000
	stream := strings.Repeat("0123456789", size/10) + "> "
	for _, piece := range []int{1, 7, 64, 100, 1000, 1500, 4000, size + 2} {
		onBench(t, func(b *bench) {
			d := script.NewDialog(b.call, nil)
			bounded := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: 1003})
			go func() {
				for range 2 {
					for rest := stream; len(rest) > 0; {
						n := min(piece, len(rest))
						b.far.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
				}
			}()
			m, err := d.WaitFor(b.Context(), time.Hour, script.Text("> "))
			if err != nil || string(m.Before) != stream[:size] || m.Lost != 0 {
				b.Errorf("pieces of %d: Before has %d bytes, %d lost (%v), want %d", piece, len(m.Before), m.Lost, err, size)
			}
			m, err = bounded.WaitFor(b.Context(), time.Hour, script.Text("> "))
			if err != nil || string(m.Before) != stream[size-1003:size] || m.Lost != size-1003 {
				b.Errorf("pieces of %d: Before is %d bytes, %d lost (%v), want the last 1003", piece, len(m.Before), m.Lost, err)
			}
		})
	}
}

// TestTextIsWhole holds that the Text of a regular expression is its match, or
// an error, whatever its length.
func TestTextIsWhole(t *testing.T) {
	table := regexp.MustCompile(`(?s)BEGIN.*?END\r\n`)
	rows := "BEGIN\r\n" + strings.Repeat("row\r\n", 2000) + "END\r\n"
	onBench(t, func(b *bench) {
		go b.far.Write([]byte(rows + "x" + rows + "y"))
		b.finds(script.NewDialog(b.call, nil), 0, "", rows, script.Regexp(table))
		d := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: 5000})
		b.finds(d, 0, "", "x", script.Text("x"))
		_, err := d.WaitFor(b.Context(), time.Hour, script.Regexp(table))
		var long *script.MatchTooLongError
		if !errors.As(err, &long) || long.MaxBefore != 5000 {
			b.Errorf("a match longer than MaxBefore: %v", err)
		}
		b.finds(d, 0, "", "y", script.Text("y"))
	})
}

// TestMaxBefore holds that a Before has MaxBefore bytes at most, for limits from the
// smallest to the largest, and that a Text is whole or refused.
func TestMaxBefore(t *testing.T) {
	for _, most := range []int{-1, 0, 1, 2, 3, 100, 64 << 10, math.MaxInt} {
		for _, p := range []script.Pattern{script.Text("end"), script.Fold("END"), script.Regexp(regexp.MustCompile(`e.d`))} {
			for _, size := range []int{0, 1, 99, 101, 63 << 10, 64<<10 + 99, 130 << 10} {
				onBench(t, func(b *bench) {
					d := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: most})
					text := make([]byte, size)
					for i := range text {
						text[i] = byte('0' + i%10)
					}
					go b.far.Write(append(text, "end"...))
					m, err := d.WaitFor(b.Context(), time.Minute, p)
					kept := most
					if most <= 0 {
						kept = 1 << 20
					}
					var tooLong *script.MatchTooLongError
					if kept < 3 {
						if !errors.As(err, &tooLong) {
							b.Errorf("MaxBefore %d: a Text of 3 bytes: %v", most, err)
						}
						return
					}
					want := text[max(0, size-kept):]
					if err != nil || !bytes.Equal(m.Before, want) || string(m.Text) != "end" || m.Lost != int64(size-len(want)) {
						b.Errorf("MaxBefore %d, %v after %d bytes: %d bytes before, text %q, lost %d, %v", most, p, size, len(m.Before), m.Text, m.Lost, err)
					}
				})
			}
		}
	}
}

// TestMemoryIsGivenBack holds that a Dialog gives back what long waits have taken,
// also those inside a watch, when the next wait begins.
func TestMemoryIsGivenBack(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	onBench(t, func(b *bench) {
		const size = 8 << 20
		d := script.NewDialog(b.call, &script.DialogConfig{MaxBefore: size})
		text := append(bytes.Repeat([]byte("x"), size), '.')
		w := d.Watch(script.Text("!"), func(script.Match) error {
			_, err := d.WaitFor(b.Context(), time.Hour, script.Text("."))
			return err
		})
		before := heap()
		go func() {
			b.far.Write([]byte("!"))
			b.far.Write(text)
			b.far.Write([]byte(":"))
		}()
		b.finds(d, 0, "!", ":", script.Text(":"))
		w.Stop()
		b.farSends("next")
		b.finds(d, 0, "", "next", script.Text("next"))
		if grown := heap() - before; grown > 1<<20 {
			b.Errorf("%d KiB are kept", grown>>10)
		}
		runtime.KeepAlive(text)
		runtime.KeepAlive(d)
	})
}

// heap returns the bytes that are in use after what pools keep is freed.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
