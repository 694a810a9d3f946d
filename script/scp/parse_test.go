package scp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
)

// body wraps commands, one a line from line 2 on, in a procedure.
func body(lines ...string) string {
	return "proc main\n" + strings.Join(lines, "\n") + "\nendproc\n"
}

// findingsOf parses src and returns what is found as "LINE:COL severity text".
func findingsOf(src string) []string {
	prog, err := Parse("t.scp", []byte(src))
	var list []lint.Finding
	var parse *lint.ParseError
	switch {
	case err == nil:
		list = prog.Warnings()
	case errors.As(err, &parse):
		list = parse.Findings
	}
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = fmt.Sprintf("%d:%d %s %s", f.Line, f.Col, f.Severity, f.Text)
	}
	return out
}

// errorsOnly drops the warnings.
func errorsOnly(list []string) []string {
	var out []string
	for _, f := range list {
		if strings.Contains(f, " error ") {
			out = append(out, f)
		}
	}
	return out
}

// check compares findings with wants, each "LINE:COL" and a part of the text.
func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		place, text, _ := strings.Cut(want[i], " ")
		ok = strings.HasPrefix(got[i], place+" ") && strings.Contains(got[i], text)
	}
	if !ok {
		t.Errorf("findings:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name string
		src  string
		want []string
	}{
		{"unknown character", body("integer n", "n = 3 # 4"), []string{"3:7 a comment begins with ;"}},
		{"high byte in a name", body("integer gr\xF6\xDFe = 1"), []string{"2:11 0xF6"}},
		{"curly quotes", body("transmit \u201Chello\u201D"), []string{"2:10 straight quote"}},
		{"curly quotes of code page 1252", body("transmit \x93hello there\x94"), []string{"2:10 straight quote"}},
		{"unterminated string", body(`transmit "abc`, `delay 1`), []string{"2:10 closing quote"}},
		{"unterminated string that swallows words", body(`if $USERID == "x then`, `delay 1`, `endif`), []string{"2:15 closing quote"}},
		{"missing opening quote", body(`waitfor ogin:" until 10`, `delay 1`), []string{"2:9 ogin"}},
		{"reserved word as a variable", body(`integer delay = 3`), []string{"2:9 cannot be a name"}},
		{"reserved word as a label", body(`mark:`, `delay 1`), []string{"2:1 cannot be a name"}},
		{"reserved word as a target", body(`waitfor "x" then halt until 3`), []string{"2:18 cannot be a name"}},
		{"assignment to a reserved word", body(`until = 1 + 2`), []string{"2:1 cannot be a name"}},
		{"no main", "proc login\nendproc\n", []string{`1:1 no procedure "main"`}},
		{"empty file", "", []string{`1:1 no procedure "main"`}},
		{"two procedures of one name", "proc main\nendproc\nproc MAIN\nendproc\n", []string{"3:6 already, in line 1"}},
		{"text outside a procedure", "integer x\nx = 1\nproc main\nendproc\n", []string{"1:1 outside a procedure"}},
		{"text after the last procedure", "proc main\nendproc\ndelay 1\n", []string{"3:1 outside a procedure"}},
		{"missing endif", body("if TRUE then", "delay 1"), []string{`2:1 no "endif"`}},
		{"missing endwhile", body("while TRUE do", "delay 1"), []string{`2:1 no "endwhile"`}},
		{"missing endproc", "proc main\ndelay 1\n", []string{`1:1 no "endproc"`}},
		{"missing endproc before another proc", "proc main\ndelay 1\nproc b\nendproc", []string{`1:1 no "endproc"`}},
		{"missing inner endif", body("while TRUE do", "if TRUE then", "delay 1", "endwhile"), []string{`3:1 no "endif"`}},
		{"missing inner endwhile", body("if TRUE then", "while TRUE do", "delay 1", "endif"), []string{`3:1 no "endwhile"`}},
		{"wrong closer", body("while TRUE do", "delay 1", "endif"), []string{`4:1 needs "endwhile"`}},
		{"wrong inner closer", body("if TRUE then", "while TRUE do", "delay 1", "endif", "endif"), []string{`5:1 needs "endwhile"`}},
		{"closer too many in a loop", body("while TRUE do", "endif", "delay 1", "endwhile"), []string{`3:1 needs "endwhile"`}},
		{"stray endif", body("delay 1", "endif"), []string{`3:1 closes no "if"`}},
		{"stray endwhile", body("endwhile"), []string{`2:1 closes no "while"`}},
		{"stray endproc", "proc main\nendproc\nendproc\n", []string{`3:1 closes no "proc"`}},
		{"undeclared variable", body("delay n"), []string{`2:7 "n" is not declared`}},
		{"undeclared variable, reported once", body("n = 1", "n = 2", "delay n"), []string{`2:1 "n" is not declared`}},
		{"use before the declaration", body("delay n", "integer n"), []string{`2:7 "n" is not declared`}},
		{"double declaration", body("integer n", "string N"), []string{`3:8 declared already in line 2`}},
		{"type mismatch in a declaration", body(`integer n = "5"`), []string{`2:13 "n" holds a whole number, but this is a text`}},
		{"type mismatch in an assignment", body(`string s`, `s = 5`), []string{`3:5 "s" holds a text, but this is a whole number`}},
		{"type mismatch of a command", body(`transmit 5`), []string{`2:10 "transmit" needs a text`}},
		{"type mismatch of a condition", body(`if 1 then`, `endif`), []string{`2:4 "if" needs a TRUE/FALSE value`}},
		{"type mismatch of plus", body(`transmit "a" + 1`), []string{`2:14 two numbers or two texts`}},
		{"type mismatch of a comparison", body(`boolean b = 1 == "1"`), []string{`2:15 compares values of one kind`}},
		{"type mismatch of less", body(`boolean b = "a" < "b"`), []string{`2:13 "<" takes a whole number`}},
		{"type mismatch of and", body(`boolean b = TRUE and 1`), []string{`2:22 "and" takes a TRUE/FALSE value`}},
		{"type mismatch of a sign", body(`integer n = -"a"`), []string{`2:14 minus sign`}},
		{"type mismatch of not", body(`boolean b = !"a"`), []string{`2:13 ! needs`}},
		{"type mismatch of until", body(`waitfor "x" until "5"`), []string{`2:19 "until" needs a whole number`}},
		{"assignment to a system variable", body(`$USERID = "x"`), []string{"2:1 cannot be changed"}},
		{"unknown system variable", body(`transmit $LOGIN, raw`), []string{`2:10 "$LOGIN" is unknown`}},
		{"undefined label", body(`goto nowhere`), []string{`2:6 no label "nowhere"`}},
		{"undefined label of a waitfor", body(`waitfor "a" then nowhere until 5`), []string{`2:18 no label "nowhere"`}},
		{"duplicate label", body(`a:`, `delay 1`, `A:`, `goto a`), []string{`4:1 stands already in line 2`}},
		{"label of another procedure", "proc main\ngoto a\nendproc\nproc b\na:\nendproc\n", []string{`2:6 no label "a"`}},
		{"bad data bits", body(`set port databits 9`), []string{`2:19 5, 6, 7 or 8`}},
		{"data bits from a variable", body(`integer n = 8`, `set port databits n`), []string{`3:19 5, 6, 7 or 8`}},
		{"bad parity", body(`set port parity evn`, `delay 1`), []string{`2:17 "even"`}},
		{"bad stop bits", body(`set port stopbits 3`), []string{`2:19 1 or 2`}},
		{"unknown port setting", body(`set port baud 9600`), []string{`2:10 "databits", "parity" and "stopbits"`}},
		{"unknown set", body(`set modem on`), []string{`2:5 "port", "screen" and "ipaddr"`}},
		{"unknown screen setting", body(`set screen color on`), []string{`2:12 "keyboard"`}},
		{"keyboard neither on nor off", body(`set screen keyboard maybe`), []string{`2:21 "on"`}},
		{"integer out of range", body(`integer n = 2147483648`), []string{`2:13 too large`}},
		{"negative integer out of range", body(`integer n = -2147483649`), []string{`2:14 too large`}},
		{"subtracting an integer out of range", body(`integer n = 1 - 2147483648`), []string{`2:17 too large`}},
		{"endless integer", body(`integer n = ` + strings.Repeat("9", 400)), []string{`2:13 too large`}},
		{"else", body(`if TRUE then`, `delay 1`, `else`, `delay 2`, `endif`), []string{`4:1 no "else"`}},
		{"else on the same line", body(`if TRUE then delay 1 else delay 2 endif`), []string{`2:22 no "else"`}},
		{"else if", body(`if TRUE then`, `else if FALSE then`, `endif`, `endif`), []string{`3:1 no "else"`}},
		{"not", body(`if not TRUE then`, `endif`), []string{`2:4 write !`}},
		{"one equals sign in a condition", body(`integer n`, `if n = 1 then`, `delay 1`, `endif`), []string{`3:6 two equals signs`}},
		{"missing then", body(`if TRUE`, `delay 1`, `endif`), []string{`3:1 "then"`}},
		{"missing then before an assignment", body(`integer n`, `if TRUE`, `n = 1`, `endif`), []string{`4:1 "then"`}},
		{"missing do", body(`while TRUE`, `delay 1`, `endwhile`), []string{`3:1 "do"`}},
		{"missing parenthesis", body(`if (TRUE then`, `endif`), []string{`2:10 parenthesis`}},
		{"missing operand", body(`integer n = 1 +`, `delay 1`), []string{`3:1 a value is missing`}},
		{"missing value at the end", "proc main\ndelay", []string{`1:1 no "endproc"`, `2:6 a value is missing here: the end of the file`}},
		{"string alone", body(`"hello"`), []string{`2:1 cannot stand alone`}},
		{"number alone", body(`5`), []string{`2:1 begins no command`}},
		{"word of no meaning", body(`wait for "ogin:" until 10`, `delay 1`), []string{`2:1 use "waitfor"`}},
		{"number that runs into letters", body(`delay 5s`), []string{`2:8 touches the number`}},
		{"name that begins with a digit", body(`integer 3x = 5`, `delay 1`), []string{`2:9 begins with a letter`}},
		{"second text without then", body(`waitfor "a", "b" then L until 5`, `L:`), []string{`2:12 needs "then"`}},
		{"third text without then", body(`waitfor "a" then L, "b" until 5`, `L:`), []string{`2:25 needs "then"`}},
		{"second text after matchcase", body(`waitfor "a", matchcase, "b" then L until 5`, `L:`), []string{`2:23 needs "then"`}},
		{"not raw after the comma", body(`transmit "a", now`), []string{`2:15 "raw"`}},
		{"proc without a name", "proc\ndelay 1\nendproc\n", []string{`2:1 needs a name`}},
		{"proc with a reserved name", "proc while\ndelay 1\nendproc\n", []string{`1:6 cannot be a name`}},
		{"getip with a sum", body(`string s`, `s = getip 1 + 1`), []string{`3:13 two texts`}},
		{"getip with a text", body(`getip "1"`), []string{`2:7 "getip" needs`}},
		{"goto without a label", body(`goto`, `delay 1`), []string{`3:1 needs the name of a label`}},
		{"dollar sign alone", body(`transmit $`), []string{`2:10 '$'`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, errorsOnly(findingsOf(tt.src)), tt.want...)
		})
	}
}

func TestSixMistakesGiveSixFindings(t *testing.T) {
	src := `; six mistakes
proc main
    integer tries = "three"
    string  name

    name = $USER
    waitfor "ogin:" then askname untl 30
askname:
    transmit name
    if tries = 3 then
        transmit "^M
    endif
    while tries < 5 do
        tries = tries + 1
        goto nowhere
    endwhile
endproc
`
	check(t, errorsOnly(findingsOf(src)),
		"3:21 text", "6:12 $USER", "7:34 no command", "10:14 two equals", "11:18 quote", "15:14 nowhere")
}

func TestErrorsStopAtTwenty(t *testing.T) {
	src := body(strings.Repeat("bad\n", 5000))
	list := findingsOf(src)
	if len(list) != maxErrors+1 {
		t.Fatalf("%d findings, want %d and a last one", len(list), maxErrors)
	}
	check(t, list[19:], `21:1 no command`, `21:1 there may be more errors`)
}

func TestWarningsStopAtOneHundred(t *testing.T) {
	if list := findingsOf(body(strings.Repeat("waitfor \"x\"\n", 5000))); len(list) != 101 || !strings.HasSuffix(list[100], "4900 more warnings from here on are not listed") {
		t.Errorf("%d findings, the last %v; want 100 and how many more there are", len(list), list[len(list)-1])
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name string
		src  string
		want []string
	}{
		{"late declaration", body("delay 1", "integer n"), []string{"3:1 after the first command"}},
		{"declaration after a label", body("a:", "integer n", "delay 1", "goto a"), nil},
		{"procedure never run", "proc helper\nendproc\nproc main\nendproc\n", []string{`1:1 "helper" never runs`}},
		{"label never used", body("a:", "delay 1"), []string{`2:1 nothing goes to the label "a"`}},
		{"waitfor without until", body(`waitfor "a"`), []string{`2:1 for ever`}},
		{"until not tested", body(`waitfor "a" until 5`, `transmit "b"`), []string{`2:1 not tested`}},
		{"until tested", body(`waitfor "a" until 5`, `if $SUCCESS then`, `transmit "b"`, `endif`), nil},
		{"until tested by failure", body(`waitfor "a" until 5`, `if $FAILURE then`, `halt`, `endif`, `transmit "b"`), nil},
		{"until tested far away", body(`waitfor "a" until 5`, `goto look`, `send: transmit "b"`, `goto done`, `look:`, `if $SUCCESS then goto send endif`, `done:`), nil},
		{"until not tested on one way", body(`integer n`, `waitfor "a" until 5`, `if n == 0 then`, `transmit "b"`, `endif`, `if $SUCCESS then`, `endif`), []string{`3:1 not tested`}},
		{"until followed by no transmit", body(`waitfor "a" until 5`), nil},
		{"until tested in a loop", body(`boolean ok`, `while !ok do`, `waitfor "a" until 5`, `ok = $SUCCESS`, `endwhile`, `transmit "b"`), nil},
		{"until with labels parts the ways itself", body(`waitfor "a" then got until 5`, `transmit "b"`, `got:`), nil},
		{"until with a label that parts nothing", body(`waitfor "a" then got until 5`, `got:`, `transmit "b"`), []string{`2:1 not tested`}},
		{"two waits, one test", body(`waitfor "a" until 5`, `waitfor "b" until 5`, `transmit "c"`), []string{`2:1 not tested`, `3:1 not tested`}},
		{"password without raw", body(`transmit $PASSWORD`), []string{`2:10 $PASSWORD`}},
		{"user name without raw", body(`transmit $userid`), []string{`2:10 $userid`}},
		{"user name raw", body(`transmit $USERID, raw`), nil},
		{"raw with a code", body(`transmit "a^M", raw`), []string{`2:10 as they are written`}},
		{"raw without a code", body(`transmit "a^", raw`), nil},
		{"empty text", body(`waitfor "" until 5`), []string{`2:9 immediately`}},
		{"until zero", body(`waitfor "a" until 0`), []string{`2:19 does not wait`}},
		{"until negative", body(`waitfor "a" until -5`), []string{`2:19 does not wait`}},
		{"variables that differ in case", body(`integer Count`, `count = 1`, `count = 2`), []string{`3:1 "count" and "Count" in line 2`}},
		{"labels that differ in case", body(`Again:`, `delay 1`, `goto again`), []string{`4:6 letter case`}},
		{"system variables in any case", body(`transmit $UserId, raw`), nil},
		{"label with a variable's name", body(`integer n`, `n:`, `delay 1`, `goto n`), []string{`3:1 name of the variable in line 2`}},
		{"clean script", body(`waitfor "ogin:" then name until 30`, `halt`, `name:`, `transmit $USERID, raw`, `transmit "^M"`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := findingsOf(tt.src)
			check(t, got, tt.want...)
			if n := len(errorsOnly(got)); n != 0 {
				t.Errorf("%d errors, want warnings only", n)
			}
		})
	}
}

func TestReservedWordsAsNames(t *testing.T) {
	if len(words) != 39 {
		t.Fatalf("%d reserved words, want 39", len(words))
	}
	for word := range words {
		for _, form := range []string{"integer %s = 1", "%s = 1", "%s:", "goto %s"} {
			src := body(fmt.Sprintf(form, word), "delay 1")
			if got := findingsOf(src); len(got) != 1 || !strings.Contains(got[0], "cannot be a name") {
				t.Errorf("%q: findings %q, want one that it cannot be a name", src, got)
			}
		}
		src := fmt.Sprintf("proc %s\nendproc\n", word)
		if got := findingsOf(src); len(got) != 1 || !strings.Contains(got[0], "cannot be a name") {
			t.Errorf("%q: findings %q, want one that it cannot be a name", src, got)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"UTF-16 little endian", "\xFF\xFEp\x00r\x00o\x00c\x00", "UTF-16"},
		{"UTF-16 big endian", "\xFE\xFF\x00p\x00r", "UTF-16"},
		{"UTF-16 without a mark", "p\x00r\x00o\x00c\x00", "NUL"},
		{"NUL in a comment", "proc main ; a\x00b\nendproc", "NUL"},
		{"NUL in a string", "proc main\ntransmit \"\x1A\x00\"\nendproc", "NUL"},
		{"too large", strings.Repeat(" ", lint.MaxSource+1), "1048577 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("t.scp", []byte(tt.src))
			var list *lint.ParseError
			if !errors.As(err, &list) || len(list.Findings) != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want one finding with %q", err, tt.want)
			}
			if !errors.Is(err, ras.ErrScriptSyntax) || ending(err) != "rejected" {
				t.Errorf("error %v has outcome %v, want %v and %v", err, ending(err), ras.ErrScriptSyntax, "rejected")
			}
		})
	}
}

func TestAcceptedFiles(t *testing.T) {
	tests := []struct{ name, src string }{
		{"no line end at all", "proc main endproc"},
		{"byte order mark", "\xEF\xBB\xBFproc main\nendproc\n"},
		{"NULs after Ctrl-Z", "proc main\nendproc\x1A\x00\x00"},
		{"Ctrl-Z in a comment", "proc main endproc ; end\x1Aendif"},
		{"Ctrl-Z in a string", "proc main transmit \"\x1A\" endproc"},
		{"every blank", "\f\v\tproc\vmain\fendproc \r\n"},
		{"commands on one line", "proc main delay 1 delay 2 goto a a: halt endproc"},
		{"as large as may be", "proc main endproc" + strings.Repeat(" ", lint.MaxSource-17)},
		{"operand after a line end", body("string s", "s = getip", "s = \"x\"")},
		{"least integer", body("integer n = -2147483648")},
		{"least integer as an operand", body("integer n = 1 - -2147483648")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("t.scp", []byte(tt.src)); err != nil {
				t.Errorf("Parse: %v, want no error", err)
			}
		})
	}
}

func TestDepthLimits(t *testing.T) {
	nested := func(open, inner, shut string, n int) string {
		return body("integer n", "boolean b", strings.Repeat(open, n)+inner+strings.Repeat(shut, n))
	}
	tests := []struct {
		name string
		src  func(n int) string
	}{
		{"blocks", func(n int) string { return nested("if TRUE then\n", "", "endif\n", n) }},
		{"parentheses", func(n int) string {
			return body("integer n", "n = "+strings.Repeat("(", n)+"1"+strings.Repeat(")", n))
		}},
		{"signs", func(n int) string { return body("boolean b", "b = "+strings.Repeat("!", n)+"b") }},
		{"minus signs", func(n int) string { return body("integer n", "n = "+strings.Repeat("- ", n)+"n") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := findingsOf(tt.src(maxDepth)); len(got) != 0 {
				t.Errorf("%d levels: %q, want no findings", maxDepth, got)
			}
			for _, n := range []int{maxDepth + 1, 10000} {
				got := findingsOf(tt.src(n))
				if len(got) != 1 || !strings.Contains(got[0], "levels inside each other") {
					t.Errorf("%d levels: %q, want one finding on the depth", n, got)
				}
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name   string
		source string
		col    int
		want   string
	}{
		{"first column", "goto", 1, "goto\n^"},
		{"tab", "\tgoto x", 2, " goto x\n ^"},
		{"UTF-8 counts characters", "; é goto", 6, "; é goto\n    ^"},
		{"code page", "; \xE9 goto", 5, "; é goto\n    ^"},
		{"control characters", "a\x1B[2J\x9B b", 8, "a [2J  b\n       ^"},
		{"past the end", "abc", 4, "abc\n   ^"},
		{"long line", long + "y" + long, 301, long[:100] + "y" + long[:99] + "\n" + strings.Repeat(" ", 100) + "^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (lint.Finding{Col: tt.col, Source: tt.source}).Excerpt(); got != tt.want {
				t.Errorf("excerpt:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestFindingPlacesWithEveryLineEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		src := strings.ReplaceAll("; one\n\nproc main\n  delay \"x\"\nendproc\n", "\n", end)
		check(t, findingsOf(src), "4:9 needs a whole number")
	}
}

func TestParseErrorText(t *testing.T) {
	tests := []struct{ src, want string }{
		{body("delay n"), `t.scp:2:7: the variable "n" is not declared: write "integer", "string" or "boolean" and its name above`},
		{body("goto a", "goto b"), `t.scp:2:6: there is no label "a" in this procedure: mark the place to go to with the label and a colon (and 1 more error)`},
		{body("goto a", "goto b", "goto c"), `t.scp:2:6: there is no label "a" in this procedure: mark the place to go to with the label and a colon (and 2 more errors)`},
	}
	for _, tt := range tests {
		if _, err := Parse("t.scp", []byte(tt.src)); err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%q): %v\nwant %s", tt.src, err, tt.want)
		}
	}
}
