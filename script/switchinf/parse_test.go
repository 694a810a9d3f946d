package switchinf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/switchinf"
)

func TestFindings(t *testing.T) {
	const head = "[x]\nCOMMAND=a\n"
	many := strings.Repeat
	tests := []struct {
		name string
		file string // "switch.inf" unless given
		src  string
		want []string // "LINE:COL: SEVERITY: …", the start of the text or a part of it behind …
		fail bool     // whether Parse fails
	}{
		{name: "nothing wrong", src: head + "OK=<ignore>\n; comment\n\nCOMMAND=b\nNoResponse\n"},
		{name: "UTF-16", src: "\xff\xfe[\x00x\x00]\x00", want: []string{"1:1: error: the file is in UTF-16"}, fail: true},
		{name: "UTF-16, the other way round", src: "\xfe\xff\x00[\x00x\x00]", want: []string{"1:1: error: the file is in UTF-16"}, fail: true},
		{name: "UTF-16 without a mark", src: "[\x00x\x00]\x00", want: []string{"1:1: error: the file contains NUL bytes"}, fail: true},
		{name: "a UTF-8 mark is passed over", src: "\ufeff[x]\nCOMMAND=\n"},
		{name: "a file of over a mebibyte", src: head + many(";", 1<<20), want: []string{"1:1: error: the file has 1"}, fail: true},
		{name: "no section", src: "; nothing\n", want: []string{"1:1: warning: the file has no section"}},
		{name: "a name of 31 characters", src: "[" + many("n", 31) + "]\nCOMMAND=\n"},
		{name: "a name of 32", src: "[" + many("n", 32) + "]\nCOMMAND=\n", want: []string{"1:33: warning: a section's name"}},
		{name: "no name", src: "[ ]\nCOMMAND=\n", want: []string{"1:1: error: the section has no name"}, fail: true},
		{name: "two sections of one name", src: head + "[y]\nCOMMAND=\n[X]\nCOMMAND=\n", want: []string{`5:1: warning: there is a section "x" in line 1`}},
		{name: "text behind the name", src: "[x] y\nCOMMAND=\n", want: []string{"1:4: warning: text after"}},
		{name: "a bracket that does not close", src: head + "[y\n", want: []string{"3:3: error: the section's name has no closing bracket, and the line is skipped: write [y]"}},
		{name: "lines before the first section", src: "OK=\nx\n[x]\nCOMMAND=\n", want: []string{"1:1: warning: lines before"}},
		{name: "an indented comment", src: head + "  ; note\n", want: []string{"3:3: warning: a comment begins in column 1"}},
		{name: "no form", src: head + "half of a comment\nOKAY=\nNoResponse=\n", want: []string{
			"3:1: error: this is no command", `4:1: error: there is no keyword "OKAY", and the line is skipped: write OK=`, "5:1: error: this is no command or response, and is skipped: write NoResponse"}},
		{name: "keywords with an error", src: head + "COMAND=a\nOK <match>\"x\"\nCONECT=\nNoRespnse\n<<<<<<< a\n", want: []string{
			`3:1: error: there is no keyword "COMAND", and the line is skipped: write COMMAND=`, "4:1: error: an equals sign is missing after the keyword, and the line is skipped: write OK=",
			`5:1: error: there is no keyword "CONECT"`, "6:1: error: this is no command or response, and is skipped: write NoResponse", "7:1: error: <<<<<<< is the conflict marker"}},
		{name: "NoResponse as a text", src: "[x]\nCOMMAND= NoResponse\n", want: []string{"2:9: warning: the text NoResponse is sent here"}},
		{name: "escapes of other languages", src: "[x]\nCOMMAND=a^M\nNoResponse\nCOMMAND=b\\r\n", want: []string{"2:10: warning: ^M is sent as two characters: write <cr>", `4:10: warning: \r is sent as two characters: write <cr>`}},
		{name: "an error that is none", src: head + "ERROR_NO_CARIER=a\nERROR_FOO=b\nERROR_BUSY=c\n", want: []string{
			"3:1: warning: there is no error ERROR_NO_CARIER: write ERROR_NO_CARRIER=", "4:1: warning: there is no error ERROR_FOO: the names are those of Raserror.h", "5:1: warning: there is no error ERROR_BUSY"}},
		{name: "a final Ctrl-Z", src: "[x]\r\nCOMMAND=a\r\n\x1a"},
		{name: "text after a Ctrl-Z", src: "[x]\nCOMMAND=a\n\x1a\nCOMMAND=b\n", want: []string{"3:1: warning: a Ctrl-Z (byte 0x1A) ends the file here"}},
		{name: "lines that end in CR", src: "[x]\rCOMMAND=a<cr>\rNo\rNoResponse\r", want: []string{"3:1: error: this is no command"}},
		{name: "invisible characters", src: "[x]\nCOMMAND=\u00a0\nOK=<match>\u201clogin:\u201d\n", want: []string{"2:9: warning: a no-break space (U+00A0)", "3:4: error: <match> needs", "3:11: warning: a curly quote"}, fail: true},
		{name: "macros by other names", src: "[x]\nCOMMAND=<pass><crlf>\nOK=<mach>\"x\"\n", want: []string{"2:9: error: there is no macro <pass>: write <password>", "2:15: error: there is no macro <crlf>: write <cr><lf>", "3:4: error: there is no macro <mach>: write <match>"}, fail: true},
		{name: "small letters", src: "[x]\ncommand=a\nok=b\nConnect_Ec=c\nnoresponsE\n", want: []string{
			"2:1: warning: write COMMAND in capital", "3:1: warning: write OK in capital", "4:1: warning: write CONNECT_EC in capital",
			"5:1: error: NoResponse stands beside"}, fail: true},
		{name: "a blank before the equals sign", src: "[x]\nCOMMAND =a\n", want: []string{"2:8: warning: write COMMAND= without spaces"}},
		{name: "a response before any command", src: "[x]\nOK=b\n", want: []string{"2:1: error: a section begins with COMMAND="}},
		{name: "no command", src: "[x]\n; nothing\n[y]\nCOMMAND=\n", want: []string{`1:1: error: section "x" has no COMMAND=`}},
		{name: "an unknown macro", src: head + "OK=a<user>b<xyz>\n", want: []string{
			"3:5: error: there is no macro <user>", "3:12: error: there is no macro <xyz>"}, fail: true},
		{name: "a plain <", src: "[x]\nCOMMAND=a<b\nOK=<\n", want: []string{"2:10: error: < without >", "3:4: error: < without >"}, fail: true},
		{name: "hexadecimal digits", src: "[x]\nCOMMAND=<h1><h1g><h123><hFf><H0a>\nOK=<ignore>\n", want: []string{
			"2:9: error: there is no macro <h1>", "2:13: error: there is no macro <h1g>", "2:18: error: there is no macro <h123>"}, fail: true},
		{name: "response macros in a command", src: "[x]\nCOMMAND=<?><match>\"a\"<ignore><diagnostics>\n", want: []string{
			"2:9: error: <?> is no part of a command", "2:12: error: <match> is no part", "2:22: error: <ignore> is no part", "2:30: error: <diagnostics> is no part"}, fail: true},
		{name: "command macros in a response", src: head + "OK=<username><password>\n", want: []string{
			"3:4: error: <username> is no part of a response", "3:14: error: <password> is no part"}, fail: true},
		{name: "X.25 macros", src: "[x]\nCOMMAND=<x25address><userdata><facilities>\n", want: []string{
			"2:9: error: <x25address> is for PAD.INF", "2:21: error: <userdata> is for PAD.INF", "2:31: error: <facilities> is for PAD.INF"}, fail: true},
		{name: "X.25 macros in PAD.INF", file: `C:\WINNT\PAD.INF`, src: "[x]\nCOMMAND=<x25address><UserData><facilities>\n"},
		{name: "X.25 macros in a response of PAD.INF", file: "pad.inf", src: head + "OK=<userdata>\n", want: []string{"3:4: error: <userdata> is no part"}, fail: true},
		{name: "a match without a text", src: head + "OK=<match>a\nERROR=<match>\n", want: []string{
			"3:4: error: <match> needs a text", "4:7: error: <match> needs a text"}, fail: true},
		{name: "a match that does not end", src: head + "OK=<match>  \"a\n", want: []string{"3:13: error: the closing quote"}, fail: true},
		{name: "an empty match", src: head + "OK=<match>\"\"\n", want: []string{"3:11: error: the quotes are empty"}, fail: true},
		{name: "a quote elsewhere", src: head + "OK=a\"b\n"},
		{name: "an empty pattern", src: head + "OK= \n", want: []string{"3:1: warning: an empty pattern never fits"}},
		{name: "a pattern that is too long", src: head + "OK= " + many("a", 1001) + "\n", want: []string{"3:5: error: the pattern is longer"}, fail: true},
		{name: "text after ignore", src: head + "OK=<ignore>a<\n", want: []string{"3:12: error: text after <ignore>"}},
		{name: "text after diagnostics", src: head + "ERROR_DIAGNOSTICS=<diagnostics><ignore>\n", want: []string{"3:32: error: text after <ignore>"}},
		{name: "diagnostics without a text", src: head + "ERROR_DIAGNOSTICS=no\n", want: []string{"3:1: warning: ERROR_DIAGNOSTICS= without"}},
		{name: "NoResponse first", src: head + "NoResponse\nOK=a\n", want: []string{"4:1: error: OK= stands beside NoResponse"}, fail: true},
		{name: "too many responses", src: head + many("OK=a\n", 66), want: []string{"67:1: error: the command in line 2 has more than 64"}, fail: true},
		{name: "a command after a command", src: head + "COMMAND=b\nOK=c\nCOMMAND=d\nCOMMAND=e\n", want: []string{
			"3:1: error: this command is never reached: the one in line 2", "6:1: error: this command is never reached: the one in line 5"}},
		{name: "a command after CONNECT", src: head + "CONNECT=b\nERROR=d\nCOMMAND=c\n", want: []string{"5:1: warning: this command is never reached"}},
		{name: "settings in SWITCH.INF", src: "[x]\nDEFAULTOFF=\nCOMMAND=\n<speaker>=M0\n", want: []string{
			"2:1: warning: DEFAULTOFF= has no meaning", "4:1: warning: <speaker>= has no meaning"}},
		{name: "settings in PAD.INF", file: "pad.inf", src: "[x]\nDEFAULTOFF=\nMAXCARRIERBPS=1\nMAXCONNECTBPS=1\nCALLBACKTIME=1\nDEVICETYPE=a\n" +
			"DETECT_STRING=a\nDETECT_RESPONSE=a\nCOMMAND=\n"},
		{name: "a section named like a setting", file: "pad.inf", src: "[DEFAULTOFF]\nDEFAULTOFF=\nCOMMAND=\n"},
		{name: "MODEM.INF", file: "modem.inf", src: "[Modem]\n<speaker>=<speaker_on>\nCALLBACKTIME=10\nCOMMAND_INIT=AT<cr>\nOK=<cr><ignore>/ARQ<ignore>\n" +
			"CONNECT=<match>\"CONNECT\"<carrierbps><?>\n[Responses]\nERROR=<other>\n"},
		{name: "modems by their commands", file: "my.inf", src: "[Modem]\nCOMMAND_DIAL=ATDT<phonenumber><cr>\n"},
		{name: "joined lines keep their places", src: "[x]\nCOMMAND=ab\\\nc\\\\d<no>\\\n; comment\n<nor this>\n", want: []string{
			"3:5: error: there is no macro <no>", "5:1: error: there is no macro <nor this>"}, fail: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file == "" {
				tt.file = "switch.inf"
			}
			f, err := switchinf.Parse(tt.file, []byte(tt.src))
			if (err != nil) != tt.fail || f == nil {
				t.Errorf("Parse = %v, %v; want failure %v", f, err, tt.fail)
			}
			checkFindings(t, tt.file, f.Findings(), tt.want)
			var pe *lint.ParseError
			if tt.fail && (!errors.As(err, &pe) || !errors.Is(err, ras.ErrScriptSyntax) || len(pe.Findings) != len(f.Findings())) {
				t.Errorf("error %#v has other findings than the file", err)
			}
		})
	}
}

func checkFindings(t *testing.T, file string, got []lint.Finding, want []string) {
	t.Helper()
	for i, f := range got {
		if i >= len(want) || !strings.HasPrefix(f.String(), file+":"+want[i]) {
			t.Errorf("finding %d: %v", i, f)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d findings, want %d: %q", len(got), len(want), want)
	}
}

func TestFindingsHaveLimits(t *testing.T) {
	src := "[x]\nCOMMAND=" + strings.Repeat("<no>", 1000) + strings.Repeat("\n  ;", 1000) + strings.Repeat("\n[a]", 1000)
	_, err := switchinf.Parse("a.inf", []byte(src))
	var pe *lint.ParseError
	if !errors.As(err, &pe) || len(pe.Errors()) != 20 || len(pe.Findings) != 122 {
		t.Fatalf("%v with %d findings, want 20 errors, 100 warnings and how many more there are", err, len(pe.Findings))
	}
	if !strings.HasPrefix(err.Error(), "a.inf:2:9: there is no macro <no>") || !strings.HasSuffix(err.Error(), "(and 19 more errors)") {
		t.Errorf("error %q", err)
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, tt := range []struct{ src, want string }{
		{"[x]\n\tCOMMAND=\xe4<no>", " COMMAND=ä<no>\n          ^"},
		{"[x]\nCOMMAND=" + long + "<no>" + long, long[:100] + "<no>" + long[:96] + "\n" + strings.Repeat(" ", 100) + "^"},
	} {
		f, _ := switchinf.Parse("a.inf", []byte(tt.src))
		if got := f.Findings()[0].Excerpt(); got != tt.want {
			t.Errorf("excerpt\n%s\nwant\n%s", got, tt.want)
		}
	}
}

func TestWarningsAreWhatARunPassesOver(t *testing.T) {
	f, err := switchinf.Parse("a.inf", []byte("[x]\nhalf of a comment\nCOMMAND=\n"))
	if err != nil || len(f.Warnings()) != 1 || f.Warnings()[0].Severity != lint.SeverityWarning ||
		f.Findings()[0].Severity != lint.SeverityError {
		t.Errorf("warnings %v, findings %v, %v", f.Warnings(), f.Findings(), err)
	}
}

func TestSections(t *testing.T) {
	tests := []struct{ file, src, want string }{
		{"switch.inf", "[b]\nCOMMAND=\nCOMMAND=\n[a]\nOK=\n[B]\n", "[{b switch 1 2 []} {a switch 4 1 []}]"},
		{"pad.inf", "[a]\nDEVICETYPE=x\nCOMMAND=\n", "[{a pad 1 1 [{DEVICETYPE x 2}]}]"},
		{"modem.inf", "[a]\n<on>=M1\nCOMMAND_INIT=AT\nOK=\nCOMMAND_DIAL=ATD\n[responses]\nOK=<cr>\n",
			"[{a modem 1 2 [{<on> M1 2}]} {responses responses 6 0 []}]"},
		{"empty.inf", "", "[]"},
	}
	for _, tt := range tests {
		f, err := switchinf.Parse(tt.file, []byte(tt.src))
		if got := fmt.Sprint(f.Sections()); got != tt.want || err != nil {
			t.Errorf("%s: sections %s, %v; want %s", tt.file, got, err, tt.want)
		}
	}
}

func TestScriptRejects(t *testing.T) {
	const src = "[good]\nCOMMAND=a<cr>\n[bad]\nCOMMAND=<no>\n[empty]\n"
	tests := []struct {
		file, src, section string
		code               ras.Code
		why                string
	}{
		{"switch.inf", src, "other", ras.ErrDevicenameNotFound, `the file has "good", "bad", "empty"`},
		{"switch.inf", "", "other", ras.ErrDevicenameNotFound, "the file has none"},
		{"switch.inf", src, "bad", ras.ErrScriptSyntax, "errors in the section, 1 in all"},
		{"switch.inf", src, "empty", ras.ErrNoCommandFound, "no COMMAND="},
		{"modem.inf", "[m]\nCOMMAND_INIT=AT<cr>\n", "m", ras.ErrNotSupported, "not run"},
	}
	for _, tt := range tests {
		f, _ := switchinf.Parse(tt.file, []byte(tt.src))
		_, err := f.Script(tt.section)
		var e *switchinf.Error
		if !errors.As(err, &e) || !errors.Is(err, tt.code) || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("Script(%q) = %v, want %v that mentions %q", tt.section, err, tt.code, tt.why)
		}
	}
	f, err := switchinf.Parse("switch.inf", []byte(src))
	if _, err2 := f.Script(" GOOD "); err == nil || err2 != nil {
		t.Errorf("a section without mistakes beside one with: %v, %v; want a parse error and a script", err, err2)
	}
}
