package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A step is what a scanner reports after a byte.
type step struct {
	hits          string
	need, pending int
}

func stepOf(sc *Scanner, ok bool) step {
	s := step{need: sc.Need(), pending: sc.Pending()}
	if ok {
		s.hits = fmt.Sprint(sc.Hits())
	}
	return s
}

// checkSteps compares scans of pieces with one byte by byte, in which the filter
// passes over nothing, and that with the texts themselves. The state counts too:
// after a match the caller may continue with other bytes.
func checkSteps(t *testing.T, rng *rand.Rand, p []Pattern, in string) {
	t.Helper()
	s := mustCompile(t, p)
	var sc Scanner
	sc.Reset(s, false)
	want := []step{stepOf(&sc, false)}
	for i := range len(in) {
		_, ok := sc.Scan([]byte(in[i : i+1]))
		want = append(want, stepOf(&sc, ok))
		var hits []int
		for k := range p {
			if endsWith(in[:i+1], p[k]) {
				hits = append(hits, k)
			}
		}
		if ok != (len(hits) > 0) || ok && !slices.Equal(sc.Hits(), hits) {
			t.Fatalf("%+v in %q: at byte %d %v completed, want %v", p, in, i+1, sc.Hits(), hits)
		}
	}
	cuts := [][]string{{in}}
	for range 4 {
		cuts = append(cuts, pieces(rng, in))
	}
	for i := range min(len(in), 80) {
		cuts = append(cuts, []string{in[:i], in[i:]})
	}
	for _, cut := range cuts {
		sc.Reset(s, false)
		at := 0
		for _, piece := range cut {
			for b := []byte(piece); len(b) > 0; {
				n, ok := sc.Scan(b)
				b = b[n:]
				for ; n > 1; n-- {
					if at++; want[at].hits != "" {
						t.Fatalf("%+v in %q: %s at byte %d was missed", p, cut, want[at].hits, at)
					}
				}
				at++
				if got := stepOf(&sc, ok); got != want[at] {
					t.Fatalf("%+v in %q: at byte %d %+v, want %+v", p, cut, at, got, want[at])
				}
			}
		}
	}
}

// TestFilterChangesNothing has texts that share parts, of few bytes and of all, and
// inputs made of them and of their parts.
func TestFilterChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var all []string
	for c := range 256 {
		all = append(all, string([]byte{byte(c)}))
	}
	alphabets := [][]string{all, {"a", "b"}, {"a", "A", "b", "B", "@", "`", "[", "{"}, {"\x00", "\xff", "\x80", "k", "K", "\xc4", "\xe4"}}
	for range 3000 {
		alphabet := alphabets[rng.IntN(len(alphabets))]
		shortest := 1 + rng.IntN(20)
		number := 1 + rng.IntN([]int{6, 40, 100}[rng.IntN(3)])
		var p []Pattern
		for folded := rng.IntN(3); len(p) < number; {
			text := randomText(rng, alphabet, shortest+rng.IntN(21-shortest))
			if len(p) > 0 && rng.IntN(3) == 0 {
				text += part(rng, p[rng.IntN(len(p))].Text)
			}
			p = append(p, Pattern{Text: text, Fold: folded == 1 || folded == 2 && rng.IntN(2) == 0})
		}
		in := ""
		for range rng.IntN(30) {
			switch text := p[rng.IntN(number)].Text; rng.IntN(3) {
			case 0:
				in += text
			case 1:
				in += part(rng, text)
			case 2:
				in += randomText(rng, alphabet, rng.IntN(40))
			}
		}
		checkSteps(t, rng, p, in)
	}
}

func part(rng *rand.Rand, s string) string {
	from := rng.IntN(len(s))
	return s[from : from+1+rng.IntN(len(s)-from)]
}

func FuzzManyTexts(f *testing.F) {
	f.Add([]byte("login: password: ok"), []byte{3, 4, 0x85}, "xx login: ", uint64(1))
	f.Fuzz(func(t *testing.T, texts, sizes []byte, in string, seed uint64) {
		if len(in) > 300 || len(texts) > 1000 || len(sizes) > 60 {
			return
		}
		var p []Pattern
		for rest := texts; len(p) < len(sizes) && len(rest) > 0; {
			size := sizes[len(p)]
			n := min(1+int(size)%20, len(rest))
			p = append(p, Pattern{Text: string(rest[:n]), Fold: size >= 0x80})
			rest = rest[n:]
		}
		checkSteps(t, rand.New(rand.NewPCG(seed, 0)), p, in+string(texts))
	})
}
