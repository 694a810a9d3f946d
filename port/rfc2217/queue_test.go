package rfc2217

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/rasline/rasline/internal/telnet"
)

// TestQueueKeepsOrder has data and commands come in and go out in pieces of any
// size: every command keeps its place.
func TestQueueKeepsOrder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newQueue()
		var want, got []byte // a command is a byte above 127
		for len(want) < 5000 {
			fill(t, b, r, &want)
			for range r.IntN(8) {
				if tk, ok := poll(b); ok {
					got = append(got, consume(b, r, tk)...)
				}
			}
		}
		b.close()
		for {
			tk, ok := b.next()
			if !ok {
				break
			}
			got = append(got, consume(b, r, tk)...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: what went out differs from what came in", seed)
		}
	}
}

// fill puts a few bytes and commands in, and notes them in want.
func fill(t *testing.T, b *queue, r *rand.Rand, want *[]byte) {
	t.Helper()
	seg, err := b.room(context.Background(), r.IntN(4) == 0)
	if err != nil {
		t.Fatal(err)
	}
	w := 0
	for range r.IntN(4) {
		n := min(r.IntN(300), len(seg)-w)
		for i := range n {
			seg[w+i] = byte(len(*want)+i) & 0x7f
		}
		*want = append(*want, seg[w:w+n]...)
		b.add(n)
		w += n
		if c := byte(0x80 + r.IntN(100)); len(b.commands) < queueCommands && r.IntN(2) == 0 {
			b.command(context.Background(), command{kind: telnet.Sub, cmd: []byte{c}})
			*want = append(*want, c)
		}
	}
}

// poll is next without the wait.
func poll(b *queue) (entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first()
}

// consume does a entry, or a part of it.
func consume(b *queue, r *rand.Rand, t entry) []byte {
	if len(t.data) == 0 {
		return t.command.cmd
	}
	out := bytes.Clone(t.data[:1+r.IntN(len(t.data))])
	b.done(len(out))
	return out
}

func TestQueueOvertake(t *testing.T) {
	b := newQueue()
	put := func(text string) {
		seg, err := b.room(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		b.add(copy(seg, text))
	}
	put("dropped")
	b.command(t.Context(), command{cmd: []byte("kept")})
	put("dropped as well")
	if b.purgePending() {
		t.Error("purgePending without a purge")
	}
	b.requestPurge()
	if !b.purgePending() {
		t.Error("not purgePending by a purge")
	}
	b.command(t.Context(), command{cmd: []byte("purge")})
	put("new")
	b.close()
	var got []string
	for {
		tk, ok := b.next()
		if !ok {
			break
		}
		switch {
		case tk.purge:
			got = append(got, "on the spot")
		case len(tk.data) > 0:
			got = append(got, "data "+string(tk.data))
			b.done(len(tk.data))
		default:
			got = append(got, string(tk.command.cmd))
		}
	}
	want := []string{"on the spot", "kept", "purge", "data new"}
	if len(got) != len(want) {
		t.Fatalf("done: %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("done: %q, want %q", got, want)
			break
		}
	}
}

// TestQueueIsBounded fills an queue that nobody empties.
func TestQueueIsBounded(t *testing.T) {
	full, cancel := context.WithCancel(t.Context())
	cancel()
	b := newQueue()
	total := 0
	for {
		seg, err := b.room(full, true)
		if err != nil {
			break
		}
		b.add(len(seg))
		total += len(seg)
	}
	if total != queueBytes {
		t.Errorf("an queue takes %d bytes, want %d", total, queueBytes)
	}
	n := 0
	for b.command(full, command{}) == nil {
		n++
	}
	if n != queueCommands {
		t.Errorf("an queue takes %d commands, want %d", n, queueCommands)
	}
}
