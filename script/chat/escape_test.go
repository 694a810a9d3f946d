package chat

import (
	"strings"
	"testing"
)

func lookup(name string) (string, bool) {
	v, ok := map[string]string{"A": "12", "_b": "und", "1x": "one", "Q": `q\r`, "P": `\d\c`, "D": "x-y"}[name]
	return v, ok
}

// The rows of the table of escapes, and what the program does with them.
func TestExpectEscapes(t *testing.T) {
	for _, tt := range []struct {
		name, word, want string
		env              env
	}{
		{name: "named control characters", word: `\b\n\r\s\t`, want: "\b\n\r \t"},
		{name: "backslash", word: `a\\b`, want: `a\b`},
		{name: "letters that act in sends only", word: `\c\d\p\K\N`, want: "cdpKN"},
		{name: "q vanishes", word: `a\qb`, want: "ab"},
		{name: "T and U stay as they are", word: `\T\U`, want: `\T\U`},
		{name: "octal of one to three digits", word: `\1\12\1018`, want: "\x01\nA8"},
		{name: "octal 0 vanishes", word: `a\0\000b`, want: "ab"},
		{name: "low 8 bits of octal", word: `\777\400x`, want: "\xffx"},
		{name: "8 is no octal digit", word: `\8`, want: "8"},
		{name: "dollar and dash", word: `\$\-`, want: "$-"},
		{name: "any other byte", word: `\x\?\'`, want: "x?'"},
		{name: "a backslash at the end vanishes", word: `a\`, want: "a"},
		{name: "circumflex", word: `^M^m^^^?^\x`, want: "\r\r\x1e\x1f\x1cx"},
		{name: "NUL from a circumflex vanishes", word: "^@x^ y^`", want: "xy"},
		{name: "circumflex at the end", word: `a^`, want: "a^"},
		{name: "dollar without environment", word: `a$A`, want: "a$A"},
		{name: "variables", word: `a$A-$_b$1x`, want: "a12-undone", env: lookup},
		{name: "unset variable", word: `a$none.`, want: "a.", env: lookup},
		{name: "dollar without a name", word: `a$-$`, want: "a-", env: lookup},
		{name: "protected dollar", word: `\$A`, want: "$A", env: lookup},
		{name: "a value is not read for escapes", word: `$Q`, want: `q\r`, env: lookup},
		{name: "high bytes", word: "\xe4", want: "\xe4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := expectText(tt.word, tt.env); got != tt.want {
				t.Errorf("expectText(%q) = %q, want %q", tt.word, got, tt.want)
			}
		})
	}
}

// transcript shows the parts of a send in one line.
func transcript(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.data)
		b.WriteString(map[action]string{actionPause: "<1s>", actionShortPause: "<short>", actionBreak: "<break>"}[p.action])
	}
	return b.String()
}

func TestSendEscapes(t *testing.T) {
	number, tricky := "555", `2\p3\x\q`
	for _, tt := range []struct {
		name, word, want string
		env              env
		t                *string
		log              string // what the log shows, if not the same
	}{
		{name: "a carriage return follows", word: `AT`, want: "AT\r", log: "AT^M"},
		{name: "the empty word", word: ``, want: "\r", log: "^M"},
		{name: "named control characters", word: `\b\n\r\s\t`, want: "\b\n\r \t\r", log: "^H^J^M \t^M"},
		{name: "backslash", word: `a\\b`, want: "a\\b\r", log: `a\\b^M`},
		{name: "c at the end", word: `AT\c`, want: "AT", log: "AT"},
		{name: "c elsewhere", word: `a\cb\c`, want: "acb", log: "acb"},
		{name: "c after a backslash", word: `a\\c`, want: "a\\c\r", log: `a\\c^M`},
		{name: "pauses and break", word: `\dA\pB\K`, want: "<1s>A<short>B<break>\r", log: `\dA\pB\K^M`},
		{name: "q vanishes and hides", word: `\qabc`, want: "abc\r", log: "??????"},
		{name: "NUL", word: `a\Nb`, want: "a\x00b\r", log: `a\`},
		{name: "octal", word: `\1\12\1018\377`, want: "\x01\nA8\xff\r", log: "^A^JA8M-^?^M"},
		{name: "octal 0 is a NUL", word: `\0a\400`, want: "\x00a\x00\r", log: `\`},
		{name: "an octal backslash is a byte", word: `DOM\134user\134d\534`, want: "DOM\\user\\d\\\r", log: `DOM\\user\\d\\^M`},
		{name: "T without a text", word: `1\T\U`, want: "1TU\r", log: `1\T\U^M`},
		{name: "T with a text", word: `1\T2`, want: "15552\r", t: &number, log: "15552^M"},
		{name: "backslashes in the text act", word: `1\T`, want: "12<short>3xq\r", t: &tricky, log: `12\p3\x\q^M`},
		{name: "an empty text", word: `1\T`, want: "1\r", t: new(string), log: "1^M"},
		{name: "dollar and dash", word: `\$\-`, want: "$-\r", log: `\$\-^M`},
		{name: "any other byte", word: `\x\8`, want: "x8\r", log: `\x\8^M`},
		{name: "a backslash at the end", word: `a\`, want: "a\\\r", log: `a\\^M`},
		{name: "circumflex", word: `^M^m^^^?^\`, want: "\r\r\x1e\x1f\x1c\r", log: "^M^M^^^_^\\^M"},
		{name: "NUL from a circumflex vanishes", word: "^@x^ y^`", want: "xy\r", log: "xy^M"},
		{name: "circumflex at the end", word: `a^`, want: "a^\r", log: "a^^M"},
		{name: "dollar without environment", word: `a$A`, want: "a$A\r", log: "a$A^M"},
		{name: "variables", word: `a$A-$none.$`, want: "a12-.\r", env: lookup, log: "a12-.^M"},
		{name: "protected dollar", word: `\$A`, want: "$A\r", env: lookup, log: "$A^M"},
		{name: "backslashes in a value act, but c does not", word: `$P`, want: "<1s>c\r", env: lookup, log: `\d\c^M`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := sendText(tt.word, tt.env, inserts{t: tt.t})
			if got := transcript(m.parts()); got != tt.want {
				t.Errorf("send of %q: %q, want %q", tt.word, got, tt.want)
			}
			if got := visible(m.shown()); got != tt.log {
				t.Errorf("log of %q: %q, want %q", tt.word, got, tt.log)
			}
		})
	}
}

func TestVisible(t *testing.T) {
	if got, want := visible("a\t\x00\x1b\x7f\x80\xff~ \xe4"), "a\t^@^[^?M-^@M-^?~ M-d"; got != want {
		t.Errorf("visible: %q, want %q", got, want)
	}
}

func TestSplitExpect(t *testing.T) {
	for _, tt := range []struct {
		word, first, rest string
		more              bool
	}{
		{"a", "a", "", false},
		{"a-", "a", "", true},
		{"a-b-c", "a", "b-c", true},
		{"-a", "", "a", true},
		{`a\-b-c`, `a\-b`, "c", true},
		{`a\\-b`, `a\\`, "b", true},
		{`a\`, `a\`, "", false},
		{"", "", "", false},
	} {
		first, rest, more := splitExpect(tt.word)
		if first != tt.first || rest != tt.rest || more != tt.more {
			t.Errorf("splitExpect(%q) = %q, %q, %t; want %q, %q, %t", tt.word, first, rest, more, tt.first, tt.rest, tt.more)
		}
	}
}

// FuzzEscapes checks that no word makes the escapes fail or grow without
// measure, and that what they make of plain text is the text.
func FuzzEscapes(f *testing.F) {
	for _, seed := range []string{`\d\q\T$A^M\777\`, `a-b\-c`, "^", `\c`, "\x00\xff"} {
		f.Add(seed)
	}
	number := "5551212"
	f.Fuzz(func(t *testing.T, s string) {
		m := sendText(s, lookup, inserts{t: &number, u: &number})
		sent := onTheLine(m.parts())
		if limit := 4*len(s) + 1 + len(number)*strings.Count(s, `\`); len(sent) > limit {
			t.Errorf("%d bytes became %d", len(s), len(sent))
		}
		if m.hidden != (m.shown() == unshown) && !strings.ContainsAny(s, "?TU") {
			t.Errorf("hidden %t, shown %q", m.hidden, m.shown())
		}
		expected := expectText(s, nil)
		if !strings.ContainsAny(s, `\^`) && expected != s {
			t.Errorf("plain text %q is expected as %q", s, expected)
		}
		if !strings.ContainsAny(s, `\^$`) && sent != s+"\r" {
			t.Errorf("plain text %q is sent as %q", s, sent)
		}
	})
}
