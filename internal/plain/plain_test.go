package plain

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":      "plain é",
		"caf\xE9":      "café",
		"a\tb\x1B[2Jc": "a b [2Jc",
		"x\u0085y":     "x y",
		"\x9B":         " ",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}
