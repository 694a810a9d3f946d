package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A hit is what a scan reports at one byte.
type hit struct {
	end  int // bytes up to and including the one that completed
	hits []int
	lens []int
}

func (h hit) String() string { return fmt.Sprintf("byte %d: %v of length %v", h.end, h.hits, h.lens) }

func mustCompile(t testing.TB, p []Pattern) *Set {
	t.Helper()
	s, err := Compile(p)
	if err != nil {
		t.Fatalf("Compile(%v): %v", p, err)
	}
	return s
}

// scan returns all hits in pieces, and checks Need on the way.
func scan(t testing.TB, s *Set, pieces ...string) []hit {
	t.Helper()
	var sc Scanner
	sc.Reset(s, false)
	var all []hit
	base, quietUntil := 0, sc.Need()-1
	var read []byte
	for _, piece := range pieces {
		for b := []byte(piece); len(b) > 0; {
			n, ok := sc.Scan(b)
			if n < 1 || n > len(b) || !ok && n != len(b) {
				t.Fatalf("Scan(%q) = %d, %v", b, n, ok)
			}
			read = append(read, b[:n]...)
			b = b[n:]
			if over := sc.Over(); over > 0 {
				if !ok || over > 3 || over > len(read) {
					t.Fatalf("%d bytes too many were read of %q, a pattern completed: %v", over, read, ok)
				}
				b = append(slices.Clone(read[len(read)-over:]), b...)
				read = read[:len(read)-over]
			}
			base = len(read)
			if ok {
				h := hit{end: base, hits: slices.Clone(sc.Hits())}
				for _, i := range h.hits {
					h.lens = append(h.lens, sc.Len(i))
				}
				all = append(all, h)
				if read := base + sc.Over(); read <= quietUntil {
					t.Errorf("hit when byte %d was read, but Need said none before %d", read, quietUntil+1)
				}
			}
			quietUntil = base + sc.Need() - 1
		}
	}
	return all
}

func show(hits []hit) string {
	var b strings.Builder
	for _, h := range hits {
		fmt.Fprintln(&b, h)
	}
	return b.String()
}

func checkHits(t testing.TB, what string, got, want []hit) {
	t.Helper()
	if show(got) != show(want) {
		t.Errorf("%s: got\n%swant\n%s", what, show(got), show(want))
	}
}

func texts(fold bool, list ...string) []Pattern {
	var p []Pattern
	for _, s := range list {
		p = append(p, Pattern{Text: s, Fold: fold})
	}
	return p
}

func res(list ...string) []Pattern {
	var p []Pattern
	for _, s := range list {
		p = append(p, Pattern{Re: regexp.MustCompile(s)})
	}
	return p
}

func TestScan(t *testing.T) {
	tests := []struct {
		name     string
		patterns []Pattern
		in       string
		want     []hit
	}{
		{"one text", texts(false, "ogin:"), "Login: login:", []hit{{6, []int{0}, []int{5}}, {13, []int{0}, []int{5}}}},
		{"case counts", texts(false, "LOGIN"), "login", nil},
		{"folded", texts(true, "LoGin"), "lOgIN", []hit{{5, []int{0}, []int{5}}}},
		{"only ASCII letters fold", texts(true, "a@\xc4"), "A`\xc4 A@\xe4 a@\xc4", []hit{{11, []int{0}, []int{3}}}},
		{"overlap", texts(false, "aa"), "aaa", []hit{{2, []int{0}, []int{2}}, {3, []int{0}, []int{2}}}},
		{"suffixes end together", texts(false, "she", "he", "e", "hers"), "shers",
			[]hit{{3, []int{0, 1, 2}, []int{3, 2, 1}}, {5, []int{3}, []int{4}}}},
		{"the same text twice", texts(false, "x", "x"), "x", []hit{{1, []int{0, 1}, []int{1, 1}}}},
		{"folded beside exact", []Pattern{{Text: "OK"}, {Text: "ok", Fold: true}}, "ok OK",
			[]hit{{2, []int{1}, []int{2}}, {5, []int{0, 1}, []int{2, 2}}}},
		{"the empty text completes on every byte", texts(false, "", "b"), "ab",
			[]hit{{1, []int{0}, []int{0}}, {2, []int{0, 1}, []int{0, 1}}}},
		{"no patterns", nil, "anything", nil},
		{"all byte values", texts(false, "\x00\xff"), "\xff\x00\xff", []hit{{3, []int{0}, []int{2}}}},
		{"a regexp completes as early as it can", res("lo+"), "hello", []hit{{5, []int{0}, []int{2}}}},
		{"and on every byte on which it can", res("b+"), "abb", []hit{{2, []int{0}, []int{1}}, {3, []int{0}, []int{2}}}},
		{"from the leftmost start", res("a.*c"), "aabcc", []hit{{4, []int{0}, []int{4}}, {5, []int{0}, []int{5}}}},
		{"the start of the wait", res(`^a`, `\Ab`), "ab\na", []hit{{1, []int{0}, []int{1}}}},
		{"the start of a line", res(`(?m)^a`), "ba\na", []hit{{4, []int{0}, []int{1}}}},
		{"a rune completes with its last byte", res(`ä`, `(?i)Ä`), "xä", []hit{{3, []int{0, 1}, []int{2, 2}}}},
		{"a broken byte is U+FFFD", res(`\x{FFFD}`), "a\xff", []hit{{2, []int{0}, []int{1}}}},
		{"a broken rune shows by the next byte", res(`\x{FFFD}`), "\xe2\x82a", []hit{{1, []int{0}, []int{1}}, {2, []int{0}, []int{1}}}},
		{"nothing beyond the match is consumed", res(`>[^a-z]`), ">\xc3~\xff}#", []hit{{2, []int{0}, []int{2}}}},
		{"a text behind a broken rune", []Pattern{{Re: regexp.MustCompile(`\x{FFFD}`)}, {Text: "\xc3~"}, {Text: "\xc3"}}, "\xc3~",
			[]hit{{1, []int{2}, []int{1}}, {1, []int{0}, []int{1}}, {2, []int{1}, []int{2}}}},
		{"text and regexp", []Pattern{{Re: regexp.MustCompile("[0-9]+ ")}, {Text: "12 "}}, "a12 ",
			[]hit{{4, []int{0, 1}, []int{3, 3}}}},
	}
	for _, tt := range tests {
		s := mustCompile(t, tt.patterns)
		checkHits(t, tt.name, scan(t, s, tt.in), tt.want)
		checkHits(t, tt.name+", byte by byte", scan(t, s, strings.Split(tt.in, "")...), tt.want)
		for i := range tt.in {
			checkHits(t, fmt.Sprintf("%s, cut at %d", tt.name, i), scan(t, s, tt.in[:i], tt.in[i:]), tt.want)
		}
	}
}

func TestEmpty(t *testing.T) {
	tests := []struct {
		patterns []Pattern
		want     int
	}{
		{nil, -1},
		{texts(false, "a"), -1},
		{texts(true, "a", ""), 1},
		{res("a*"), 0},
		{res("a+", "^", "(?m)^"), 1},
		{append(res("a+", "b?"), texts(false, "")...), 1},
		{append(texts(false, ""), res("b?")...), 0},
	}
	for _, tt := range tests {
		if got := mustCompile(t, tt.patterns).Empty(); got != tt.want {
			t.Errorf("Empty of %v = %d, want %d", tt.patterns, got, tt.want)
		}
	}
}

func TestCompileRefusals(t *testing.T) {
	tests := []struct{ re, why string }{
		{`a$`, "no end"},
		{`a\z`, "no end"},
		{`(?m)a$`, `[\r\n]`},
		{`\bword`, "word"},
		{`wor\Bd`, "word"},
	}
	for _, tt := range tests {
		_, err := Compile(append(texts(false, "x"), res(tt.re)...))
		if err == nil || !strings.Contains(err.Error(), tt.why) || !strings.Contains(err.Error(), "pattern 2") {
			t.Errorf("Compile(%q) = %v, want an error on pattern 2 that mentions %q", tt.re, err, tt.why)
		}
	}
}

func TestNeed(t *testing.T) {
	tests := []struct {
		patterns []Pattern
		in       string
		want     int
	}{
		{texts(false, "login:"), "", 6},
		{texts(false, "login:"), "xlog", 3},
		{texts(false, "login:"), "login:", 6},
		{texts(false, "abcd", "bx"), "abc", 1},
		{texts(false, "abcdef", "bcx"), "abc", 1},
		{texts(false, "aab"), "aaaa", 1},
		{texts(false, ""), "aaaa", 1},
		{texts(true, "aab", "xyz"), "X", 2},
		{res("abc|xy"), "", 2},
		{res("abc|xyzzy"), "xyz", 2},
		{res("日本"), "", 2},
		{res(".."), "\xe2\x82", 1},
	}
	for _, tt := range tests {
		var sc Scanner
		sc.Reset(mustCompile(t, tt.patterns), false)
		for b := []byte(tt.in); len(b) > 0; {
			n, _ := sc.Scan(b)
			b = b[n:]
		}
		if got := sc.Need(); got != tt.want {
			t.Errorf("Need of %v after %q = %d, want %d", tt.patterns, tt.in, got, tt.want)
		}
	}
}

// TestExactNeedsNoNextByte holds that an exact scanner completes on the last
// byte that was scanned, also where that is not the end of a character.
func TestExactNeedsNoNextByte(t *testing.T) {
	for _, v := range []struct {
		re, in string
		want   int
	}{
		{`>[^a-z]`, ">\xc3~", 2},
		{`>[^a-z][^a-z]`, ">\xe2\x82~", 3},
		{`>ä`, ">\xc3\xa4~", 3},
		{`>.`, ">\xe2\x82\xac~", 2},
	} {
		var sc Scanner
		sc.Reset(mustCompile(t, res(v.re)), true)
		got := 0
		for i := range len(v.in) {
			if _, ok := sc.Scan([]byte(v.in[i : i+1])); ok {
				got = i + 1 - sc.Over()
				break
			}
		}
		if got != v.want || sc.Over() != 0 {
			t.Errorf("%s in %q completes at byte %d, with %d read beyond, want %d", v.re, v.in, got, sc.Over(), v.want)
		}
	}
}

func TestPOSIX(t *testing.T) {
	for _, v := range []struct {
		re   *regexp.Regexp
		in   string
		want bool
	}{
		{regexp.MustCompilePOSIX(`^login:`), "motd\r\nlogin:", true},
		{regexp.MustCompile(`^login:`), "motd\r\nlogin:", false},
		{regexp.MustCompile(`(?m)^login:`), "motd\r\nlogin:", true},
		{regexp.MustCompilePOSIX(`(^|x)[a-c]{2}[0-9]`), "\nab7", true},
		{regexp.MustCompile(`(^|x)[a-c]{2}[0-9]`), "\nab7", false},
		{regexp.MustCompilePOSIX(`a^`), "a\n", false},
	} {
		got := scan(t, mustCompile(t, []Pattern{{Re: v.re}}), v.in)
		if (len(got) > 0) != v.want {
			t.Errorf("%v in %q: %v, want a match: %v", v.re, v.in, got, v.want)
		}
	}
}

// TestLimits holds that patterns which would take too much are refused, and that
// memory is within what the package documents.
func TestLimits(t *testing.T) {
	for name, p := range map[string][]Pattern{
		"text":   {{Text: strings.Repeat("x", MaxText)}, {Text: "y"}},
		"regexp": res(strings.Repeat(`[a-z]{1,990}[0-9]`, 14)),
	} {
		if _, err := Compile(p); err == nil {
			t.Errorf("%s: more than the limit is accepted", name)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	english := strings.Split("etaoinshrdlucmfwypvbgkqjxz ETAOIN.,:;-", "")
	binary := make([]string, 256)
	for i := range binary {
		binary[i] = string([]byte{byte(i)})
	}
	for _, v := range []struct {
		why      string
		alphabet []string
		n, size  int
	}{
		{"one long text", english, 1, 400_000},
		{"one long text of any bytes", binary, 1, 100_000},
		{"many texts", english, 400, 10},
		{"many short texts of any bytes", binary, 20_000, 2},
		{"texts of 4 KiB", english, 16, 256},
		{"one text", english, 1, 10},
	} {
		var p []Pattern
		size := 0
		for range v.n {
			p = append(p, Pattern{Text: randomText(rng, v.alphabet, v.size), Fold: len(p)%2 == 1})
			size += v.size
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		set := mustCompile(t, p)
		runtime.ReadMemStats(&after)
		spent := int(after.TotalAlloc - before.TotalAlloc)
		runtime.GC()
		runtime.ReadMemStats(&after)
		kept := int(after.HeapAlloc) - int(before.HeapAlloc)
		runtime.KeepAlive(set)
		runtime.KeepAlive(p)
		if limit := 64<<10 + 64*size; kept > limit || spent > 4*limit {
			t.Errorf("%s: %d bytes of text keep %d bytes and take %d, want at most %d and %d", v.why, size, kept, spent, limit, 4*limit)
		}
	}
}
