package switchinf

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// parseOne parses the value of an OK= line in a file of the kind.
func parseOne(t *testing.T, kind Kind, value string) response {
	t.Helper()
	p := newParser(kind, "x.inf")
	p.section = &section{Section: Section{Kind: kind}}
	l := line{text: "OK=" + value, marks: []mark{{0, place{line: 1, col: 1}}}}
	r := response{pattern: p.parsePattern(&l, len("OK="))}
	if p.hard > 0 {
		t.Fatalf("pattern %q: %v", value, p.found.Sorted())
	}
	return r
}

// fitsAt returns after how many bytes of in the pattern fits, or all but its
// ending does; 0 if it does not.
func fitsAt(r *response, in string) int {
	m := newMatcher(r)
	for i := range len(in) {
		if m.take(in[i], i+1) {
			return i + 1
		}
		if m.ready {
			return m.at
		}
	}
	return 0
}

// expression returns the regular expression of a pattern, built from its
// text, of which this test knows a few forms.
func expression(pieces []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, p := range pieces {
		switch {
		case p == "<?>":
			b.WriteString(`(?s:.)`)
		case strings.HasPrefix(p, "<match>"):
			text := strings.Trim(strings.TrimPrefix(p, "<match>"), `" `)
			b.WriteString(`(?s:.*?)` + strings.ReplaceAll(text, "<?>", "(?s:.)"))
		case p != "<ignore>":
			b.WriteString(p)
		}
	}
	return regexp.MustCompile(b.String())
}

func TestMatcherAgainstRegexps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	forms := []string{"a", "b", "ab", "<?>", `<match>"a"`, `<match> "ab"`, `<match>"a<?>b"`, `<match>"aab"`}
	for range 5000 {
		var pieces []string
		for range 1 + rng.IntN(4) {
			pieces = append(pieces, forms[rng.IntN(len(forms))])
		}
		if rng.IntN(3) == 0 {
			pieces = append(pieces, "<ignore>")
		}
		var in strings.Builder
		for range rng.IntN(12) {
			in.WriteByte("aabc"[rng.IntN(4)])
		}
		r, re := parseOne(t, KindSwitch, strings.Join(pieces, "")), expression(pieces)
		want := 0
		for end := in.Len(); end > 0; end-- {
			if re.MatchString(in.String()[:end]) {
				want = end
			}
		}
		if got := fitsAt(&r, in.String()); got != want {
			t.Fatalf("%q fits %q at %d, want %d (%v)", pieces, in.String(), got, want, re)
		}
	}
}

func TestIgnoreInsideAPatternOfModems(t *testing.T) {
	tests := []struct {
		pattern, in string
		want        int
	}{
		{`<ignore>/ARQ<ignore>`, "CONNECT 9600/ARQ/V32", 16},
		{`CONNECT<ignore>/ARQ<ignore>`, "NO CARRIER/ARQ", 0},
		{`<cr><lf>CONNECT <carrierbps>/ARQ`, "\r\nCONNECT 14400/ARQ", 19},
	}
	for _, tt := range tests {
		r := parseOne(t, KindModem, tt.pattern)
		if got := fitsAt(&r, tt.in); got != tt.want {
			t.Errorf("%q fits %q at %d, want %d", tt.pattern, tt.in, got, tt.want)
		}
	}
}

func TestEcho(t *testing.T) {
	tests := []struct{ command, in, want string }{
		{"", "abc", "abc"},
		{"ab\r", "ab\rx", "x"},
		{"ab\r", "ab\r\nx", "x"},
		{"ab\r", "ab\r\n\nx", "\nx"},
		{"ab\r", "ab\r\rx", "\rx"},
		{"a\rb\r", "a\r\nb\r\nx", "x"},
		{"a\r\n", "a\r\nx", "x"},
		{"a\r\n", "a\r\n\nx", "\nx"},
		{"ab", "ab\nx", "\nx"},
		{"abc", "abX abc", "X abc"},
		{"abc", "\nabc", "\nabc"},
	}
	for _, tt := range tests {
		var e echo
		e.reset()
		e.expect([]byte(tt.command), false)
		got := ""
		for i := range len(tt.in) {
			if !e.take(tt.in[i]) {
				got += tt.in[i : i+1]
			}
		}
		if got != tt.want {
			t.Errorf("command %q, received %q: %q is left, want %q", tt.command, tt.in, got, tt.want)
		}
	}
}

func TestBufferIsBounded(t *testing.T) {
	var b buffer
	for i := range 3 * maxBuffer {
		b.add(byte(i))
	}
	if b.total != 3*maxBuffer || cap(b.kept) > 2*maxBuffer {
		t.Errorf("total %d, room for %d bytes; want %d and at most %d", b.total, cap(b.kept), 3*maxBuffer, 2*maxBuffer)
	}
	last := fmt.Sprint(b.after(b.total - 3))
	if want := fmt.Sprint([]byte{253, 254, 255}); last != want {
		t.Errorf("the last three bytes are %s, want %s", last, want)
	}
	if got := len(b.after(0)); got > maxBuffer || got < maxBuffer/2 {
		t.Errorf("after(0) has %d bytes, want what is kept", got)
	}
}
