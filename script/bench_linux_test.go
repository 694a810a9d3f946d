package script_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// The benchmarks here run on a kernel pseudo-terminal and report, besides their
// own figures, the ratio to a bare non-blocking descriptor that does the same
// work in the same run ("×bare"). The two take turns, so that the ratio holds when
// the machine's speed drifts, and the ratio is that of the medians of the turns:
// in a sum the few turns in which other work was scheduled outweigh the rest.

// terminal opens a pseudo-terminal: its peer as a Port of ours, its near end
// as a bare file, and our driver on the same path.
func terminal(b testing.TB) (far port.Port, name string) {
	b.Helper()
	pair, err := pty.Open(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { pair.Close() })
	return pair.Port, pair.Name
}

// bare opens the terminal without any code of ours.
func bare(b testing.TB, name string) *os.File {
	b.Helper()
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	b.Cleanup(func() { f.Close() })
	return f
}

// asks sends the prompt and reads the reply, again and again.
func asks(far port.Port) {
	buf, text := make([]byte, 100), []byte(prompt)
	for {
		if _, err := far.Write(text); err != nil {
			return
		}
		for n := 0; n < len(reply); {
			k, err := far.Read(buf)
			if err != nil {
				return
			}
			n += k
		}
	}
}

// bareAnswers answers n prompts with reads and writes alone.
func bareAnswers(b testing.TB, f *os.File, n int) {
	buf, text := make([]byte, 1500), []byte(reply)
	for range n {
		for got := 0; got < len(prompt); {
			k, err := f.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			got += k
		}
		if _, err := f.Write(text); err != nil {
			b.Fatal(err)
		}
	}
}

// median returns the middle one of the times of the turns.
func median(turns []time.Duration) float64 {
	slices.Sort(turns)
	return float64(turns[len(turns)/2])
}

// BenchmarkAnswer answers a prompt: receive, match, send. A turn is 500 answers.
func BenchmarkAnswer(b *testing.B) {
	const turn = 500
	far1, name1 := terminal(b)
	far2, name2 := terminal(b)
	f := bare(b, name1)
	p, err := port.Open(b.Context(), name2, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	go asks(far1)
	go asks(far2)
	var ours, theirs []time.Duration
	_, err = script.Run(b.Context(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		ours, theirs = make([]time.Duration, 0, b.N/turn+1), make([]time.Duration, 0, b.N/turn+1)
		b.ReportAllocs()
		b.ResetTimer()
		for done := 0; done < b.N; done += turn {
			n := min(turn, b.N-done)
			b.StopTimer()
			start := time.Now()
			bareAnswers(b, f, n)
			theirs = append(theirs, time.Since(start)/time.Duration(n))
			b.StartTimer()
			start = time.Now()
			if err := answers(ctx, d, n); err != nil {
				return err
			}
			ours = append(ours, time.Since(start)/time.Duration(n))
		}
		return nil
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(median(ours)/median(theirs), "×bare")
}

// sixteen texts that do not come, and the one that does.
var scanTexts = []string{"login:", "Password:", "NO CARRIER", "BUSY", "NO DIALTONE", "NO ANSWER", "VOICE", "ERROR",
	"Access denied", "Connection refused", "invalid", "goodbye", "timed out", "disconnect", "RING"}

const lastText = "Welcome to the end"

// BenchmarkScan reads 8 MiB of text from a terminal up to one that is last. A
// turn is one such text, so that a single iteration is a poor measure.
func BenchmarkScan(b *testing.B) {
	for _, bm := range []struct {
		name  string
		texts int
		fold  bool
	}{{"1", 1, false}, {"1fold", 1, true}, {"16", 16, false}, {"16fold", 16, true}} {
		b.Run(bm.name, func(b *testing.B) { benchmarkScan(b, scanPatterns(bm.texts, bm.fold)) })
	}
}

func scanPatterns(n int, fold bool) (p []script.Pattern) {
	for _, t := range append(scanTexts[:n-1:n-1], lastText) {
		if fold {
			p = append(p, script.Fold(t))
		} else {
			p = append(p, script.Text(t))
		}
	}
	return p
}

var scanBlock = bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, 0123456789 times.\r\n"), 1024)

const scanSize = 8 << 20

// talks sends the text whenever it is told to.
func talks(far port.Port, now <-chan struct{}) {
	for range now {
		for sent := 0; sent < scanSize; sent += len(scanBlock) {
			if _, err := far.Write(scanBlock); err != nil {
				return
			}
		}
		io.WriteString(far, lastText)
	}
}

func benchmarkScan(b *testing.B, patterns []script.Pattern) {
	far, name := terminal(b)
	f := bare(b, name)
	now := make(chan struct{})
	go talks(far, now)
	defer close(now)
	bareRun := func() time.Duration {
		start := time.Now()
		now <- struct{}{}
		bareScan(b, f)
		return time.Since(start)
	}
	bareRun()
	p, err := port.Open(b.Context(), name, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.SetBytes(scanSize)
	var ours, theirs []time.Duration
	_, err = script.Run(b.Context(), p, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, nil)
		b.ResetTimer()
		for range b.N {
			b.StopTimer()
			theirs = append(theirs, bareRun())
			b.StartTimer()
			start := time.Now()
			now <- struct{}{}
			if m, err := d.WaitFor(ctx, time.Minute, patterns...); err != nil || !bytes.EqualFold(m.Text, []byte(lastText)) {
				b.Errorf("found %q, %v", m.Text, err)
				return err
			}
			ours = append(ours, time.Since(start))
		}
		return nil
	}), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(median(theirs)/median(ours), "×bare-rate")
}

// bareScan reads until the last text has come, which it knows by counting.
func bareScan(b *testing.B, f *os.File) {
	total := (scanSize+len(scanBlock)-1)/len(scanBlock)*len(scanBlock) + len(lastText)
	buf := make([]byte, 4096)
	for n := 0; n < total; {
		k, err := f.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		n += k
	}
}
