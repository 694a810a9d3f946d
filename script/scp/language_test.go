package scp

import (
	"fmt"
	"strings"
	"testing"
)

func TestEscapes(t *testing.T) {
	tests := []struct{ written, sent string }{
		{`^@`, "\x00"}, {`^A`, "\x01"}, {`^M`, "\r"}, {`^Z`, "\x1A"}, {`^[`, "\x1B"}, {`^\`, "\x1C"},
		{`^]`, "\x1D"}, {`^^`, "\x1E"}, {`^_`, "\x1F"}, {`^a`, "\x01"}, {`^m`, "\r"}, {`^z`, "\x1A"},
		{`^?`, `^?`}, {`^1`, `^1`}, {`^{`, `^{`}, {`^`, `^`}, {"^`", "^`"}, {"^\xE4", "^\xE4"}, {`^ M`, `^ M`},
		{`<cr>`, "\r"}, {`<lf>`, "\n"}, {`<CR>`, "\r"}, {`<Lf>`, "\n"},
		{`<`, `<`}, {`<cr`, `<cr`}, {`<crx`, `<crx`}, {`<xyz>`, `<xyz>`}, {`<c>`, `<c>`}, {`<<cr>`, "<\r"}, {`<cr>>`, "\r>"},
		{`\"`, `"`}, {`\^`, `^`}, {`\^M`, `^M`}, {`\<`, `<`}, {`\<cr>`, `<cr>`}, {`\\`, `\`}, {`\\^M`, "\\\r"},
		{`\q`, `\q`}, {`\`, `\`}, {`\^@`, `^@`}, {`^^M`, "\x1EM"}, {`^\\`, "\x1C\\"}, {`^<cr>`, `^<cr>`}, {`\q<cr>`, "\\q\r"},
		{``, ``}, {`plain`, `plain`}, {`a^Mb<lf>c`, "a\rb\nc"},
	}
	for _, tt := range tests {
		if got := expand(tt.written); got != tt.sent {
			t.Errorf("expand(%q) = %q, want %q", tt.written, got, tt.sent)
		}
		quoted := fmt.Sprintf("user %q\nexpect %q", tt.written, tt.sent)
		if tt.written == "" {
			continue // there is no empty name
		}
		t.Run("user name "+tt.written, func(t *testing.T) { playBody(t, "transmit $USERID", quoted) })
		raw := fmt.Sprintf("user %q\nexpect %q", tt.written, tt.written)
		t.Run("raw user name "+tt.written, func(t *testing.T) { playBody(t, "transmit $USERID, raw", raw) })
		if strings.HasSuffix(tt.written, `\`) && !strings.HasSuffix(tt.written, `\\`) || tt.written == `\"` || tt.written == "^\\\\" {
			continue // would not be a string literal, or another one
		}
		t.Run("literal "+tt.written, func(t *testing.T) { expectRun(t, `transmit "`+tt.written+`"`, tt.sent) })
		t.Run("raw literal "+tt.written, func(t *testing.T) { expectRun(t, `transmit "`+tt.written+`", raw`, tt.written) })
	}
}

func TestCredentials(t *testing.T) {
	tests := []struct{ name, user, password, commands, want string }{
		{"raw", `DOM\user^M`, `p<cr>\\w`, `transmit $USERID, raw transmit "^M" transmit $PASSWORD, raw transmit "^M"`, "DOM\\user^M\rp<cr>\\\\w\r"},
		{"not raw", `DOM\user^M`, `p<cr>\\w`, `transmit $USERID transmit $PASSWORD`, "DOM\\user\rp\r\\w"},
		{"high bytes", "j\xFCrgen", "p\xE4\xDFw", `transmit $USERID, raw transmit $PASSWORD, raw`, "j\xFCrgenp\xE4\xDFw"},
		{"joined", "guest", "secret", `string s = $USERID + "^M" s = s + $PASSWORD transmit s + "^M"`, "guest\rsecret\r"},
		{"compared", "guest", "secret", tell(`$USERID == "guest"`, `$PASSWORD == "guest"`, `$PASSWORD != "guest"`), "yny"},
		{"empty", "", "", `if $USERID != "" then transmit $USERID endif transmit $PASSWORD ` + tell(`$PASSWORD == ""`), "y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			playBody(t, tt.commands, fmt.Sprintf("user %q\npassword %q\nexpect %q", tt.user, tt.password, tt.want))
		})
	}
}

func TestExpressions(t *testing.T) {
	expectRun(t, "integer n = 7\nboolean t = TRUE\nboolean f\nstring s = \"abc\"\n"+tell(
		"1 + 2 * 3 == 7",
		"(1 + 2) * 3 == 9",
		"10 - 4 - 3 == 3",
		"24 / 4 / 2 == 3",
		"-2 * -3 == 6",
		"- -n == 7",
		"!n == -8",
		"1 < 2 == TRUE",
		"2 + 2 < 5 and 5 >= 5",
		"1 != 2 and 2 <= 2 and 3 > 2",
		"t or f and f",
		"!(t and f)",
		"!f",
		"t == !f",
		`s + "d" == "abcd"`,
		`s == "ABC" or s != "abc"`,
		"n == 7 and s == \"abc\" and t",
	), "yyyyyyyyyyyyyyyny")
}

func TestAndOrStopWhenTheResultIsKnown(t *testing.T) {
	expectRun(t, tell("FALSE and 1 / 0 == 1", "TRUE or 1 / 0 == 1"), "ny")
	expectFailure(t, "boolean b = TRUE and 1 / 0 == 1", 2, "division by zero")
	expectFailure(t, "boolean b = FALSE or 1 / 0 == 1", 2, "division by zero")
}

func TestErrorsNameTheOperatorsPlace(t *testing.T) {
	prog, err := Parse("t.scp", []byte(body("integer n", "n = 1 +", "  2 / 0")))
	if err != nil {
		t.Fatal(err)
	}
	line, col := prog.src.Place(int(prog.code[3].pos))
	if prog.code[3].op != opDivide || line != 4 || col != 5 {
		t.Errorf("the division is at %d:%d, want 4:5", line, col)
	}
	expectFailure(t, "integer n\nn = 1 +\n  2 / 0", 4, "t.scp:4: division by zero")
}

func TestWhile(t *testing.T) {
	tests := []struct{ name, commands, want string }{
		{"rounds", "integer n\nwhile n < 3 do\ntransmit \"x\"\nn = n + 1\nendwhile\ntransmit \"y\"", "xxxy"},
		{"never", "while FALSE do\ntransmit \"x\"\nendwhile", ""},
		{"goto out of it", "while TRUE do\nif TRUE then\ngoto out\nendif\nendwhile\nout: transmit \"y\"", "y"},
		{"in each other", "integer a\ninteger b\nwhile a < 2 do\nb = 0\nwhile b < 2 do\ntransmit \"b\"\nb = b + 1\nendwhile\ntransmit \"a\"\na = a + 1\nendwhile", "bbabba"},
		{"label before endwhile", "integer n\nwhile n < 2 do\nn = n + 1\ntransmit \"a\"\nif n == 1 then goto skip endif\ntransmit \"b\"\nskip:\nendwhile", "aab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectRun(t, tt.commands, tt.want) })
	}
}

func TestLabels(t *testing.T) {
	tests := []struct{ name, commands, want string }{
		{"before endproc", "transmit \"a\"\ngoto out\ntransmit \"b\"\nout:", "a"},
		{"before endif", "if TRUE then\ngoto out\ntransmit \"b\"\nout:\nendif\ntransmit \"c\"", "c"},
		{"two at one place", "goto b\na: b:\ntransmit \"x\"\nif FALSE then goto a endif", "x"},
		{"backwards", "integer n\na: transmit \"x\"\nn = n + 1\nif n < 3 then goto a endif", "xxx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expectRun(t, tt.commands, tt.want) })
	}
}

func TestLayout(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"comment after then", "proc main ; main\nif TRUE then ; yes\ntransmit \"a\" ; a\nendif ; done\nendproc ; end", "a"},
		{"a command over several lines", "proc main\ntransmit\n; not yet\n\"a\"\n+\n\"b\"\n,\nraw\nendproc", "ab"},
		{"commands on one line", "proc main transmit \"a\" if TRUE then transmit \"b\" endif x: transmit \"c\" endproc", "abc"},
		{"no blanks", "proc main transmit\"a\"transmit\"b\"if(TRUE)then transmit\"c\"endif endproc", "abc"},
		{"a script that does nothing", "proc main endproc", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { play(t, tt.src, fmt.Sprintf("expect %q", tt.want)) })
	}
	play(t, "proc main\nwaitfor\n\"one\"\nthen\none\n,\n\"two\", matchcase then two\nuntil\n5\none: transmit \"1\"\ntwo: transmit \"2\"\nendproc",
		"send \"Two two\"\nexpect \"2\"")
}

func TestWaitfor(t *testing.T) {
	tests := []struct{ name, commands, dialogue string }{
		{"case is ignored", `waitfor "LoGin:" until 5` + "\n" + tell("$SUCCESS"), "send \"lOGIN:\"\nexpect \"y\""},
		{"only ASCII letters fold", "waitfor \"\xC4[\" until 5\n" + tell("$SUCCESS"), "send \"\\xe4[\\xc4{\"\nexpect \"n\"\ntook 5s"},
		{"matchcase", `waitfor "Login",matchcase until 5` + "\n" + tell("$SUCCESS"), "send \"login LOGIN\"\nwait 1s\nsend \" Login\"\nexpect \"y\"\ntook 1s"},
		{"codes in the text", `waitfor "a^M<lf>\"" until 5` + "\n" + tell("$SUCCESS"), "send \"a\\r\\n\\\"\"\nexpect \"y\""},
		{"the rest stays", `waitfor "a" until 5` + "\n" + `waitfor "b" until 5` + "\n" + tell("$SUCCESS"), "send \"xaybz\"\nexpect \"y\"\nrest \"z\""},
		{"traffic does not push the limit back", `waitfor "x" until 3` + "\n" + tell("$SUCCESS"), "send \"a\"\nwait 2s\nsend \"b\"\nwait 2s\nsend \"x\"\nexpect \"n\"\ntook 3s\nrest \"\""},
		{"the limit is an expression", "integer n = 2\nwaitfor \"x\" until n * 2 + 1\n" + tell("$SUCCESS"), "expect \"n\"\ntook 5s"},
		{"a timeout goes on, not to a label", "waitfor \"x\" then got until 2\ntransmit \"late\"\ngoto out\ngot: transmit \"got\"\nout:", "expect \"late\"\ntook 2s"},
		{"a match goes to its label", "waitfor \"x\" then got, \"y\" then goty until 2\ntransmit \"late\"\ngoto out\ngot: transmit \"x\"\ngoto out\ngoty: transmit \"y\"\nout:", "send \"y\"\nexpect \"y\"\ntook 0s"},
		{"a text from variables", "string s = \"log\"\nwaitfor s + $USERID until 5\n" + tell("$SUCCESS"), "user \"in\"\nsend \"LOGIN\"\nexpect \"y\""},
		{"the text changes in a loop", "integer n\nstring s = \"a\"\nwhile n < 3 do\nwaitfor s until 5\nif $SUCCESS then transmit s endif\ns = s + \"b\"\nn = n + 1\nendwhile", "send \"aababb\"\nexpect \"aababb\"\ntook 0s"},
		{"timeout, then success in a loop", "integer n\nwhile n < 5 do\ntransmit \"^M\"\nwaitfor \"login:\" then found until 10\nn = n + 1\nendwhile\nhalt\nfound: transmit \"guest^M\"",
			"expect \"\\r\"\nsilence 9s\nwait 1s\nexpect \"\\r\"\nwait 9s\nsend \"login: \"\nexpect \"guest\\r\"\ntook 19s\nrest \" \""},
		{"without limit", "waitfor \"x\"\ntransmit \"y\"", "wait 59m\nsend \"x\"\nexpect \"y\"\ntook 59m"},
		{"the host's limit ends it", "waitfor \"x\" until 100", "limit 1m\noutcome failed\nline 2\ncode 638\ntook 1m"},
		{"the host's limit ends one without until", "waitfor \"x\"", "limit 1m\noutcome failed\nline 2\ncode 638\ntook 1m\nerror \"waitfor \\\"x\\\"\""},
		{"the host's limit for silence", "waitfor \"x\" until 100\ntransmit \"z\"", "idle 5s\nsend \"a\"\nwait 4s\nsend \"b\"\noutcome failed\nline 2\ncode 638\ntook 9s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, tt.dialogue) })
	}
}

func TestGetip(t *testing.T) {
	tests := []struct{ name, commands, dialogue string }{
		{"as a command", "getip\n" + tell("$SUCCESS"), "send \"1.2.3.4 \"\nexpect \"y\"\nrest \" \""},
		{"as an initialiser", "string s = getip 2\ntransmit s", "send \"1.2.3.4 5.6.7.8 \"\nexpect \"5.6.7.8\"\nrest \" \""},
		{"in parentheses", "transmit (getip) + \"!\"", "send \"1.2.3.4 \"\nexpect \"1.2.3.4!\"\nrest \" \""},
		{"with a variable", "integer n = 3\ntransmit getip n", "send \"1.1.1.1 2.2.2.2 3.3.3.3 \"\nexpect \"3.3.3.3\"\nrest \" \""},
		{"one after the other", "transmit getip\ntransmit getip", "send \"1.1.1.1.x 2.2.2.2 \"\nexpect \"1.1.1.12.2.2.2\"\nrest \" \""},
		{"after a waitfor", "waitfor \"address\" until 5\nset ipaddr getip\nwaitfor \"mtu\" until 5\n" + tell("$SUCCESS"),
			"send \"Your address is 10.0.0.7, MTU 1500\"\nexpect \"y\"\naddress 10.0.0.7\nrest \" 1500\""},
		{"what follows is searched", "getip\nwaitfor \". n\" until 5\n" + tell("$SUCCESS"), "send \"1.1.1.1. next\"\nexpect \"y\"\nrest \"ext\""},
		{"the host's limit ends it", "getip", "limit 1m\noutcome failed\ncode 638\nline 2\ntook 1m"},
		{"silence after the first of two", "transmit getip 2", "send \"1.1.1.1\"\nwait 5s\nsend \"2.2.2.2 3.3.3.3 \"\nexpect \"3.3.3.3\"\nrest \" \""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, tt.dialogue) })
	}
	for _, n := range []string{"0", "-1", "1 - 1"} {
		t.Run("ordinal "+n, func(t *testing.T) { expectFailure(t, "getip ("+n+")", 2, "must be 1 or more") })
	}
}

func TestDelay(t *testing.T) {
	playBody(t, "delay 90\ntransmit \"x\"", "silence 89s\nexpect \"x\"\ntook 90s")
	playBody(t, "delay 0\ndelay -5\ntransmit \"x\"", "expect \"x\"\ntook 0s")
	playBody(t, "delay 100", "limit 1m\noutcome failed\nline 2\ncode 638\ntook 1m\nerror \"t.scp:2: delay: \"")
}

func TestSetPort(t *testing.T) {
	tests := []struct{ name, commands, dialogue string }{
		{"7E1 and back", "set port databits 7 set port parity even transmit \"a\" set port parity none set port databits 8", "mode 8N1\nexpect \"a\"\nformat 8N1"},
		{"what is not set stays", "set port databits 8", "mode 7O2\nformat 8O2"},
		{"every parity", "set port parity odd set port parity mark", "format 8M1"},
		{"space", "set port parity space", "format 8S1"},
		{"two stop bits", "set port stopbits 2", "format 8N2"},
		{"five data bits with two stop bits have one and a half", "set port stopbits 2 set port databits 5", "format 5N1.5"},
		{"and two again with more", "set port stopbits 2 set port databits 5 set port databits 7", "format 7N2"},
		{"one and a half count as two", "set port databits 8", "mode 5N1.5\nformat 8N2"},
		{"a port without a mode", "set port databits 7 transmit \"on\"", "modeless\nexpect \"on\""},
		{"last item of a line", "set port databits 7 set port parity\neven", "format 7E1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, tt.dialogue) })
	}
}

func TestExactTakesNothingPastTheLastMatch(t *testing.T) {
	playBody(t, "waitfor \"ogin:\" until 5\ntransmit \"guest^M\"\nwaitfor \"PPP\" then done, \"connected\" then done until 5\nhalt\ndone:",
		"exact\nsend \"Welcome\\r\\nlogin:\"\nexpect \"guest\\r\"\nsend \"starting PPP~\\xff}#!\"\nrest \"~\\xff}#!\"")
}

func TestThePasswordIsNeverShown(t *testing.T) {
	tests := []struct{ name, commands, dialogue string }{
		{"sent raw", "transmit $PASSWORD, raw\nwaitfor \"x\" until 5", "expect \"hunt^ER2\"\nsend \"hunt^ER2\""},
		{"sent with codes", "transmit $PASSWORD\nwaitfor \"x\" until 5", "expect \"hunt\\x05R2\"\nsend \"hunt\\x05R2\""},
		{"sent as a part", "string s = $USERID + \"/\" + $PASSWORD + \"^M\"\ntransmit s, raw\ndelay 1\nwaitfor \"x\" until 5", "user \"joe\"\nexpect \"joe/hunt^ER2^M\"\nsend \"joe/hunt^ER2\""},
		{"echoed before a failure", "transmit $PASSWORD, raw\nwaitfor \"x\"", "expect \"hunt^ER2\"\nsend \"hunt^ER2\"\nhangup\noutcome failed\ncode 629"},
		{"awaited in vain", "waitfor $PASSWORD until 5\ntransmit \"x\"", "expect \"x\""},
		{"awaited on a lost line", "waitfor $PASSWORD", "hangup\noutcome failed\ncode 629"},
		{"awaited in silence", "waitfor \"x\" + $PASSWORD, matchcase until 50", "idle 5s\noutcome failed\ncode 638"},
		{"awaited until the host's limit", "waitfor $PASSWORD", "limit 5s\noutcome failed\ncode 638"},
		{"taken for an address", "set ipaddr $PASSWORD", "outcome failed\nerror \"is no address\""},
		{"written in the script", "waitfor \"hunt^ER2\"", "hangup\noutcome failed\ncode 629"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { playBody(t, tt.commands, "password \"hunt^ER2\"\n"+tt.dialogue) })
		plain := strings.NewReplacer("hunt^ER2", "hunter22", `hunt\x05R2`, "hunter22")
		t.Run(tt.name+", plain", func(t *testing.T) {
			playBody(t, plain.Replace(tt.commands), "password \"hunter22\"\n"+plain.Replace(tt.dialogue))
		})
	}
}
