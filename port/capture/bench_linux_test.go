package capture_test

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/echo"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
)

// answering gives back what it reads until its port ends.
func answering(far io.ReadWriter) {
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		far.Write(buf[:n])
	}
}

func roundTrips(tb testing.TB, p io.ReadWriter, text, buf []byte, n int) time.Duration {
	tb.Helper()
	start := time.Now()
	for range n {
		if _, err := p.Write(text); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(p, buf); err != nil {
			tb.Fatal(err)
		}
	}
	return time.Since(start)
}

// BenchmarkRecord sends a line and awaits it back through a recorded Serial and
// through the same one without the recording, in turns so that both see the same
// machine and the same pseudo-terminal, and reports the time of the one as a multiple
// of the other's, without a secret, with one and with several.
//
// A turn masks and writes what it has recorded before it ends, on its own
// goroutine, so that it pays for all of its recording and for nothing of another
// turn's. It is short, a few milliseconds, so that the turn after it finds the
// processors and the threads as it did; the multiple is the median of those of all
// turns.
func BenchmarkRecord(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkRecord(b) })
	b.Run("secret", func(b *testing.B) { benchmarkRecord(b, "hunter22") })
	b.Run("secrets of 4, 8, 12 and 64 bytes", func(b *testing.B) {
		benchmarkRecord(b, echo.Secrets[0], echo.Secrets[1], echo.Secrets[2], echo.Secrets[5])
	})
}

func benchmarkRecord(b *testing.B, secrets ...string) {
	far, bare := openPTY(b)
	w, err := capture.NewWriter(io.Discard, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	recorded := capture.Record(bare, w)
	for _, secret := range secrets {
		recorded.(port.Hider).Hide(secret)
	}
	go answering(far)
	text, buf := []byte("login: guest\r"), make([]byte, 13)
	const turn = 500
	var times, ratios []float64 // of the turns
	round := func(n int) {
		start := time.Now()
		roundTrips(b, recorded, text, buf, n)
		w.Drain()
		with := time.Since(start)
		without := roundTrips(b, bare, text, buf, n)
		times = append(times, float64(with)/float64(n))
		ratios = append(ratios, float64(with)/float64(without))
	}
	round(turn)
	times, ratios = times[:0], ratios[:0]
	b.ReportAllocs()
	b.ResetTimer()
	for n := b.N; n > 0; n -= turn {
		round(min(n, turn))
	}
	b.ReportMetric(median(ratios), "of-unrecorded")
	b.ReportMetric(median(times), "ns/round-trip")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkRecordStream reads a stream at full speed.
func BenchmarkRecordStream(b *testing.B) {
	far, s := openPTY(b)
	p := record(b, s, nil)
	piece := make([]byte, 1<<16)
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		go far.Write(piece)
		if _, err := io.ReadFull(p, piece); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	far, s := openPTY(t)
	p := record(t, s, nil)
	text, buf := []byte("login: guest\r"), make([]byte, 13)
	round := func() {
		far.Write(text)
		if _, err := io.ReadFull(p, buf); err != nil {
			t.Fatal(err)
		}
		p.Write(text)
		if _, err := io.ReadFull(far, buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 20000 { // until the memory of the queues has its size
		round()
	}
	// The timer's function allocates nothing either; AllocsPerRun rounds down
	// what the runtime itself does now and then.
	if got := testing.AllocsPerRun(20000, round); got != 0 {
		t.Errorf("%v allocations for two reads and two writes, want 0", got)
	}
}
