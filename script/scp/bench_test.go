package scp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script"
)

// BenchmarkParse reads a script of 10,000 lines.
func BenchmarkParse(b *testing.B) {
	var s strings.Builder
	s.WriteString("proc main\ninteger n\n")
	for i := range 1666 {
		fmt.Fprintf(&s, "l%d: ; another round\n    waitfor \"ogin:\", matchcase then l%d until 30\n", i, i)
		fmt.Fprintf(&s, "    if $SUCCESS and n < 10 * (3 + 4) then\n        transmit \"guest^M\"\n        n = n + 1\n    endif\n")
	}
	s.WriteString("\nendproc\n")
	src := []byte(s.String())
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("b.scp", src); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(strings.Count(s.String(), "\n")), "lines/op")
}

// BenchmarkSteps runs a loop of 30,000 commands that never waits.
func BenchmarkSteps(b *testing.B) {
	prog, err := Parse("b.scp", []byte(body("integer n", "while n < 10000 do", "n = n + 1", "if n == 5000 then n = n + 1 endif", "endwhile")))
	if err != nil {
		b.Fatal(err)
	}
	near, far := virtual.Pair()
	defer far.Close()
	defer near.Close()
	for b.Loop() {
		if _, err := script.Run(b.Context(), near, prog, nil); err != nil {
			b.Fatal(err)
		}
	}
}
