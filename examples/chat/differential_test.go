//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

var (
	seed   = flag.Uint64("seed", 0, "seed of the random scripts; 0: the fixed ones, so that a failure is a change")
	random = flag.Bool("random", false, "use a seed that no run before had")
	cases  = flag.Int("cases", 200, "number of random scripts for each seed")
)

const together = 64 // cases at a time: most of their time is waiting

// TestDifferential runs random scripts on random peers, by this program and
// by chat(8), and compares what can be seen of them. The seeds are fixed: 200
// cases, 600 where peers are required, and 2,000 in the gate before a release,
// unless a flag asks for others.
func TestDifferential(t *testing.T) {
	needReference(t)
	program := build(t)
	seeds, n := []uint64{1}, *cases
	switch {
	case *random:
		seeds = []uint64{uint64(time.Now().UnixNano())}
	case *seed != 0:
		seeds = []uint64{*seed}
	case testing.Short():
		n = min(n, 40)
	case peertest.Long():
		seeds = []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	case peertest.Required():
		seeds = []uint64{1, 2, 3}
	}
	for _, s := range seeds {
		differential(t, program, s, n)
	}
}

// differential runs the first n cases of a seed.
func differential(t *testing.T, program string, seed uint64, n int) {
	t.Helper()
	t.Logf("seed %d: go test ./examples/chat -run TestDifferential -seed %d -cases %d", seed, seed, n)
	var mu sync.Mutex
	var again []uint64
	statuses := make(map[int]int)
	forEach(n, func(i uint64) {
		_, theirs, diff := compare(t, program, newPlay(seed, i))
		mu.Lock()
		defer mu.Unlock()
		statuses[theirs.status]++
		if diff != "" {
			again = append(again, i)
		}
	})
	agree := n - len(again)
	for _, i := range again {
		// A machine that is busy can miss a timeout of a second, of either
		// program. What is a difference of the programs is there every time.
		p := newPlay(seed, i)
		diff := "?"
		for range 4 {
			if diff == "" {
				break
			}
			_, _, diff = compare(t, program, p)
		}
		if diff != "" {
			t.Errorf("case %d of seed %d differs:\n%s", i, seed, describe(p, diff))
			continue
		}
		agree++
	}
	t.Logf("%d of %d cases agree (%d after a second run); exit statuses: %v", agree, n, agree-(n-len(again)), statuses)
}

// forEach calls f for 0 to n-1, several at a time.
func forEach(n int, f func(i uint64)) {
	work := make(chan uint64)
	var workers sync.WaitGroup
	for range together {
		workers.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range n {
		work <- uint64(i)
	}
	close(work)
	workers.Wait()
}

// compare runs a play by both programs concurrently, and describes what differs.
func compare(t *testing.T, program string, p *play) (ours, theirs seen, diff string) {
	t.Helper()
	var both sync.WaitGroup
	var ourErr, theirErr error
	both.Go(func() { ours, ourErr = perform(context.Background(), t, program, p) })
	both.Go(func() { theirs, theirErr = perform(context.Background(), t, reference, p) })
	both.Wait()
	if ourErr != nil || theirErr != nil {
		return ours, theirs, fmt.Sprintf("cannot run: ours %v, theirs %v", ourErr, theirErr)
	}
	return ours, theirs, difference(p, ours, theirs)
}

func difference(p *play, ours, theirs seen) string {
	ourLeft, theirLeft := ours.left, theirs.left
	if p.strip {
		ourLeft, theirLeft = strip(ourLeft), strip(theirLeft)
	}
	var out []string
	for _, f := range []struct {
		what         string
		ours, theirs any
	}{
		{"exit status", ours.status, theirs.status},
		{"sent", ours.sent, theirs.sent},
		{"left unread", ourLeft, theirLeft},
		{"standard error", reportsFirst(ours.stderr), reportsFirst(theirs.stderr)},
		{"report", ours.report, theirs.report},
		{"terminal", ours.broken, theirs.broken},
	} {
		if f.ours != f.theirs {
			out = append(out, fmt.Sprintf("%s:\n\tours   %#v\n\tchat(8) %#v", f.what, f.ours, f.theirs))
		}
	}
	if ours.broken != "" {
		out = append(out, ours.broken)
	}
	return strings.Join(out, "\n")
}

// strip clears the high bits of s.
func strip(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] &= 0x7F
	}
	return string(b)
}

var reportLine = regexp.MustCompile(`chat:  STAMP [^\n]*\n`)

// reportsFirst moves the reports on the standard error before the echo, each in
// its order. A report can be ahead of the echo of its last bytes, which the mask
// holds back while a secret can begin with them.
func reportsFirst(stderr string) string {
	return strings.Join(reportLine.FindAllString(stderr, -1), "") + reportLine.ReplaceAllString(stderr, "")
}

func describe(p *play, diff string) string {
	return fmt.Sprintf("arguments %q\nfile %q (CR LF %t), to send %q\npeer %q then %q, signal %v\n%s", p.args, p.file, p.crlf, p.sub, p.first, p.replys, p.signal, diff)
}
