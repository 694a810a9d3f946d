package modem

import (
	"reflect"
	"strings"
	"testing"
)

func testLexer() *lexer {
	m := New(nil, nil)
	return &m.lexer
}

// lex returns the lines of s and how many bytes it took to complete the last
// of them.
func lex(l *lexer, s string) (lines []lineText, used int) {
	for i := range len(s) {
		if line, ok := l.feed(s[i]); ok {
			lines, used = append(lines, line), i+1
		}
	}
	return lines, used
}

func TestLexer(t *testing.T) {
	text := func(s ...string) (all []lineText) {
		for _, l := range s {
			all = append(all, lineText{strings.TrimPrefix(l, "#"), l[0] == '#'})
		}
		return all
	}
	tests := []struct {
		name, in string
		want     []lineText // "#" marks a numeric result
	}{
		{"verbose", "\r\nOK\r\n", text("OK")},
		{"verbose after echo", "ATI\r\r\nmodem\r\n\r\nOK\r\n", text("ATI", "modem", "OK")},
		{"numeric", "0\r", text("#0")},
		{"numeric after echo", "ATI\rmodem\r\n0\r", text("ATI", "modem", "#0")},
		{"numbers are information in verbose mode", "\r\n7\r\n\r\nOK\r\n", text("7", "OK")},
		{"registers are no results", "013\r\n0\r", text("013", "#0")},
		{"unknown numbers are no results", "99\r\n0\r", text("99", "#0")},
		{"line feeds alone", "OK\nOK\n", text("OK", "OK")},
		{"empty lines", "\r\n\r\n\n\r\r\nOK\r\n", text("OK")},
		{"NULs are dropped", "\x00O\x00K\r\n", text("OK")},
		{"a number waits for nothing", "1\r~", text("#1")},
	}
	for _, tt := range tests {
		if got, _ := lex(testLexer(), tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q\ngot  %v\nwant %v", tt.name, tt.in, got, tt.want)
		}
	}
}

// What follows a CONNECT is the far end's, to the byte.
func TestLexerStopsAtConnect(t *testing.T) {
	for _, answer := range []string{"\r\nCONNECT 9600\r\n", "1\r", "ATD1\r\r\nCONNECT\r\n", "ATD1\r19\r"} {
		lines, used := lex(testLexer(), answer)
		if used != len(answer) {
			t.Errorf("%q: %v is complete after %d bytes, want all %d and no more", answer, lines, used, len(answer))
		}
	}
}

func TestLexerBoundsLines(t *testing.T) {
	lines, _ := lex(testLexer(), strings.Repeat("x", 10*lineLimit)+"\r\nOK\r\n")
	if len(lines) != 2 || len(lines[0].text) != lineLimit || lines[1].text != "OK" {
		t.Errorf("got %d lines, want one cut to %d and OK", len(lines), lineLimit)
	}
}

func FuzzLexer(f *testing.F) {
	for _, s := range []string{"\r\nOK\r\n", "ATI\rmodem\r\n0\r", "\r\n7\r\n\r\nOK\r\n", "\r\r\n\n1\r~\xFF}#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := testLexer()
		lines, _ := lex(l, s)
		if rest, ok := l.flush(); ok {
			lines = append(lines, rest)
		}
		var got strings.Builder
		for _, line := range lines {
			if line.text == "" || strings.ContainsAny(line.text, "\r\n\x00") || len(line.text) > lineLimit {
				t.Errorf("%q gave the line %q", s, line.text)
			}
			if _, known := ParseResult(line.text); line.numeric && !known {
				t.Errorf("%q gave the unknown code %q", s, line.text)
			}
			got.WriteString(line.text)
		}
		want := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
		if len(s) <= lineLimit && got.String() != want {
			t.Errorf("%q: lines hold %q, want every character", s, got.String())
		}
	})
}
