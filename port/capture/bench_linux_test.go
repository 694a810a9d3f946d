package capture_test

import (
	"io"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
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
// through a bare one, on a pseudo-terminal each, in turns so that both see the
// same machine, and reports the time of the one as a multiple of the other's,
// without a secret and with one, which a second processor looks for meanwhile.
func BenchmarkRecord(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkRecord(b, "") })
	b.Run("secret", func(b *testing.B) { benchmarkRecord(b, "hunter22") })
}

func benchmarkRecord(b *testing.B, secret string) {
	farRecorded, s := openPTY(b)
	farBare, bare := openPTY(b)
	recorded := record(b, s, nil)
	recorded.(port.Hider).Hide(secret)
	go answering(farRecorded)
	go answering(farBare)
	text, buf := []byte("login: guest\r"), make([]byte, 13)
	const turn = 200
	roundTrips(b, recorded, text, buf, turn)
	roundTrips(b, bare, text, buf, turn)
	var with, without time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for n := b.N; n > 0; n -= turn {
		with += roundTrips(b, recorded, text, buf, min(n, turn))
		without += roundTrips(b, bare, text, buf, min(n, turn))
	}
	b.ReportMetric(float64(with)/float64(without), "of-unrecorded")
	b.ReportMetric(float64(with.Nanoseconds())/float64(b.N), "ns/round-trip")
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
