package chat

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rasline/rasline/script/lint"
)

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       []string // place and the beginning of the text
	}{
		{"nothing", "ABORT BUSY\n'' ATZ\nOK ATDT\\T\nCONNECT ''\nogin: x\nword: '\\qy'\n", nil},
		{"a script may end with an empty expect", "OK x ''", nil},
		{"odd number of words", "OK x\n CONNECT", []string{"2:2: the script ends with a text to wait for"}},
		{"keyword in the place of a send", "'' ABORT BUSY ATZ", []string{"1:4: ABORT is sent here"}},
		{"comment that is none", "OK x\n # y", []string{`2:2: "#" is a word, not a comment`}},
		{"quoted number sign", "'#' x", nil},
		{"number with dashes is awaited", "OK ATD 555-1212 x", []string{`1:8: "555-1212" is awaited`}},
		{"number with dashes is sent", "OK 555-1212", nil},
		{"stray backslash c", `OK 'ab\cd'`, []string{`1:7: \c sends the letter c`}},
		{"backslash c at the end, and a doubled backslash", `OK 'ab\\cd\c'`, nil},
		{"abort string is a part", "ABORT OK OKAY x", []string{`1:10: the abort string "OK" is a part of "OKAY"`}},
		{"abort string ends with it", "ABORT OK NOOK x", nil},
		{"abort string is the text", "ABORT OK OK x", []string{`1:10: "OK" is an abort string as well`}},
		{"cleared abort", "ABORT OK CLR_ABORT OK OK x", nil},
		{"password shown", "assword: hello", []string{`1:10: what answers "assword:" is shown in logs`}},
		{"password in capitals", "ASSWORD hello", []string{`1:9: what answers "ASSWORD" is shown in logs`}},
		{"no letter of password", "as\u017fword hello", []string{"1:1: \"as\u017fword\" can be received only in 8-bit mode"}},
		{"password from a file", "assword: @/run/secret", nil},
		{"password marked", `assword: '\qhello'`, nil},
		{"only a line end", `assword: ''`, nil},
		{"pauses longer than the timeout", `TIMEOUT 2 '' \d\dAT`, []string{"1:14: the pauses of 2s take longer than the timeout of 2s"}},
		{"pauses after the last byte", `TIMEOUT 2 '' AT\r\d\d\d\c`, nil},
		{"high bit", `\377 x`, []string{`1:1: "\xff" can be received only in 8-bit mode`}},
		{"spaces without quotes", "'' ATZ OK ATQ0 V1 E1 S0=0 &C1 &D2 +FCLASS=0\nOK ATDT1\n", []string{`1:16: "V1" is awaited, not sent: a command with spaces needs quotes, such as 'ATQ0 V1'`}},
		{"several pairs in a line", "'' ATZ OK ATDT1 CONNECT '' ~ x", nil},
		{"conflict markers", "<<<<<<< HEAD\n'' ATZ\n=======\n'' ATZ0\n>>>>>>> a1b2\n", []string{"1:1: <<<<<<< is the conflict marker", "3:1: ======= is the conflict", `4:4: "ATZ0" is awaited, not sent: a script begins`, "5:1: >>>>>>> is the conflict", "5:9: the script ends"}},
		{"lower-case keywords", "timeout 5 Abort BUSY '' ATZ 'say' x", []string{`1:1: "timeout" is awaited as a text: the keyword is TIMEOUT`, `1:11: "Abort" is awaited`}},
		{"a name that nothing replaces", `OK AT+CGDCONT=1,\"IP\",\"$USE_APN\" OK '\$X' OK AT$QCPDPP=1 OK $1`, []string{"1:26: $USE_APN stays as it is"}},
		{"curly quotes", "OK \u201cATZ\u201d", []string{"1:4: a curly quote is an ordinary character"}},
		{"curly quotes of code page 1252", "OK \x91ATZ\x92", []string{"1:4: a curly quote is an ordinary character"}},
		{"invisible characters", "OK\u00a0ATZ x\u200by", []string{"1:3: a no-break space (U+00A0) is part of this word", "1:10: a zero width space (U+200B)"}},
		{"no-break space of a code page", "OK\xa0ATZ x", []string{"1:3: a no-break space (byte 0xA0)"}},
		{"several texts for one ABORT", "ABORT BUSY 'NO CARRIER' ERROR '' ATZ OK ''", []string{`1:25: "ERROR" is sent, not awaited`}},
		{"expect and send as words", "expect OK send 'AT'", []string{`1:8: "OK" is sent, not awaited`}},
		{"a result with spaces", "CONNECT '' NO CARRIER '' OK", []string{`1:26: "OK" is sent, not awaited`}},
		{"the part of a modem", "ATZ OK", []string{`1:1: "ATZ" is awaited`}},
		{"words that are no values", "ECHO on HANGUP off ECHO ON HANGUP OFF '' x", []string{"1:6: ECHO on turns the echo off", "1:16: HANGUP off lets a hang-up"}},
		{"a keyword as a string", "ABORT ABORT BUSY x REPORT TIMEOUT 5 y", []string{`1:7: ABORT is the string of ABORT here`, `1:27: TIMEOUT is the string of REPORT`}},
		{"a quote that ends early", `'' "AT"DT5 OK x`, []string{"1:8: the quote ends the word", "1:15: the script ends"}},
		{"a quote in the middle", `OK AT+CGDCONT=1,"IP","a b" OK x`, []string{"1:22: a quote inside a word", "1:31: the script ends"}},
		{"a backslash at the end of a line", "'' ATZ \\\nOK x\n", []string{`1:8: \ is a word of its own here`, "2:4: the script ends"}},
		{"a command line", "exec chat -v\n", []string{`1:1: "exec" is awaited as a text`, "1:11: the script ends"}},
		{"results in small letters", "'' ATZ ok ATD1 Connect ''", []string{`1:8: "ok" is awaited: letter case counts, and modems answer OK`, `1:16: "Connect" is awaited`}},
		{"a command first", "ABORT BUSY ATZ OK", []string{`1:12: "ATZ" is awaited, not sent`}},
		{"a keyword with an equals sign", "TIMEOUT=60 x", []string{`1:1: "TIMEOUT=60" is awaited as a text: TIMEOUT and its value are two words`}},
		{"a dash that divides", "OK-now x ~--~ y a-BREAK-a z", []string{`1:1: this waits for "OK", sends "now" if it is not received`}},
		{"a backslash before a space", `'' AT\ DT1`, []string{`1:6: \ does not protect a space`, "1:8: the script ends"}},
		{"comments of other languages", "; dial\n'' x\n//x y\n", []string{`1:1: ";" is a word, not a comment`, `3:1: "//x" is a word, not a comment`}},
		{"a secret of the call", `word: \U`, nil},
		{"empty abort and report", "ABORT '' REPORT \\q", []string{"1:7: an empty ABORT string", "1:17: an empty REPORT string"}},
		{"TIMEOUT 0", "TIMEOUT 0 TIMEOUT x TIMEOUT 1x", []string{"1:9: TIMEOUT 0 sets 45 seconds", "1:19: TIMEOUT x sets 45"}},
		{"CR LF, said once", "OK x\r\nOK y\r\n", []string{"1:5: lines end in CR LF"}},
		{"NUL", "OK x\x00 y\n", []string{"1:5: a NUL byte ends the line here"}},
		{"many abort strings", strings.Repeat("ABORT x\n", 60), []string{"51:7: chat(8) takes 50 ABORT strings at most"}},
		{"parts of a sub-expect", `ABORT aa aab-'\c'x\cy-aab x`, []string{
			`1:10: the abort string "aa"`, `1:15: \c sends`, `1:23: the abort string "aa"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseFile("f", []byte(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range s.Warnings() {
				got = append(got, w.String())
			}
			match := func(got, want string) bool {
				return strings.HasPrefix(got, strings.Replace("f:"+want, ": ", ": warning: ", 1))
			}
			if !slices.EqualFunc(got, tt.want, match) {
				t.Errorf("warnings:\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestWarningOfArgument(t *testing.T) {
	s, err := Parse([]string{"OK", "x", "CONNECT"})
	if err != nil {
		t.Fatal(err)
	}
	want := "argument 3:1: warning: the script ends with a text to wait for: the number of words is odd; add '' if nothing is to be sent"
	if w := s.Warnings(); len(w) != 1 || w[0].String() != want {
		t.Errorf("warnings %v, want %q", w, want)
	}
}

// A byte order mark becomes part of the first word, as in chat(8), and the
// warning names it.
func TestByteOrderMark(t *testing.T) {
	s, err := ParseFile("dial.chat", []byte("\ufeffABORT BUSY\n"))
	if err != nil {
		t.Fatal(err)
	}
	if list := s.Warnings(); len(list) != 1 || !strings.Contains(list[0].Text, "byte order mark") {
		t.Errorf("warnings %v, want one that names the mark", list)
	}
}

func TestFilesThatAreNoScripts(t *testing.T) {
	for name, src := range map[string]string{
		"UTF-16":    "\xFF\xFEO\x00K\x00",
		"too large": strings.Repeat("x ", lint.MaxSource),
	} {
		s, err := ParseFile("dial.chat", []byte(src))
		var list *lint.ParseError
		if s != nil || !errors.As(err, &list) || len(list.Findings) != 1 || list.Findings[0].Place() != "dial.chat:1:1" {
			t.Errorf("%s: %v, %v, want a *lint.ParseError at 1:1", name, s, err)
		}
	}
}
