package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"
)

// naive finds the hits by looking at every prefix of in.
func naive(p []Pattern, in string) []hit {
	var all []hit
	ref := make([]*regexp.Regexp, len(p))
	for i := range p {
		if p[i].Re != nil {
			tree, err := syntax.Parse(p[i].Re.String(), syntax.Perl) // closes an open \Q
			if err != nil {
				panic(err)
			}
			ref[i] = regexp.MustCompile(`\A(?s:.*?)(` + tree.String() + `)\z`)
		}
	}
	// By bytes read: a regular expression may be known to have matched only when
	// later bytes were read, and those are then read again.
	for read := 1; read <= len(in); read++ {
		for end := 1; end <= read; end++ {
			h := hit{end: end}
			for i := range p {
				var n int
				var ok bool
				if ref[i] == nil {
					n, ok = len(p[i].Text), end == read && endsWith(in[:end], p[i])
				} else if boundary(in[:read], end) && !boundary(in[:read-1], end) {
					if m := ref[i].FindStringSubmatchIndex(in[:end]); m != nil {
						n, ok = end-m[2], true
					}
				}
				if ok {
					h.hits, h.lens = append(h.hits, i), append(h.lens, n)
				}
			}
			if len(h.hits) > 0 {
				all = append(all, h)
			}
		}
	}
	return all
}

func endsWith(in string, p Pattern) bool {
	if p.Fold && len(p.Text) <= len(in) {
		return lower(in[len(in)-len(p.Text):]) == lower(p.Text)
	}
	return strings.HasSuffix(in, p.Text)
}

// boundary reports whether a character of in is known to end at end.
func boundary(in string, end int) bool {
	at := 0
	for at < end && utf8.FullRuneInString(in[at:]) {
		_, size := utf8.DecodeRuneInString(in[at:])
		at += size
	}
	return at == end
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = foldByte(c, true)
	}
	return string(b)
}

func randomText(rng *rand.Rand, alphabet []string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(alphabet[rng.IntN(len(alphabet))])
	}
	return b.String()
}

// pieces cuts in at random places.
func pieces(rng *rand.Rand, in string) []string {
	var cut []string
	for len(in) > 0 {
		n := 1 + rng.IntN(len(in))
		cut = append(cut, in[:n])
		in = in[n:]
	}
	return cut
}

func TestTextsAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "A", "\xff"}
	for range 1000 {
		var p []Pattern
		shortest := rng.IntN(4)
		for range 1 + rng.IntN(5) {
			text := randomText(rng, alphabet[:1+rng.IntN(4)], shortest+rng.IntN(5))
			p = append(p, Pattern{Text: text, Fold: rng.IntN(3) == 0})
		}
		in := randomText(rng, append(alphabet, ".", "c"), rng.IntN(60))
		compare(t, rng, p, in)
	}
}

// TestManyTextsAgainstNaive has texts of many lengths in long inputs, in which
// the filter has something to skip.
func TestManyTextsAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	alphabet := strings.Split("abcdefghijklmnopqrstuvwxyzABCD", "")
	for _, n := range []int{1, 2, 5, 16, 33, 65} {
		for shortest := range 12 {
			var p []Pattern
			var in strings.Builder
			for i := range n {
				text := randomText(rng, alphabet, shortest+1+rng.IntN(4))
				p = append(p, Pattern{Text: text, Fold: shortest%2 == 0 || i%3 == 0 && shortest%3 == 0})
			}
			for range 20 {
				planted := p[rng.IntN(n)].Text
				in.WriteString(randomText(rng, alphabet, rng.IntN(50)))
				in.WriteString(planted[:1+rng.IntN(len(planted))])
				in.WriteString(planted)
			}
			compare(t, rng, p, in.String())
		}
	}
}

func compare(t testing.TB, rng *rand.Rand, p []Pattern, in string) {
	t.Helper()
	s := mustCompile(t, p)
	want := naive(p, in)
	for _, cut := range [][]string{{in}, pieces(rng, in)} {
		if got := scan(t, s, cut...); show(got) != show(want) {
			checkHits(t, fmt.Sprintf("%+v in %q", p, cut), got, want)
		}
	}
}

func TestRegexpsAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	atoms := []string{"a", "b", "[ab]", "[^a]", ".", "ä", "(?i:a)", "(?s:.)", "^", "(?m:^)", `\x{FFFD}`, `\n`}
	alphabet := []string{"a", "b", "A", "ä", "\n", "\xc3", "\xe2\x82", "\xff", "€"}
	for range 1000 {
		var p []Pattern
		for range 1 + rng.IntN(3) {
			p = append(p, Pattern{Re: regexp.MustCompile(randomRegexp(rng, atoms, 3))})
		}
		if rng.IntN(2) == 0 {
			p = append(p, Pattern{Text: randomText(rng, alphabet, rng.IntN(3))})
		}
		compare(t, rng, p, randomText(rng, alphabet, rng.IntN(12)))
	}
}

func randomRegexp(rng *rand.Rand, atoms []string, depth int) string {
	if depth == 0 {
		return atoms[rng.IntN(len(atoms))]
	}
	x, y := randomRegexp(rng, atoms, depth-1), randomRegexp(rng, atoms, depth-1)
	switch rng.IntN(6) {
	case 0:
		return "(?:" + x + "|" + y + ")"
	case 1:
		return "(?:" + x + ")*" + y
	case 2:
		return "(?:" + x + ")+?" + y
	case 3:
		return "(?:" + x + "){1,2}"
	}
	return x + y
}

func FuzzTexts(f *testing.F) {
	f.Add("login:", "ogin", "in", true, "xLogin: login:", uint64(3))
	f.Add("aaaa", "aab", "", false, "aaaaaaaab", uint64(5))
	f.Fuzz(func(t *testing.T, a, b, c string, fold bool, in string, seed uint64) {
		if len(in) > 300 {
			return
		}
		compare(t, rand.New(rand.NewPCG(seed, 0)), []Pattern{{Text: a}, {Text: b, Fold: fold}, {Text: c, Fold: fold}}, in)
		compare(t, rand.New(rand.NewPCG(seed, 1)), []Pattern{{Text: a, Fold: fold}}, in)
	})
}

func FuzzRegexps(f *testing.F) {
	f.Add("lo+g", "^a|b", "xloog\xe2\x82", uint64(3))
	f.Add(`\Q`, `a\Qb`, "ab", uint64(5))
	f.Add("(?m)^a*[^b]", "(?i)ä.", "aaa\nÄ\xff", uint64(4))
	f.Fuzz(func(t *testing.T, a, b, in string, seed uint64) {
		if len(in) > 200 || len(a) > 50 || len(b) > 50 {
			return
		}
		var p []Pattern
		for _, expr := range []string{a, b} {
			if re, err := regexp.Compile(expr); err == nil {
				p = append(p, Pattern{Re: re})
			}
		}
		if _, err := Compile(p); err != nil {
			return
		}
		compare(t, rand.New(rand.NewPCG(seed, 0)), p, in)
	})
}
