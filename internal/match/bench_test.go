package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var prompts = []string{
	"login:", "username:", "password:", "passcode:", "CONNECT", "NO CARRIER", "NO DIALTONE", "BUSY\r",
	"NO ANSWER", "ERROR", "Login incorrect", "PPP>", "annex:", "~\xff}#", "slip address", "protocol:",
}

// prose is text as a login server sends it, in which no prompt occurs.
func prose(n int) []byte {
	const letters = "eeetttaaoinshrdlu etaoinshrdlu cfgkmpvwy ETAOINSHR ,.0123\r\n"
	rng := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return b
}

func BenchmarkScan(b *testing.B) {
	const size = 1 << 20
	rare := prose(size)
	same := []byte(strings.Repeat("a", size))
	almost := []byte(strings.Repeat("aab", size/3))
	for _, fold := range []bool{false, true} {
		for _, n := range []int{1, 16} {
			hostile := texts(fold, "aaaaaaaab", "aabab", "aaaac", "aabaac", "aabaabaad")[:min(n, 5)]
			bench(b, fmt.Sprintf("texts=%d/fold=%v/rare", n, fold), texts(fold, prompts[:n]...), rare)
			bench(b, fmt.Sprintf("texts=%d/fold=%v/same", n, fold), hostile, same)
			bench(b, fmt.Sprintf("texts=%d/fold=%v/almost", n, fold), hostile, almost)
		}
	}
	mixed := append(texts(true, prompts[:8]...), texts(false, prompts[8:]...)...)
	bench(b, "texts=16/mixed/rare", mixed, rare)
	bench(b, "regexps=1/rare", []Pattern{{Re: regexp.MustCompile(`(?i)(login|username): ?`)}}, rare)
}

func bench(b *testing.B, name string, p []Pattern, data []byte) {
	b.Run(name, func(b *testing.B) {
		s := mustCompile(b, p)
		var sc Scanner
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			sc.Reset(s, false)
			for i := 0; i < len(data); i += 4096 {
				if n, ok := sc.Scan(data[i:min(len(data), i+4096)]); ok {
					b.Fatalf("%v at byte %d", sc.Hits(), i+n)
				}
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1, 16} {
		p := texts(true, prompts[:n]...)
		b.Run(fmt.Sprintf("texts=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustCompile(b, p)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	data := []byte("Welcome\r\nlogin: jim\r\nPassword: ")
	tests := []struct {
		name     string
		patterns []Pattern
	}{
		{"one text", texts(false, "word:")},
		{"16 folded texts", texts(true, prompts...)},
		{"mixed", append(texts(true, "WORD:"), texts(false, "word:", ":")...)},
		{"regexp", append(res(`[a-z]+: `), texts(true, "WORD:")...)},
	}
	for _, tt := range tests {
		s := mustCompile(t, tt.patterns)
		var sc Scanner
		got := testing.AllocsPerRun(100, func() {
			sc.Reset(s, false)
			for b := data; len(b) > 0; {
				n, _ := sc.Scan(b)
				for _, h := range sc.Hits() {
					sc.Len(h)
				}
				sc.Need()
				b = b[n:]
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations in a wait, want 0", tt.name, got)
		}
	}
}
