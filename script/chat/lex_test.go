package chat

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
)

func texts(words []word) []string {
	var out []string
	for _, w := range words {
		out = append(out, w.text)
	}
	return out
}

func TestFileWords(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      []string
	}{
		{"blanks and tabs part words", " a\t\tb  c \n", []string{"a", "b", "c"}},
		{"words run on from line to line", "ABORT\n\n BUSY\n''\n", []string{"ABORT", "BUSY", ""}},
		{"the last line needs no line end", "a b", []string{"a", "b"}},
		{"a comment begins in column 1", "#a b\nc #d\n #e\n", []string{"c", "#d", "#e"}},
		{"either quote", `'a b' "c d"`, []string{"a b", "c d"}},
		{"the other quote inside", `'a"b' "c'd"`, []string{`a"b`, `c'd`}},
		{"empty words", `'' ""`, []string{"", ""}},
		{"a quote inside a bare word is a byte", `AT+CGDCONT=1,"IP","x" y`, []string{`AT+CGDCONT=1,"IP","x"`, "y"}},
		{"it keeps no blank", `AT="I P"`, []string{`AT="I`, `P"`}},
		{"a word ends with its quote", `'abc'def`, []string{"abc", "def"}},
		{"and the next may begin at once", `'a''b'"c"`, []string{"a", "b", "c"}},
		{"a backslash keeps the quote, and stays", `"a\"b" 'c\'d\\'`, []string{`a\"b`, `c\'d\\`}},
		{"outside quotes it keeps no blank", `a\ b`, []string{`a\`, "b"}},
		{"a backslash before the line end", "a\\\nb", []string{`a\`, "b"}},
		{"CR before LF does not count", "a\r\n\r\nb\r\n", []string{"a", "b"}},
		{"CR elsewhere does", "a\rb\nc\r", []string{"a\rb", "c\r"}},
		{"form feed and high bytes do", "a\fb\v \xff\x80", []string{"a\fb\v", "\xff\x80"}},
		{"a NUL ends its line", "a\x00b c\nd", []string{"a", "d"}},
		{"a quote that is closed before a NUL", "'a' b\x00'", []string{"a", "b"}},
		{"a long line", strings.Repeat("x", 3000) + " y", []string{strings.Repeat("x", 3000), "y"}},
		{"nothing", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := newFindings("", tt.src)
			if got := texts(fileWords(lint.NewSource("", []byte(tt.src)), found)); !slices.Equal(got, tt.want) {
				t.Errorf("words of %q:\n got %q\nwant %q", tt.src, got, tt.want)
			}
			if n := found.Errors(); n != 0 {
				t.Errorf("%d errors: %v", n, found.Sorted())
			}
		})
	}
}

func TestUnterminatedQuote(t *testing.T) {
	src := "ABORT BUSY\n'' 'abc\n# fine\nOK \"x\\\"\nend ''\n"
	_, err := ParseFile("dial.chat", []byte(src))
	var parse *lint.ParseError
	if !errors.As(err, &parse) {
		t.Fatalf("error is %T %v, want a *lint.ParseError", err, err)
	}
	var got []string
	for _, f := range parse.Errors() {
		got = append(got, f.String())
	}
	want := []string{
		"dial.chat:2:4: error: unterminated quote (line 2): close it before the line ends",
		"dial.chat:4:4: error: unterminated quote (line 4): close it before the line ends",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings:\n got %q\nwant %q", got, want)
	}
	if !errors.Is(err, ras.ErrScriptSyntax) {
		t.Errorf("%v does not match ras.ErrScriptSyntax", err)
	}
	if want := "dial.chat:2:4: unterminated quote (line 2): close it before the line ends (and 1 more error)"; err.Error() != want {
		t.Errorf("message:\n got %q\nwant %q", err, want)
	}
}

func TestPairUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		words string
		want  string
	}{
		{"expect and send alternate", "a b c d", "expect a, send b, expect c, send d"},
		{"it may end with an expect", "a b c", "expect a, send b, expect c"},
		{"a keyword takes a value", "ABORT x a b", "abort x, expect a, send b"},
		{"every keyword", "ABORT a CLR_ABORT b REPORT c CLR_REPORT d TIMEOUT e ECHO f HANGUP g SAY h",
			"abort a, clrabort b, report c, clrreport d, timeout e, echo f, hangup g, say h"},
		{"a keyword in the place of a send is sent", "a ABORT OK", "expect a, send ABORT, expect OK"},
		{"a keyword as a value", "ABORT ABORT ABORT x", "abort ABORT, abort x"},
		{"case matters", "Abort x", "expect Abort, send x"},
		{"EOT and BREAK are no keywords", "EOT BREAK", "expect EOT, send BREAK"},
		{"a keyword without value does nothing", "a b ABORT", "expect a, send b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(pairUp(argumentWords(strings.Fields(tt.words)))); got != tt.want {
				t.Errorf("steps of %q:\n got %s\nwant %s", tt.words, got, tt.want)
			}
		})
	}
}

func describe(steps []step) string {
	names := []string{"expect", "send", "abort", "clrabort", "report", "clrreport", "timeout", "echo", "hangup", "say"}
	var out []string
	for _, s := range steps {
		out = append(out, names[s.kind]+" "+s.word.text)
	}
	return strings.Join(out, ", ")
}

// FuzzParseFile checks that a file gives words that a file can give back: no
// word is lost, made up or put elsewhere.
func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"ABORT BUSY\n'' ATZ\nOK 'AT \\'D\\''\r\n#x\n", "'a\nb' \"", "a\x00b\\", "\x00", "'' @/x -a-b \\-c", "\xff'\\",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		found := newFindings("", string(src))
		words := fileWords(lint.NewSource("", src), found)
		for _, w := range words {
			checkPlace(t, src, w)
		}
		s, err := ParseFile("f", src)
		utf16 := bytes.Count(src, []byte{0}) > len(src)/3 || bytes.HasPrefix(src, []byte{0xFF, 0xFE}) || bytes.HasPrefix(src, []byte{0xFE, 0xFF})
		if (err == nil) != (s != nil) || (err == nil) != (found.Errors() == 0) && !utf16 {
			t.Fatalf("script %v, error %v, %d errors found", s != nil, err, found.Errors())
		}
		again := fileWords(lint.NewSource("", []byte(quoteAll(words))), newFindings("", ""))
		if got, want := texts(again), texts(words); !slices.Equal(got, want) {
			t.Errorf("words written again:\n got %q\nwant %q", got, want)
		}
	})
}

// checkPlace fails unless the word is at its place.
func checkPlace(t *testing.T, src []byte, w word) {
	t.Helper()
	lines := strings.Split(string(src), "\n")
	line := lines[w.line-1]
	rest := line[w.col-1:]
	if rest[0] == '\'' || rest[0] == '"' {
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, w.text) {
		t.Errorf("word %q is said to be at %d:%d, where there is %q", w.text, w.line, w.col, rest)
	}
}

// quoteAll writes words so that a file gives them back, each on its own line: in
// quotes where that keeps them, bare otherwise.
func quoteAll(words []word) string {
	var b strings.Builder
	for _, w := range words {
		switch text := w.text; {
		case text != "" && !strings.ContainsAny(text, " \t") && !strings.ContainsAny(text[:1], `'"`):
			b.WriteString(" " + text) // the blank makes # no comment
		case closes(text, '\''):
			b.WriteString(`"` + text + `"`)
		default:
			b.WriteString(`'` + text + `'`)
		}
		b.WriteString(" \n") // the blank keeps a CR from the line end
	}
	return b.String()
}

// closes reports whether the text would end early between such quotes, or not
// at all.
func closes(text string, quote byte) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
			if i == len(text) {
				return true
			}
		case quote:
			return true
		}
	}
	return false
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7": 7, "7x": 7, " 7": 7, "+4": 4, "-3": 0, "": 0, "x": 0, "0": 0, "-": 0, "2-3": 2,
		"99999999999999999999": maxSeconds,
	} {
		if got := seconds(text); got != want*time.Second {
			t.Errorf("seconds(%q) = %v, want %v", text, got, want*time.Second)
		}
	}
}
