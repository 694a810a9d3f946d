package wait_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/rasline/rasline/internal/wait"
)

// TestRing compares a Ring with a slice over random operations.
func TestRing(t *testing.T) {
	for _, r := range []wait.Ring{{Max: 1}, {Max: 7}, {Max: 7, Min: 2}, {Max: 64, Min: 3}, {Max: 5, Min: 100}} {
		rnd := rand.New(rand.NewPCG(uint64(r.Max), uint64(r.Min)))
		var want []byte
		next := byte(0)
		fresh := func(b []byte) []byte {
			for i := range b {
				next++
				b[i] = next
			}
			return b
		}
		for i := range 20_000 {
			switch rnd.IntN(6) {
			case 0:
				b := fresh(make([]byte, rnd.IntN(r.Max+2)))
				n := r.Put(b)
				if n != min(len(b), r.Max-len(want)) {
					t.Fatalf("step %d: Put of %d bytes into %d of %d took %d", i, len(b), len(want), r.Max, n)
				}
				want = append(want, b[:n]...)
			case 1:
				free := r.Free(rnd.IntN(4) == 0)
				if (free == nil) != (len(want) == r.Max) {
					t.Fatalf("step %d: Free returned %d bytes with %d of %d queued", i, len(free), len(want), r.Max)
				}
				// A part of the queue is taken while the memory is filled.
				k := rnd.IntN(len(want) + 1)
				r.Skip(k)
				want = want[k:]
				n := rnd.IntN(len(free) + 1)
				want = append(want, fresh(free[:n])...)
				r.Commit(n)
			case 2:
				b := make([]byte, rnd.IntN(r.Max+2))
				n := r.Take(b)
				if n != min(len(b), len(want)) || !bytes.Equal(b[:n], want[:n]) {
					t.Fatalf("step %d: Take returned %v of %v", i, b[:n], want)
				}
				want = want[n:]
			case 3:
				n := rnd.IntN(r.Max + 2)
				got := r.Peek(n)
				if len(got) > n || !bytes.HasPrefix(want, got) || len(got) == 0 && n > 0 && len(want) > 0 {
					t.Fatalf("step %d: Peek(%d) = %v of %v", i, n, got, want)
				}
			case 4:
				n := rnd.IntN(len(want) + 1)
				r.Skip(n)
				want = want[n:]
			case 5:
				n := rnd.IntN(len(want) + 1)
				r.Truncate(n)
				want = want[:n]
			}
			if r.Len() != len(want) || r.Room() != r.Max-len(want) {
				t.Fatalf("step %d: Len %d, Room %d; want %d, %d", i, r.Len(), r.Room(), len(want), r.Max-len(want))
			}
		}
	}
}

func TestRingAllocatesItsMemoryOnce(t *testing.T) {
	r := wait.Ring{Max: 64}
	b := make([]byte, 48)
	r.Put(b)
	if n := testing.AllocsPerRun(100, func() { r.Take(b); r.Put(b) }); n != 0 {
		t.Errorf("moving bytes takes %v allocations, want 0", n)
	}
}
