package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said is what a program with package testing prints, cut to what matters.
const said = `noise
^=== RUN   TestA
    a_test.go:1: one
^=== RUN   TestA/x/y
    a_test.go:2: two
printed without an end^    --- PASS: TestA/x/y (0.00s)
^=== NAME  TestA
    a_test.go:3: three
^--- FAIL: TestA (0.01s)
^=== HOST pull it
^=== RUN   TestB
^--- SKIP: TestB (0.00s)
^=== RUN   TestC
    c_test.go:1: begins
^=== EXIT 2
`

func read(text string) (r *Results, requests []string) {
	r = NewResults()
	for line := range strings.SplitSeq(text, "\n") {
		if req := r.Line(line); req != "" {
			requests = append(requests, req)
		}
	}
	return r, requests
}

func TestResults(t *testing.T) {
	r, requests := read(strings.ReplaceAll(said, "^", mark))
	if want := []string{"pull it"}; !slices.Equal(requests, want) {
		t.Errorf("requests %q, want %q", requests, want)
	}
	if r.Exit != 2 {
		t.Errorf("exit status %d, want 2", r.Exit)
	}
	for i, want := range []struct{ name, outcome, output string }{
		{"TestA", "FAIL", "one|three|--- FAIL: TestA"},
		{"TestA/x/y", "PASS", "two|printed without an end|--- PASS: TestA/x/y"},
		{"TestB", "SKIP", "--- SKIP: TestB"},
		{"TestC", "", "begins"},
	} {
		got := r.Tests[i]
		if got.Name != want.name || got.Outcome != want.outcome {
			t.Errorf("test %d: %s %s, want %s %s", i, got.Name, got.Outcome, want.name, want.outcome)
		}
		for part := range strings.SplitSeq(want.output, "|") {
			if !strings.Contains(got.Output.String(), part) {
				t.Errorf("%s: output %q lacks %q", got.Name, got.Output.String(), part)
			}
		}
	}
	if got := names(r.Children("")); !slices.Equal(got, []string{"TestA", "TestB", "TestC"}) {
		t.Errorf("outermost tests %q", got)
	}
	if got := names(r.Children("TestA")); !slices.Equal(got, []string{"TestA/x/y"}) {
		t.Errorf("subtests of TestA %q", got)
	}
	if !strings.Contains(r.Rest.String(), "noise") {
		t.Errorf("the rest is %q, want the noise in it", r.Rest.String())
	}
}

func names(tests []*Test) (list []string) {
	for _, t := range tests {
		list = append(list, t.Name)
	}
	return list
}

func FuzzResults(f *testing.F) {
	f.Add(strings.ReplaceAll(said, "^", mark))
	f.Add(mark + "=== RUN \n" + mark + "--- PASS: \n" + mark + "=== NAME x\n" + mark)
	f.Fuzz(func(t *testing.T, text string) {
		r, _ := read(text)
		var count func(parent string) int
		count = func(parent string) (n int) {
			for _, c := range r.Children(parent) {
				n += 1 + count(c.Name)
			}
			return n
		}
		for _, g := range r.Tests {
			if len(g.Name) == 0 || strings.Contains(g.Name, "/") {
				return // a subtest may be named twice here, which no program does
			}
		}
		if n := count(""); n < len(r.Tests) {
			t.Errorf("%d of %d tests are in the tree", n, len(r.Tests))
		}
	})
}

func ExampleResults() {
	r := NewResults()
	for _, line := range []string{mark + "=== RUN   TestA", mark + "--- PASS: TestA (0.00s)", mark + "=== EXIT 0"} {
		r.Line(line)
	}
	for _, t := range r.Children("") {
		fmt.Println(t.Name, t.Outcome)
	}
	fmt.Println("status", r.Exit)
	// Output:
	// TestA PASS
	// status 0
}
