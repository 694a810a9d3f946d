package lint

import "testing"

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":               "plain é",
		"caf\xE9":               "café",
		"a\tb\x1B[2Jc":          "a b [2Jc",
		"x\u0085y":              "x y",
		"a\u202eb\u200bc\ufeff": "a b c ",
		"\x9B":                  " ",
	} {
		if got := Plain(in, ""); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPlainKeepsWhatItIsToldTo(t *testing.T) {
	for in, want := range map[string]string{
		"\r\n a\r\n\tb \r\n": "\r\n a\r\n\tb \r\n",
		"\x1b[2J\x00\x7f\bx": " [2J   x",
		"gr\xfc\x9bn":        "gr\u00fc n",
	} {
		if got := Plain(in, "\r\n\t"); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "aBC\xC4Z[": "abc\xC4z["} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, ümlaut":    "plain text, ümlaut",
		"\x1b[2J\a\r":           `\x1b[2J\a\r`,
		"a\u00a0b\u202ec\ufeff": `a\u00a0b\u202ec\ufeff`,
		"\xff":                  `\xff`,
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}
