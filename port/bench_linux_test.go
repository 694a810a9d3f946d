package port_test

import (
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// bareTTY opens a terminal as a Serial does it, but is nothing but an os.File.
func bareTTY(tb testing.TB, name string) *os.File {
	tb.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	tb.Cleanup(func() { f.Close() })
	return f
}

// echo gives back what it reads until its port ends.
func echo(far io.ReadWriter) {
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		far.Write(buf[:n])
	}
}

// pingPong sends size bytes and awaits them back, n times.
func pingPong(tb testing.TB, p io.ReadWriter, size, n int) time.Duration {
	tb.Helper()
	buf := make([]byte, size)
	start := time.Now()
	for range n {
		if _, err := p.Write(buf); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(p, buf); err != nil {
			tb.Fatal(err)
		}
	}
	return time.Since(start)
}

// BenchmarkPingPong answers a peer through a Serial and through a bare
// os.File on a pseudo-terminal each, in turns so that both see the same
// machine, and reports the time of the one as a multiple of the other's.
func BenchmarkPingPong(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"16B", 16}, {"1KiB", 1024}} {
		b.Run(size.name, func(b *testing.B) {
			ours, theirs := newPTY(b), newPTY(b)
			s := openSerial(b, ours.Name, nil)
			bare := bareTTY(b, theirs.Name)
			go echo(ours.Port)
			go echo(theirs.Port)
			const turn = 200
			var serial, file time.Duration
			b.ReportAllocs()
			for n := b.N; n > 0; n -= turn {
				serial += pingPong(b, s, size.bytes, min(n, turn))
				file += pingPong(b, bare, size.bytes, min(n, turn))
			}
			b.ReportMetric(float64(serial)/float64(file), "of-os.File")
			b.ReportMetric(float64(serial.Nanoseconds())/float64(b.N), "ns/ping")
		})
	}
}

// BenchmarkRead reads a stream of MiB at full speed.
func BenchmarkRead(b *testing.B) {
	ours, theirs := newPTY(b), newPTY(b)
	s := openSerial(b, ours.Name, nil)
	bare := bareTTY(b, theirs.Name)
	const piece = 1 << 20
	read := func(p io.Reader, far port.Port) time.Duration {
		start := time.Now()
		go far.Write(make([]byte, piece))
		if _, err := io.ReadFull(p, make([]byte, piece)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var serial, file time.Duration
	for b.Loop() {
		serial += read(s, ours.Port)
		file += read(bare, theirs.Port)
	}
	b.ReportMetric(float64(serial)/float64(file), "of-os.File")
	b.ReportMetric(float64(b.N)/serial.Seconds(), "MiB/s")
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	far, s := newPair(t, nil)
	buf := make([]byte, 16)
	got := testing.AllocsPerRun(100, func() {
		far.Write(buf)
		if _, err := io.ReadFull(s, buf); err != nil {
			t.Fatal(err)
		}
		s.Write(buf)
		if _, err := io.ReadFull(far, buf); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for two reads and two writes, want 0", got)
	}
}

// TestManyOpenPorts prints what an open port with a Read on it costs.
func TestManyOpenPorts(t *testing.T) {
	const ports = 500
	before := residentKiB(t)
	for range ports {
		_, s := newPair(t, nil)
		go s.Read(make([]byte, 16))
	}
	far, s := newPair(t, nil) // the others are blocked by the time it has worked
	far.Write([]byte("x"))
	if _, err := s.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	each := float64(residentKiB(t)-before) / ports
	threads := countThreads(t)
	t.Logf("%d pairs with a Read each: %.1f KiB of resident memory a pair, %d threads", ports, each, threads)
	if each > 16 || threads > 40 {
		t.Errorf("%.1f KiB a pair and %d threads, want at most 16 KiB and 40", each, threads)
	}
}

func countThreads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skipf("no procfs: %v", err)
	}
	return len(tasks)
}

func residentKiB(t *testing.T) int {
	t.Helper()
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no procfs: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
