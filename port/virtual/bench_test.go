package virtual_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
)

// TestNoAllocations covers what a session does for each buffer.
func TestNoAllocations(t *testing.T) {
	tests := []struct {
		name string
		opts []virtual.Option
	}{
		{"plain", nil},
		{"paced", []virtual.Option{virtual.LineSpeed(1 << 30)}},
		{"far", []virtual.Option{virtual.Delay(1)}},
		{"faulty", []virtual.Option{virtual.StrictModes(), virtual.Noise(1e-9)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := virtual.Pair(tt.opts...)
			buf := make([]byte, 100)
			allocs := testing.AllocsPerRun(200, func() {
				b.SetReadDeadline(time.Now().Add(time.Minute))
				a.Write(buf)
				io.ReadFull(b, buf)
			})
			if allocs != 0 {
				t.Errorf("a deadline, a Write and its Read take %v allocations, want 0", allocs)
			}
		})
	}
}

// BenchmarkAnswer sends a line and waits for its echo, between two goroutines.
func BenchmarkAnswer(b *testing.B) {
	pairs(b, func(b *testing.B, near, far port.Port) {
		go io.Copy(far, struct{ io.Reader }{far})
		buf := make([]byte, 32)
		b.ReportAllocs()
		for b.Loop() {
			near.Write(buf)
			io.ReadFull(near, buf)
		}
	})
}

// BenchmarkStream copies one way.
func BenchmarkStream(b *testing.B) {
	pairs(b, func(b *testing.B, near, far port.Port) {
		go io.Copy(io.Discard, struct{ io.Reader }{far})
		buf := make([]byte, 4096)
		b.SetBytes(int64(len(buf)))
		b.ReportAllocs()
		for b.Loop() {
			near.Write(buf)
		}
	})
}

// BenchmarkDeadline sets a deadline and reads a byte that is there already.
func BenchmarkDeadline(b *testing.B) {
	near, far := virtual.Pair()
	buf := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		near.Write(buf)
		far.SetReadDeadline(time.Now().Add(time.Minute))
		far.Read(buf)
	}
}

// pairs runs a benchmark on a virtual pair and, for comparison, on net.Pipe.
func pairs(b *testing.B, run func(b *testing.B, near, far port.Port)) {
	b.Run("virtual", func(b *testing.B) {
		near, far := virtual.Pair()
		defer near.Close()
		defer far.Close()
		run(b, near, far)
	})
	b.Run("net.Pipe", func(b *testing.B) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		run(b, near, far)
	})
}
