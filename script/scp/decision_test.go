package scp

import (
	"fmt"
	"strings"
	"testing"
)

// The tests here follow the list of what Microsoft's document leaves open and
// how this package decides it.

// expectRun checks that the commands end with success and send just want.
func expectRun(t *testing.T, commands, want string) {
	t.Helper()
	playBody(t, commands, fmt.Sprintf("expect %q", want))
}

// expectFailure checks that the commands send nothing and fail in a line.
func expectFailure(t *testing.T, commands string, line int, text string) {
	t.Helper()
	playBody(t, commands, fmt.Sprintf("outcome failed\nline %d\nerror %q\ncode 752", line, text))
}

// tell returns commands that send "y" if a condition holds and "n" if not.
func tell(conditions ...string) string {
	var b strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&b, "if %s then transmit \"y\" endif\nif !(%s) then transmit \"n\" endif\n", c, c)
	}
	return b.String()
}

func TestDecision01Overflow(t *testing.T) {
	for _, expr := range []string{
		"2147483647 + 1", "-2147483648 - 1", "65536 * 32768", "-2147483648 * -1",
		"-2147483648 / -1", "-(-2147483648)",
	} {
		t.Run(expr, func(t *testing.T) {
			expectFailure(t, "integer n\nn = "+expr, 3, "out of range")
		})
	}
	expectRun(t, tell("2147483646 + 1 == 2147483647", "-2147483647 - 1 == -2147483648", "46340 * 46340 == 2147395600"), "yyy")
}

func TestDecision02DivisionByZero(t *testing.T) {
	expectFailure(t, "integer n\ninteger m = 5 / n", 3, "division by zero")
}

func TestDecision03DivisionTowardZero(t *testing.T) {
	expectRun(t, tell("-7 / 2 == -3", "7 / -2 == -3", "7 / 2 == 3", "-7 / -2 == 3"), "yyyy")
}

func TestDecision04NotByType(t *testing.T) {
	expectRun(t, tell("!0 == -1", "!5 == -6", "!!5 == 5", "!FALSE", "!TRUE"), "yyyyn")
}

func TestDecision05LetterCaseIgnored(t *testing.T) {
	play(t, "PROC Main\nINTEGER Count\ncount = COUNT + 1\nGoto SEND\nsend:\nIF count == 1 THEN\nTransmit \"a\"\nEndIf\nif true AND $success then transmit \"b\" endif\nENDPROC",
		`expect "ab"`)
}

func TestDecision06EscapesExpandAtUse(t *testing.T) {
	tests := []struct{ commands, want string }{
		{`transmit "a^M", raw`, "a^M"},
		{`transmit "a^M"`, "a\r"},
		{`transmit "dom\\user"`, `dom\user`},
		{`transmit "dom\\user", raw`, `dom\\user`},
		{`transmit "^" + "M"`, "\r"},
		{`transmit "<c" + "r>"`, "\r"},
	}
	for _, tt := range tests {
		t.Run(tt.commands, func(t *testing.T) { expectRun(t, tt.commands, tt.want) })
	}
	t.Run("compared as written", func(t *testing.T) {
		expectRun(t, tell(`"^" + "M" == "^M"`, `"<cr>" == "^M"`), "yn")
	})
	t.Run("waitfor", func(t *testing.T) {
		playBody(t, "waitfor \"a<CR>\" until 5\n"+tell("$SUCCESS"), "send \"a\\r\"\nexpect \"y\"")
	})
}

func TestDecision07UnknownEscapesStay(t *testing.T) {
	expectRun(t, `transmit "DOMAIN\user <x> < ^1 ^{ <cr"`, `DOMAIN\user <x> < ^1 ^{ <cr`)
	playBody(t, `transmit $USERID`, "user \"DOMAIN\\\\user\"\nexpect \"DOMAIN\\\\user\"")
}

func TestDecision08StringEndsWithItsLine(t *testing.T) {
	check(t, findingsOf(body(`transmit "abc`, `transmit "def"`)), "2:10 no closing quote")
}

func TestDecision09OtherProceduresNeverRun(t *testing.T) {
	src := "proc helper\ntransmit \"x\"\nendproc\nproc main\ntransmit \"y\"\nendproc\nproc last\ntransmit \"z\"\nendproc"
	check(t, findingsOf(src), "1:1 never runs", "7:1 never runs")
	play(t, src, `expect "y"`)
	check(t, findingsOf("proc helper\ndelay \"x\"\nendproc\nproc main\nendproc"), "1:1 never runs", "2:7 whole number")
}

func TestDecision10LateDeclaration(t *testing.T) {
	src := body(`transmit "a"`, `string s = "b"`, `transmit s`)
	check(t, findingsOf(src), "3:1 after the first command")
	play(t, src, `expect "ab"`)
}

func TestDecision11Defaults(t *testing.T) {
	expectRun(t, "integer n\nstring s\nboolean b\n"+tell("n == 0", `s == ""`, "b == FALSE"), "yyy")
}

func TestDecision11DeclarationThatIsPassedAgain(t *testing.T) {
	expectRun(t, "integer i\nagain:\ninteger kept\ninteger fresh = 5\nkept = kept + 1\nfresh = fresh + 1\ni = i + 1\nif i < 3 then goto again endif\n"+
		tell("kept == 3", "fresh == 6"), "yy")
}

func TestDecision12SuccessAndFailure(t *testing.T) {
	expectRun(t, tell("$SUCCESS", "$FAILURE"), "yn")
	t.Run("after waitfor and getip", func(t *testing.T) {
		playBody(t, "waitfor \"x\" until 1\n"+tell("$SUCCESS", "$FAILURE")+"getip\n"+tell("$SUCCESS", "$FAILURE"),
			"expect \"ny\"\nsend \"1.2.3.4 \"\nexpect \"yn\"\nrest \" \"")
	})
}

func TestDecision13UntilZeroLooksOnce(t *testing.T) {
	for _, limit := range []string{"0", "-1", "-2147483648"} {
		t.Run(limit, func(t *testing.T) {
			playBody(t, "delay 2\nwaitfor \"b\" until "+limit+"\n"+tell("$SUCCESS")+"waitfor \"d\" until "+limit+"\n"+tell("$SUCCESS"),
				"send \"abc\"\nexpect \"yn\"\ntook 2.001s")
		})
	}
}

func TestDecision14EmptyTextMatchesAtOnce(t *testing.T) {
	playBody(t, "string s\ndelay 1\nwaitfor s until 5\n"+tell("$SUCCESS"), "send \"abc\"\nexpect \"y\"\ntook 1s\nrest \"abc\"")
}

func TestDecision15EarlyBytesAreSearched(t *testing.T) {
	playBody(t, "delay 3\ntransmit \"x\"\nset screen keyboard off\nwaitfor \"ogin:\" until 5\n"+tell("$SUCCESS"),
		"send \"login: \"\nexpect \"xy\"\ntook 3s\nrest \" \"")
}

func TestDecision16BytesBeforeATimeoutAreGone(t *testing.T) {
	playBody(t, "waitfor \"x\" until 2\nwaitfor \"ogin:\" until 2\n"+tell("$SUCCESS"), "send \"login:\"\nexpect \"n\"\ntook 4s")
	t.Run("no partial match is kept", func(t *testing.T) {
		playBody(t, "waitfor \"login\" until 2\nwaitfor \"login\" until 2\n"+tell("$SUCCESS"),
			"send \"log\"\nwait 3s\nsend \"in\"\nexpect \"n\"\ntook 4s")
	})
}

func TestDecision17OverlappingTexts(t *testing.T) {
	labels := "goto out\na: transmit \"a\" goto out\nb: transmit \"b\"\nout:"
	tests := []struct{ name, texts, input, want string }{
		{"first to complete", `"password" then a, "pass" then b`, "password", `expect "b"` + "\n" + `rest "word"`},
		{"first written of two at one byte", `"Password:" then a, "word:" then b`, "Password:", `expect "a"`},
		{"the reverse", `"word:" then b, "Password:" then a`, "Password:", `expect "b"`},
		{"exact and folded at one byte", `"WORD:", matchcase then a, "word:" then b`, "Password:", `expect "b"`},
		{"overlap within a text", `"aab" then a`, "aaab", `expect "a"`},
		{"overlap of two texts", `"abcx" then a, "bcd" then b`, "abcd", `expect "b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			playBody(t, "waitfor "+tt.texts+" until 5\n"+labels, fmt.Sprintf("send %q\n%s", tt.input, tt.want))
		})
	}
}

func TestDecision18ThenInLists(t *testing.T) {
	check(t, findingsOf(body(`waitfor "a", "b" then L until 5`, `L:`, `goto L`)), `2:12 needs "then"`)
	check(t, findingsOf(body(`waitfor "a" then L, "b" until 5`, `L:`)), `2:25 needs "then"`)
	check(t, findingsOf(body(`waitfor "a" until 5`)))
}

func TestDecision19GotoIntoALoop(t *testing.T) {
	expectRun(t, "integer n = 2\ngoto inside\nwhile n < 4 do\ntransmit \"a\"\ninside:\ntransmit \"b\"\nn = n + 1\nendwhile\ntransmit \"c\"", "babc")
	expectRun(t, "goto inside\nif FALSE then\ntransmit \"a\"\ninside:\ntransmit \"b\"\nendif\ntransmit \"c\"", "bc")
}

func TestDecision20DuplicateLabels(t *testing.T) {
	check(t, findingsOf(body("a:", "goto a", "a:")), "4:1 stands already")
}

func TestDecision21LabelWithAVariablesName(t *testing.T) {
	src := body("integer n", "n = 1", "goto n", `transmit "x"`, "n:", `if n == 1 then transmit "y" endif`)
	check(t, findingsOf(src), "6:1 name of the variable")
	play(t, src, `expect "y"`)
}

func TestDecision22MissingEndsAreReportedAtTheOpener(t *testing.T) {
	check(t, findingsOf("proc main\nif TRUE then\nwhile TRUE do\n"), `1:1 no "endproc"`, `2:1 no "endif"`, `3:1 no "endwhile"`)
}

func TestDecision23CommentsDoNotNest(t *testing.T) {
	expectRun(t, "; one ; two \" three\ntransmit \"a;b\" ; \"c\"", "a;b")
}

func TestDecision24CodePageBytesPass(t *testing.T) {
	play(t, "proc main ; \xDC\x81\ntransmit \"\x80\xFE\xFF\xA9\"\nwaitfor \"\xE4\xC4\" until 5\nif $SUCCESS then transmit \"y\" endif\nendproc",
		"expect \"\\x80\\xfe\\xff\\xa9\"\nsend \"\\xc4\\xe4\\xc4\"\nexpect \"y\"")
}

func TestDecision25DOSFiles(t *testing.T) {
	for _, end := range []string{"\r", "\r\n", "\n", "\n\r\r\n"} {
		play(t, strings.ReplaceAll("proc main ; x\ntransmit \"a\"\nendproc ; y\n\x1A\xFFjunk", "\n", end), `expect "a"`)
	}
}

func TestDecision26GetipScanning(t *testing.T) {
	tests := []struct{ name, input, want, rest string }{
		{"plain", "address 10.0.0.7\r\nnext", "10.0.0.7", "\r\nnext"},
		{"full stop", "is 10.0.0.7. Bye", "10.0.0.7", ". Bye"},
		{"full stop and letter", "10.0.0.7.x", "10.0.0.7", ".x"},
		{"largest", "255.255.255.255 ", "255.255.255.255", " "},
		{"leading zeros", "010.000.000.007,", "010.000.000.007", ","},
		{"five groups", "1.2.3.4.5 6.7.8.9 ", "6.7.8.9", " "},
		{"version", "v1.2.3.4 6.7.8.9 ", "6.7.8.9", " "},
		{"letter after", "1.2.3.4x 6.7.8.9 ", "6.7.8.9", " "},
		{"group too large", "300.1.1.1 1.1.1.256 6.7.8.9 ", "6.7.8.9", " "},
		{"group too long", "0001.1.1.1 6.7.8.9 ", "6.7.8.9", " "},
		{"three groups", "1.2.3 6.7.8.9 ", "6.7.8.9", " "},
		{"empty group", "1..2.3.4 6.7.8.9 ", "6.7.8.9", " "},
		{"dot before", ".1.2.3.4 6.7.8.9 ", "6.7.8.9", " "},
		{"other signs touch", "(1.2.3.4)", "1.2.3.4", ")"},
		{"code page letter touches", "\xE41.2.3.4\xE4", "1.2.3.4", "\xE4"},
		{"at the end of input", "1.2.3.4", "1.2.3.4", ""},
		{"full stop at the end of input", "1.2.3.4.", "1.2.3.4", "."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			playBody(t, "string s = getip\ntransmit s, raw", fmt.Sprintf("send %q\nexpect %q\nrest %q", tt.input, tt.want, tt.rest))
		})
	}
	t.Run("no time limit", func(t *testing.T) {
		playBody(t, "transmit getip", "wait 30m\nsend \"1.2.3.4 \"\nexpect \"1.2.3.4\"\ntook 30m\nrest \" \"")
	})
	t.Run("a second of silence", func(t *testing.T) {
		playBody(t, "transmit getip", "send \"1.2.3.4\"\nexpect \"1.2.3.4\"\ntook 1s")
	})
	t.Run("less than a second", func(t *testing.T) {
		playBody(t, "transmit getip", "send \"1.2.3.4\"\nwait 900ms\nsend \"5\"\nwait 900ms\nsend \" \"\nexpect \"1.2.3.45\"\nrest \" \"")
	})
}

func TestDecision27GetipOperandOnItsLine(t *testing.T) {
	playBody(t, "string x\ninteger y\nx = getip\ny = 1\ntransmit x\nx = getip 2\ntransmit x",
		"send \"1.1.1.1 2.2.2.2 3.3.3.3 \"\nexpect \"1.1.1.13.3.3.3\"\nrest \" \"")
}

func TestDecision28BadAddressIsARunTimeError(t *testing.T) {
	expectFailure(t, `set ipaddr "11.543.23.13"`, 2, `set ipaddr: "11.543.23.13" is no address`)
	for _, bad := range []string{"", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4.", "1.2.3", "a.b.c.d", "1.2.3.4.5", "^A1.2.3.4"} {
		t.Run(bad, func(t *testing.T) { expectFailure(t, `set ipaddr "`+bad+`"`, 2, "no address") })
	}
}

func TestDecision29AddressIsStored(t *testing.T) {
	playBody(t, `set ipaddr "10.1.2.3"`, "address 10.1.2.3")
	playBody(t, `set ipaddr getip 2`, "send \"1.1.1.1 010.2.2.255\"\naddress 10.2.2.255")
}

func TestDecision30SettingsStay(t *testing.T) {
	playBody(t, "set port databits 7\nset port parity even", "mode 8N1\nformat 7E1")
}

func TestDecision31HighBitIsTheLinesMatter(t *testing.T) {
	login := "send \"\\xec\\xef\\xe7\\xe9\\xee\\xba\"\n" // login: with mark parity
	playBody(t, "waitfor \"login:\" until 5\n"+tell("$SUCCESS"), login+`expect "n"`)
	playBody(t, "waitfor \"login:\" until 5\n"+tell("$SUCCESS"), "strip7\n"+login+`expect "y"`)
}

func TestDecision32HaltWithoutAUser(t *testing.T) {
	playBody(t, "transmit \"a\"\nhalt\ntransmit \"b\"", "expect \"a\"\noutcome halted\nline 3\ncode 703\nerror \"t.scp:3: halt: \"")
}

func TestDecision33LostLine(t *testing.T) {
	playBody(t, "waitfor \"login\"", "send \"log\"\nhangup\noutcome failed\nline 2\ncode 629\nerror \"received last: \\\"log\\\"\"")
	playBody(t, "getip", "hangup\noutcome failed\nline 2\ncode 629\nerror \"t.scp:2: getip: \"")
	playBody(t, "delay 1\ntransmit \"x\"", "hangup\noutcome failed\nline 3\ncode 629\nerror \"t.scp:3: transmit: \"")
	playBody(t, "waitfor \"x\" until 50", "hangup\noutcome failed\nline 2\ncode 629\ntook 0s")
}

func TestDecision34NoLengthLimits(t *testing.T) {
	name := strings.Repeat("n", 5000)
	text := strings.Repeat("t", 20000)
	expectRun(t, "string "+name+"\n"+name+" = \""+text+"\" + \""+text+"\"\ntransmit "+name, text+text)
}

func TestDecision35OtherPortSettings(t *testing.T) {
	check(t, findingsOf(body("set port baud 9600")), `2:10 "databits", "parity" and "stopbits"`)
}
