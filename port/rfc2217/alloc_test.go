package rfc2217_test

import (
	"testing"
	"time"

	"github.com/rasline/rasline/port/rfc2217"
)

// TestAllocations shows that a write and a read in steady state allocate
// nothing, on either side, deadlines included.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	shared := newFastPort([]byte("answer\xff"))
	p := dial(t, serve(t, &rfc2217.Server{}, shared), nil)
	question := []byte("question\xff")
	answer := make([]byte, 7)
	n := testing.AllocsPerRun(500, func() {
		p.SetDeadline(time.Now().Add(limit))
		if _, err := p.Write(question); err != nil {
			t.Fatal(err)
		}
		shared.await(len(question))
		shared.send(len(answer))
		for got := 0; got < len(answer); {
			k, err := p.Read(answer[got:])
			if err != nil {
				t.Fatal(err)
			}
			got += k
		}
	})
	if n > 0 {
		t.Errorf("a write and a read take %v allocations, want 0", n)
	}
}
