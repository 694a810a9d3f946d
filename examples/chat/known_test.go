//go:build linux

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// knownDifferences are those that are meant. A case holds what each program
// does; the test fails when one of them changes its mind.
var knownDifferences = []struct {
	name, reason string
	play         play
	ours, theirs seen
}{
	{
		name:   "high bit of what is left unread",
		reason: "PPP must get its first frame as it came; chat(8) lets the terminal strip it",
		play:   play{args: []string{"-S", "", "x", "OK"}, replys: []string{"OK\xff\x83"}},
		ours:   seen{sent: "x\r", left: "\xff\x83"},
		theirs: seen{sent: "x\r", left: "\x7f\x03"},
	},
	{
		name:   "the text of -U in the log",
		reason: "many scripts pass the password by it",
		play:   play{args: []string{"-Ssv", "-U", "sesame", "", `x\U`}},
		ours:   seen{sent: "xsesame\r", stderr: "send (x??????^M)\n"},
		theirs: seen{sent: "xsesame\r", stderr: "send (xsesame^M)\n"},
	},
	{
		name:   "text of a file in the log",
		reason: "it is a secret",
		play:   play{args: []string{"-Ssv", "", "@@FILE"}, file: "sesame\n"},
		ours:   seen{sent: "sesame\r", stderr: "send (??????)\n"},
		theirs: seen{sent: "sesame\r", stderr: "send (sesame^M)\n"},
	},
	{
		name:   "echo of a secret",
		reason: "an echoing far end must not bring it into the log, nor into pppd's connect-errors",
		play:   play{args: []string{"-Sse", "", `\qsesame`, "\n"}, replys: []string{"x Sesame\r\n"}},
		ours:   seen{sent: "sesame\r", stderr: "x ***\n"},
		theirs: seen{sent: "sesame\r", stderr: "x Sesame\n"},
	},
	{
		name:   "SAY with a secret",
		reason: "the same",
		play:   play{args: []string{"-S", "-U", "sesame", "SAY", `the word \U\n\c`}},
		ours:   seen{stderr: "the word ***\n"},
		theirs: seen{stderr: "the word sesame\n"},
	},
	{
		name:   "mistakes in a file",
		reason: "the whole file is read first, so that no half-dialled call is left",
		play:   play{args: []string{"-Ss", "-f", "@FILE"}, file: "'' AT\nOK 'x\n", replys: []string{"OK"}},
		ours:   seen{status: 1, stderr: "unterminated quote (line 2)\n"},
		theirs: seen{status: 1, sent: "AT\r", stderr: "unterminated quote (line 2)\n"},
	},
	{
		name:   "a script file and a script",
		reason: "chat(8) leaves the terminal raw",
		play:   play{args: []string{"-S", "-f", "@FILE", "x"}},
		ours:   seen{status: 1, stderr: fmt.Sprintf(usage, "chat")},
		theirs: seen{status: 1, stderr: fmt.Sprintf(usage, "chat"), broken: "the terminal's settings were not put back"},
	},
	{
		name:   "CR LF files",
		reason: "a CR in each last word shifts expect and send",
		play:   play{args: []string{"-S", "-f", "@FILE"}, file: "'' AT\r\n"},
		ours:   seen{sent: "AT\r"},
		theirs: seen{sent: "AT\r\r"},
	},
	{
		name:   "long abort strings",
		reason: "only scripts that fail change",
		play:   play{args: []string{"-Ss", "ABORT", strings.Repeat("x", 50), "", "AT"}},
		ours:   seen{sent: "AT\r"},
		theirs: seen{status: 1, stderr: "Illegal or too-long ABORT string ('" + strings.Repeat("x", 50) + "')\n"},
	},
	{
		name:   "more than 50 abort strings",
		reason: "only scripts that fail change",
		play:   play{args: append([]string{"-Ss"}, strings.Fields(strings.Repeat("ABORT x ", 51)+"\\q AT")...)},
		ours:   seen{sent: "AT\r"},
		theirs: seen{status: 2, stderr: "Too many ABORT strings\n"},
	},
	{
		name:   "CLR_REPORT after a report",
		reason: "chat(8) crashes and leaves the terminal raw",
		play: play{args: []string{"-S", "REPORT", "a", "REPORT", "b", "", "AT", "x", `\q`, "CLR_REPORT", "b", "", "B"},
			replys: []string{"a\rx"}},
		ours: seen{sent: "AT\r\rB\r", stderr: "chat:  STAMP a\n"},
		theirs: seen{status: -1, sent: "AT\r\r", stderr: "chat:  STAMP a\n",
			broken: "the terminal's settings were not put back"},
	},
	{
		name:   "CLR_ABORT of a double",
		reason: "it should remove every one; chat(8) leaves some",
		play:   play{args: []string{"-Ss", "ABORT", "A", "ABORT", "B", "ABORT", "A", "CLR_ABORT", "A", "", "x", "OK"}, replys: []string{"A OK"}},
		ours:   seen{sent: "x\r"},
		theirs: seen{status: 5, sent: "x\r", left: " OK", stderr: "Failed (A)\n"},
	},
	{
		name:   "a report that is open at a signal",
		reason: "a program that is told to end does not read on for a second",
		play:   play{args: []string{"-Ssv", "REPORT", "a", "", "x", "b"}, replys: []string{"a1"}, signal: syscall.SIGTERM},
		ours:   seen{status: 2, sent: "x\r", stderr: "report (a)\nsend (x^M)\nexpect (b)\nSIGTERM\nchat:  STAMP a1\n"},
		theirs: seen{status: 2, sent: "x\r", stderr: "report (a)\nsend (x^M)\nexpect (b)\nSIGTERM\nalarm\nchat:  STAMP a1\n"},
	},
	{
		name:   "an abort string with control characters",
		reason: "what a script awaits must not act on the terminal through a message",
		play:   play{args: []string{"-Ss", "ABORT", `\nBUSY\033[2J`, "", "x", "OK"}, replys: []string{"\nBUSY\x1b[2J"}},
		ours:   seen{status: 4, sent: "x\r", stderr: "Failed (^JBUSY^[[2J)\n"},
		theirs: seen{status: 4, sent: "x\r", stderr: "Failed (\nBUSY\x1b[2J)\n"},
	},
	{
		name:   "a directory as a file to send",
		reason: "an empty line is not what was meant",
		play:   play{args: []string{"-Ss", "", "@/"}},
		ours:   seen{status: 1, stderr: "/ -- open failed: Is a directory\n"},
		theirs: seen{sent: "\r"},
	},
}

func TestKnownDifferences(t *testing.T) {
	needReference(t)
	program := build(t)
	type pair struct {
		ours, theirs seen
		diff         string
	}
	results := make([]pair, len(knownDifferences))
	forEach(len(results), func(i uint64) {
		r := &results[i]
		r.ours, r.theirs, r.diff = compare(t, program, &knownDifferences[i].play)
	})
	for i, tt := range knownDifferences {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs, diff := results[i].ours, results[i].theirs, results[i].diff
			if ours != tt.ours {
				t.Errorf("this program:\n got %+v\nwant %+v\n(%s)", ours, tt.ours, tt.reason)
			}
			if theirs != tt.theirs {
				t.Errorf("chat(8):\n got %+v\nwant %+v", theirs, tt.theirs)
			}
			if diff == "" {
				t.Error("there is no difference any more")
			}
		})
	}
}

// TestSame compares what random scripts do not reach: errors, usage, signals
// and hang-ups.
func TestSame(t *testing.T) {
	needReference(t)
	program := build(t)
	diffs := make([]string, len(samePlays))
	forEach(len(diffs), func(i uint64) {
		_, _, diffs[i] = compare(t, program, &samePlays[i].play)
	})
	for i, tt := range samePlays {
		t.Run(tt.name, func(t *testing.T) {
			if diffs[i] != "" {
				t.Error(describe(&tt.play, diffs[i]))
			}
		})
	}
}

var samePlays = []struct {
	name string
	play play
}{
	{"no script", play{args: []string{"-S"}}},
	{"unknown option", play{args: []string{"-Z", "x"}}},
	{"unknown bundled option", play{args: []string{"-sx", "x"}}},
	{"missing value", play{args: []string{"-t"}}},
	{"missing file name", play{args: []string{"-s", "-f"}}},
	{"missing report name", play{args: []string{"-s", "-r"}}},
	{"missing script file", play{args: []string{"-Ss", "-f", "/nonexistent"}}},
	{"missing file to send", play{args: []string{"-Ss", "", "@/nonexistent"}}},
	{"dash alone", play{args: []string{"-", "-s"}, first: "-"}},
	{"timeout 0", play{args: []string{"-Svst0", "TIMEOUT", "1", "x"}}},
	{"timeout with no number", play{args: []string{"-Svs", "-t", "x", "", "AT", "OK"}, replys: []string{"OK"}}},
	{"report file", play{args: []string{"-Svs", "-r", "@REPORT", "REPORT", "CON", "", "AT", "x"}, replys: []string{"CON 9600\rx"}}},
	{"verbose before report", play{args: []string{"-S", "-r", "@REPORT", "-vs", "REPORT", "CON", "", "AT", "x"}, replys: []string{"CON 9600\rx"}}},
	{"report file not written", play{args: []string{"-Svs", "-r", "/nonexistent/r", "REPORT", "C", "", "AT", "x"}, replys: []string{"CON 9600\rx"}}},
	{"SIGINT", play{args: []string{"-Svs", "", "AT", "x"}, replys: []string{"abc"}, signal: syscall.SIGINT}},
	{"SIGTERM", play{args: []string{"-Se", "", "AT", "x"}, replys: []string{"abc"}, signal: syscall.SIGTERM}},
	{"SIGHUP", play{args: []string{"-Svs", "", "AT", "x"}, replys: []string{"abc"}, signal: syscall.SIGHUP}},
	{"SIGHUP and HANGUP OFF", play{args: []string{"-Svs", "-t1", "HANGUP", "OFF", "", "AT", "x"}, replys: []string{"abc"}, signal: syscall.SIGHUP}},
	{"SIGHUP and HANGUP ON", play{args: []string{"-Svs", "HANGUP", "OFF", "HANGUP", "ON", "", "AT", "x"}, replys: []string{"abc"}, signal: syscall.SIGHUP}},
	{"SIGTERM in a pause", play{args: []string{"-Svs", "", "AT", "", `\d\d\dx`}, replys: []string{"abc"}, signal: syscall.SIGTERM}},
	{"hang-up", play{args: []string{"-Svs", "", "AT", "x"}, replys: []string{"abc"}, hangup: true}},
	{"hang-up and a sub-send", play{args: []string{"-Svs", "", "AT", "x--y"}, replys: []string{"abc"}, hangup: true}},
	{"hang-up and HANGUP OFF", play{args: []string{"-Svs", "HANGUP", "OFF", "", "AT", "x"}, replys: []string{"abc"}, hangup: true}},
	{"empty sub-expects", play{args: []string{"-Svs", "-t1", "-x-A", "y", "A-x-", "y", "A-x--b", "y", "A-x--", "y", "A--b"}}},
	{"full disk under SAY", play{args: []string{"-S", "SAY", `hi\n`, "", "AT", "OK"}, replys: []string{"OK"}, full: true}},
	{"full disk under the echo", play{args: []string{"-St2", "ECHO", "ON", "", "AT", "OK"}, replys: []string{"OK"}, full: true}},
	{"full disk under the log", play{args: []string{"-Ssv", "", "AT", "OK"}, replys: []string{"OK"}, full: true}},
	{"full disk under the report file", play{args: []string{"-S", "-r", "/dev/full", "REPORT", "O", "", "AT", "OK", ""}, replys: []string{"OK\r"}}},
	{"octal backslashes", play{args: []string{"-Ssv", "-t2", "SAY", `a\134b\134\n\c`, "", `DOM\134user`, "", `a\134dx`, "", `\134K`, "", `a\134`, "", `\qa\134nb`, "", `a\534b`, "", `a\134\134b`, "", `a\134N`, "", `a\1134`}}},
	{"expected octal backslash", play{args: []string{"-Ssv", "-t1", "", "x", `a\134b`, "y"}, replys: []string{`a\b`}}},
	{"text of -T", play{args: []string{"-Ssv", "-T", "555", "SAY", `\T\n\c`, "", `ATD\T`, "5", ""}, replys: []string{"ATD555"}}},
	{"a file name of blanks", play{args: []string{"-Ssv", "", "@ ", "", "@\t "}}},
	// The alarms that chat(8) logs in its pauses race with the clock.
	{"a send that takes too long", play{args: []string{"-S", "-t1", "", `A\d\d\dT`}}},
	{"escapes of a file", play{args: []string{"-S", "", "@@FILE"}, file: "a\\sb^A\\c\n"}},
	{"NUL in a file", play{args: []string{"-S", "", "@@FILE"}, file: "a\x00b\n"}},
	{"NUL in a script", play{args: []string{"-S", "-f", "@FILE"}, file: "'' a\x00b '' c\n'' d\n"}},
	{"high bytes in a script", play{args: []string{"-Svs", "-f", "@FILE"}, file: "'' \xff\xfe\x80\n'' \f\v"}},
}
