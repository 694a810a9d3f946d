package chat

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
)

// The rows of the manual page and of what the program does, in groups. Times
// are fake.
func TestScripts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   string // in the file's notation
		opts   Config
		far    []said
		status int
		sent   string
		left   string
		stderr string
		took   time.Duration
	}{
		// Pairs.
		{name: "wait, send, wait", args: "ogin: ppp word: 'x y'", far: now("login: Password: ~~"),
			sent: "ppp\rx y\r", left: " ~~"},
		{name: "an empty expect reads nothing", args: "'' AT '' X", far: now("OK"), sent: "AT\rX\r", left: "OK"},
		{name: "nothing to do", args: "", far: now("OK"), left: "OK"},
		{name: "an expect that is empty after its escapes", args: `\q a \0 b ^@-x-y c`, far: now("OK"),
			sent: "a\rb\rc\r", left: "OK"},
		{name: "case matters", args: "OK x", far: now("okOK"), sent: "x\r"},
		{name: "the high bit is cleared", args: "OK x", far: now("\xcf\xcb"), sent: "x\r"},
		{name: "not in 8-bit mode", args: `\377OK x`, opts: Config{EightBit: true}, far: now("\xcf\xff\xcbOK\xffOK"), sent: "x\r"},
		{name: "what follows keeps its high bit", args: "OK x", far: now("OK~\xff\x7d#"), sent: "x\r", left: "~\xff\x7d#"},
		{name: "nothing is remembered from before a wait", args: "AB x BC", far: now("ABCD"),
			status: 3, sent: "x\r", took: 45 * time.Second},
		{name: "matches may overlap what nearly matched", args: "aab x", far: now("aaab"), sent: "x\r"},

		// Timeouts.
		{name: "45 seconds", args: "x", status: 3, took: 45 * time.Second},
		{name: "-t", args: "x", opts: Config{Timeout: 3 * time.Second}, status: 3, took: 3 * time.Second},
		{name: "-t 0 has no limit", args: "x", opts: Config{Timeout: -1}, far: []said{{after: time.Hour, text: "x"}}, took: time.Hour},
		{name: "TIMEOUT", args: "TIMEOUT 7x a", status: 3, took: 7 * time.Second},
		{name: "TIMEOUT 0 sets 45", args: "TIMEOUT 2 TIMEOUT 0 a", status: 3, took: 45 * time.Second},
		{name: "a negative TIMEOUT sets 45", args: "TIMEOUT -3 a", status: 3, took: 45 * time.Second},
		{name: "no number sets 45", args: "TIMEOUT x a", status: 3, took: 45 * time.Second},
		{name: "TIMEOUT has escapes", args: `TIMEOUT \067 a`, status: 3, took: 7 * time.Second},
		{name: "traffic does not push it back", args: "TIMEOUT 3 x", status: 3, took: 3 * time.Second,
			far: []said{{2 * time.Second, "a", nil}, {500 * time.Millisecond, "b", nil}, {400 * time.Millisecond, "c", nil}}},
		{name: "it starts anew at each wait", args: "TIMEOUT 3 a '' b", took: 4 * time.Second, sent: "\r",
			far: []said{{2 * time.Second, "a", nil}, {2 * time.Second, "b", nil}}},

		// Sub-expects.
		{name: "a fails", args: "TIMEOUT 1 a z", status: 3, took: time.Second},
		{name: "a- fails", args: "TIMEOUT 1 a- z", status: 3, took: time.Second},
		{name: "a-b sends and is satisfied", args: "TIMEOUT 1 a-b z", sent: "b\rz\r", took: time.Second},
		{name: "a-- sends a line end and is satisfied", args: "TIMEOUT 1 a-- z", sent: "\rz\r", took: time.Second},
		{name: "a--a waits again", args: "TIMEOUT 1 a--a z", sent: "\r", status: 3, took: 2 * time.Second},
		{name: "a-b-c-d-e goes on to the end", args: "TIMEOUT 1 a-b-c-d-e z", sent: "b\rd\r", status: 3, took: 3 * time.Second},
		{name: "the first that comes ends it", args: "TIMEOUT 1 a-b-c-d-e z", sent: "b\rz\r", took: 1500 * time.Millisecond,
			far: []said{{1500 * time.Millisecond, "ac", nil}}},
		{name: "an empty first part is satisfied", args: "-a-b z", sent: "z\r"},
		{name: "a protected dash", args: `a\-b z`, far: now("a-b"), sent: "z\r"},
		{name: "quotes protect no dash", args: `TIMEOUT 1 'a-b' z`, far: now("a-b"), sent: "z\r", left: "-b"},
		{name: "a sub-send has all forms", args: `TIMEOUT 1 a-EOT-a-\px\c-b z`, sent: "\x04xz\r",
			far: []said{{2500 * time.Millisecond, "b", nil}}, took: 2500 * time.Millisecond},
		{name: "what came before a timeout is gone", args: "TIMEOUT 1 ab-x-b z", sent: "x\r", status: 3,
			far: []said{{500 * time.Millisecond, "a", nil}}, took: 2 * time.Second},

		// Aborts.
		{name: "the first string gives 4", args: "ABORT BUSY ABORT 'NO CARRIER' OK z", far: now("xBUSYOK"), status: 4, left: "OK"},
		{name: "the second gives 5", args: "ABORT BUSY ABORT 'NO CARRIER' OK z", far: now("xNO CARRIER"), status: 5},
		{name: "an abort tries no sub-send", args: "ABORT BUSY OK-x-OK z", far: now("BUSY"), status: 4},
		{name: "one that is awaited is taken as awaited", args: "ABORT OK OK z", far: now("OK"), sent: "z\r"},
		{name: "one that completes first wins", args: "ABORT OK OKAY z", far: now("OKAY"), status: 4, left: "AY"},
		{name: "on one byte the first declared wins", args: "ABORT SY ABORT BUSY OK z", far: now("BUSY"), status: 4},
		{name: "whatever their lengths", args: "ABORT BUSY ABORT SY OK z", far: now("BUSY"), status: 4},
		{name: "doubles are kept", args: "ABORT A ABORT A ABORT B x", far: now("B"), status: 6},
		{name: "CLR_ABORT removes doubles, the rest moves up", args: "ABORT A ABORT A ABORT B CLR_ABORT A x", far: now("AB"), status: 4},
		{name: "CLR_ABORT of an unknown string", args: "ABORT A CLR_ABORT B x", far: now("A"), status: 4},
		{name: "not looked for with an empty expect", args: "ABORT OK '' a '' b", far: now("OK"), sent: "a\rb\r", left: "OK"},
		{name: "nothing is remembered from before the wait", args: "ABORT BUSY BU x SY z", far: now("BUSY"), sent: "x\rz\r"},
		{name: "an abort string has escapes", args: `ABORT A\sB\r x`, far: now("A B\r"), status: 4},
		{name: "an empty abort comes with the first byte", args: "ABORT zz ABORT '' OK z", far: now("abc"), status: 5, left: "bc"},
		{name: "unless that byte is awaited", args: "ABORT '' a z", far: now("a"), sent: "z\r"},
		{name: "more than 50", args: strings.Repeat("ABORT x ", 60) + "ABORT A OK z", far: now("A"), status: 64},
		{name: "too many", args: strings.Repeat("ABORT x ", maxList+1), status: 2},
		{name: "too many reports", args: strings.Repeat("REPORT x ", maxList+1), status: 2},
		{name: "keywords are no words to send", args: "'' ABORT '' OK", sent: "ABORT\rOK\r"},
		{name: "quotes do not disarm them", args: "'ABORT' BUSY x", far: now("BUSY"), status: 4},
		{name: "escapes do", args: `\101BORT x`, far: now("ABORT"), sent: "x\r"},

		// Sends.
		{name: "EOT", args: "'' EOT '' eot '' EOT\\c", sent: "\x04eot\rEOT"},
		{name: "10 ms before each byte", args: "'' AT", opts: Config{Gap: 10 * time.Millisecond}, sent: "AT\r", took: 30 * time.Millisecond},
		{name: "pauses", args: `'' \da\p\c`, sent: "a", took: 1100 * time.Millisecond},
		{name: "a short pause of its own", args: `'' \p`, opts: Config{ShortPause: 10 * time.Millisecond}, sent: "\r", took: 10 * time.Millisecond},
		{name: "the timeout limits a send", args: `TIMEOUT 2 '' A\d\d\d\dT`, sent: "A", status: 1, took: 2 * time.Second},
		{name: "also at that very moment", args: `TIMEOUT 2 '' A\d\dT`, sent: "A", status: 1, took: 2 * time.Second},
		{name: "pauses after the last byte are free", args: `TIMEOUT 2 '' AT\r\d\d\d\d\c`, sent: "AT\r", took: 4 * time.Second},
		{name: "at-sign alone", args: `'' @ '' \@x`, sent: "@\r@x\r"},

		// SAY and ECHO.
		{name: "SAY adds a carriage return", args: `SAY a\nb`, stderr: "a\nb\r"},
		{name: "unless it ends in backslash c", args: `SAY 'a\cb\n\c'`, stderr: "acb\n"},
		{name: "SAY leaves what acts in sends", args: `SAY \d\p\K\x\\`, stderr: "\\d\\p\\K\\x\\\\\r"},
		{name: "NUL cuts what SAY says", args: `SAY a\Nb`, stderr: "a\\"},
		{name: "SAY of words that are special in sends", args: "SAY EOT SAY @x", stderr: "EOT\r@x\r"},
		{name: "echo", opts: Config{Echo: true}, args: "x", far: now("a\r\n\x01\x7f\xe1\tx"), stderr: "a\n^A^?a^Ix\n"},
		{name: "no line end where the line is closed", opts: Config{Echo: true}, args: `x\n`, far: now("ax\n"), stderr: "ax\n"},
		{name: "ECHO ON and OFF", args: "a '' ECHO ON b '' ECHO OFF c ''", far: now("1a2b3c"), sent: "\r\r\r", stderr: "2b\n"},
		{name: "ON must be just that", args: `ECHO on a '' ECHO O\116 b ''`, far: now("1a2b3c"), sent: "\r\r", left: "3c"},
		{name: "anything else is off", opts: Config{Echo: true}, args: `ECHO 'ON ' a ''`, far: now("1a"), sent: "\r"},
		{name: "-V closes no line", opts: Config{Copy: true}, args: "x", far: now("a\r\n\x01x"), stderr: "a\n^Ax"},

		// HANGUP on a line without signals.
		{name: "a hang-up ends it", args: "x-y-z", status: 2, took: time.Second,
			far: []said{{after: time.Second, do: func(far *virtual.Port, _ context.CancelCauseFunc) { far.HangUp() }}}},
		{name: "HANGUP OFF makes it a timeout", args: "HANGUP OFF x", status: 3, took: time.Second,
			far: []said{{after: time.Second, do: func(far *virtual.Port, _ context.CancelCauseFunc) { far.HangUp() }}}},
		{name: "so does a host that has signals", args: "HANGUP ON x", opts: Config{Hangup: func(bool) {}}, status: 3, took: time.Second,
			far: []said{{after: time.Second, do: func(far *virtual.Port, _ context.CancelCauseFunc) { far.HangUp() }}}},
		{name: "a sub-send to a dead line fails", args: "HANGUP OFF x-y-z", status: 1, took: time.Second,
			far: []said{{after: time.Second, do: func(far *virtual.Port, _ context.CancelCauseFunc) { far.HangUp() }}}},
		{name: "a signal", args: "x", status: 2, took: time.Second,
			far: []said{{after: time.Second, do: func(_ *virtual.Port, cancel context.CancelCauseFunc) { cancel(errors.New("SIGINT")) }}}},
		{name: "a signal in a pause", args: `'' \d\d\dx`, status: 2, took: 1500 * time.Millisecond,
			far: []said{{after: 1500 * time.Millisecond, do: func(_ *virtual.Port, cancel context.CancelCauseFunc) { cancel(errors.New("SIGTERM")) }}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, loose := range []bool{false, true} {
				sc := scene{args: append([]string{}, words(tt.args)...), opts: tt.opts, far: tt.far, loose: loose}
				got := sc.play(t)
				want := outcome{Status: tt.status, Sent: tt.sent, Left: tt.left, Stderr: tt.stderr, Elapsed: tt.took, Log: got.Log, err: got.err}
				if got != want {
					t.Errorf("script %q (exact %t):\n got %+v\nwant %+v", tt.args, !loose, got, want)
				}
			}
		})
	}
}

func TestLog(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		far        []said
		want       string
	}{
		{"a plain dialogue", `'' AT OK ATD\q CONNECT \c`, []said{{0, "AT\r\r\nOK\r\n", nil}, {0, "CONNECT 9600\r\n", nil}}, lines(
			"send (AT^M)", "expect (OK)", "AT^M^M", "OK", " -- got it", "send (??????)",
			"expect (CONNECT)", "^M", "CONNECT", " -- got it", "send ()")},
		{"keywords", `ABORT a\nb REPORT \001 CLR_ABORT x CLR_ABORT a^Jb CLR_REPORT ^A CLR_REPORT y TIMEOUT 10`, nil, lines(
			`abort on (a\nb)`, `report (\001)`, "clear abort on (a^Jb)", "clear report (^A)", "timeout set to 10 seconds")},
		{"an abort", `ABORT BUSY OK x`, now("aBUSY"), lines(
			"abort on (BUSY)", "expect (OK)", "aBUSY", " -- failed", "Failed (BUSY)")},
		{"a timeout loses the open line", `TIMEOUT 1 x`, now("abc\r\ndef"), lines(
			"timeout set to 1 seconds", "expect (x)", "abc^M", "alarm", "Failed")},
		{"80 bytes a line", "OK", now(strings.Repeat("a", 79) + "\n" + strings.Repeat("\x01", 80) + "\n" + strings.Repeat("c", 81) + "OK"), lines(
			"expect (OK)", strings.Repeat("a", 79), strings.Repeat("^A", 80), "", strings.Repeat("c", 80), "cOK", " -- got it")},
		{"BREAK and EOT", `'' BREAK '' EOT '' \K\d`, nil, lines(`send (\K)`, "send (^D)", `send (\K\d^M)`)},
		{"a send that takes too long", `TIMEOUT 1 '' A\d\dB`, nil, lines(
			"timeout set to 1 seconds", `send (A\d\dB^M)`, "alarm", " -- write timed out", "Failed")},
		{"an empty expect", `\q x`, nil, lines("expect ()", "got it", "send (x^M)")},
		{"an empty sub-expect with more behind it", `TIMEOUT 1 A-x--b y`, nil, lines("timeout set to 1 seconds", "expect (A)", "alarm",
			"send (x^M)", "expect ()", "got it", "send (y^M)")},
		{"an empty sub-expect at the end", `TIMEOUT 1 A-x- y`, nil, lines("timeout set to 1 seconds", "expect (A)", "alarm", "send (x^M)", "send (y^M)")},
		{"a missing file", `'' @/nonexistent/x`, nil, lines("/nonexistent/x -- open failed: No such file or directory")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc := scene{args: words(tt.args), far: tt.far}
			if got := sc.play(t); got.Log != tt.want {
				t.Errorf("log:\n got %q\nwant %q", got.Log, tt.want)
			}
		})
	}
}

// stamp is the time at which fake clocks begin, as reports show it.
var stamp = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Local().Format("Jan 02 15:04:05 ")

func TestReports(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		far        []said
		want       string
		left       string
		took       time.Duration
	}{
		{"up to a control character", "REPORT CON x", now("abCON 96\r\nx"), "CON 96", "", 0},
		{"in several waits", "REPORT C a '' b", now("Ca1b2\r"), "Ca1b2", "", 0},
		{"the string is the awaited one", "REPORT CON CON", now("CON 9\rx"), "CON 9", "x", 0},
		{"the string is the abort string", "REPORT NO ABORT NO x", now("NO 9\rx"), "NO 9", "x", 0},
		{"open at the end, for a second of silence", "REPORT C x", []said{{0, "Cx1", nil}, {900 * time.Millisecond, "2", nil}}, "Cx12", "", 1900 * time.Millisecond},
		{"none while another is open", "REPORT C REPORT D x", now("C1D2\rx"), "C1D2", "", 0},
		{"which uses nothing up", "REPORT C REPORT D x", now("C1D2\rD3\rx"), "C1D2|D3", "", 0},
		{"each fires once", "REPORT C x", now("C1\rC2\rx"), "C1", "", 0},
		{"doubles fire twice", "REPORT C REPORT C x", now("C1\rC2\rx"), "C1|C2", "", 0},
		{"first declared first", "REPORT C REPORT BC x", now("BC1\rBC2\rx"), "C1|BC2", "", 0},
		{"with a control character in the string", `REPORT C\n1 x`, now("C\n12\rx"), "C\n12", "", 0},
		{"the byte that ends one starts none", `REPORT A REPORT X\r q`, now("A1X\r22\rq"), "A1X", "", 0},
		{"but the next may", `REPORT A REPORT X\r2 q`, now("A1X\r22\rq"), "A1X|X\r22", "", 0},
		{"an empty string", "REPORT '' x", now("aBCx\r"), "BCx", "", 0},
		{"cleared", "REPORT C CLR_REPORT C x", now("C1\rx"), "", "", 0},
		{"cleared after it has fired", "REPORT C REPORT D x '' CLR_REPORT C CLR_REPORT D y", now("C1\rxD2\ry"), "C1", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var report strings.Builder
			sc := scene{args: words(tt.args), far: tt.far, opts: Config{Report: &report}}
			got := sc.play(t)
			var want strings.Builder
			if tt.want != "" {
				for line := range strings.SplitSeq(tt.want, "|") {
					want.WriteString("chat:  " + stamp + line + "\n")
				}
			}
			if report.String() != want.String() || got.Left != tt.left || got.Elapsed != tt.took {
				t.Errorf("report %q, left %q after %v; want %q, %q, %v",
					report.String(), got.Left, got.Elapsed, want.String(), tt.left, tt.took)
			}
		})
	}
}

func TestReportIsCut(t *testing.T) {
	var report strings.Builder
	sc := scene{args: []string{"REPORT", "C", "x"}, far: now("C" + strings.Repeat("y", 5000) + "x\r"), opts: Config{Report: &report}}
	if got := sc.play(t); got.Status != 0 {
		t.Fatalf("status %d, %v", got.Status, got.err)
	}
	if got, want := report.Len(), len("chat:  ")+4095+1; got != want {
		t.Errorf("report of %d bytes, want %d", got, want)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, text, want string }{
		{"a final line feed does not count", "a\tb\n", "a\tb\r"},
		{"others do", "a\n\n", "a\n\r"},
		{"empty", "", "\r"},
		{"escapes are live", `a\sb\c` + "\n", "a b"},
		{"a NUL ends it", "a\x00b", "a\r"},
		{"EOT", "EOT\n", "\x04"},
		{"an at-sign is text", "@x", "@x\r"},
		{"1,023 bytes at most", strings.Repeat("z", 1100), strings.Repeat("z", 1023) + "\r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(dir, "text")
			if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"", "@" + name}, {"", "@ \t" + name}} {
				sc := scene{args: args}
				if got := sc.play(t); got.Sent != tt.want || got.Status != 0 {
					t.Errorf("sent %q with status %d, want %q", got.Sent, got.Status, tt.want)
				}
			}
		})
	}
}

func TestExitErrors(t *testing.T) {
	hangUp := []said{{after: time.Second, do: func(far *virtual.Port, _ context.CancelCauseFunc) { far.HangUp() }}}
	signal := errors.New("SIGHUP")
	for _, tt := range []struct {
		name, file string
		far        []said
		is         []error
		want       string
	}{
		{"busy", "ABORT BUSY\nOK z\n", now("BUSY"), []error{ras.ErrLineBusy},
			`chat: script:2:1: aborted on "BUSY" (exit status 4)`},
		{"no carrier", "ABORT VOICE ABORT 'No Carrier\\r' OK z\n", now("No Carrier\r"), []error{ras.ErrNoCarrier},
			`chat: script:1:34: aborted on "No Carrier\r" (exit status 5)`},
		{"something else", "ABORT x OK z", now("x"), []error{ras.ErrFromDevice},
			`chat: script:1:9: aborted on "x" (exit status 4)`},
		{"timeout", "TIMEOUT 1\nOK-a-OK", now("O"), []error{ras.ErrRequestTimeout, os.ErrDeadlineExceeded},
			`chat: script:2:1: "OK" did not come in time: wait for "OK": timed out after 1s; nothing was received (exit status 3)`},
		{"hang-up", "OK", hangUp, []error{ras.ErrRemoteDisconnection}, ""},
		{"hang-up as a timeout", "HANGUP OFF OK", hangUp, []error{ras.ErrRemoteDisconnection}, ""},
		{"missing file", "'' @/nonexistent", nil, []error{ras.ErrFileNotFound, os.ErrNotExist},
			`chat: script:1:4: cannot read the text to send from "/nonexistent": stat /nonexistent: no such file or directory (exit status 1)`},
		{"signal", "x", []said{{do: func(_ *virtual.Port, cancel context.CancelCauseFunc) { cancel(signal) }}}, []error{signal}, ""},
		{"send limit", "TIMEOUT 1 '' \\d\\dx", nil, []error{ras.ErrRequestTimeout},
			`chat: script:1:14: the send took longer than the timeout of 1s: the timeout has passed (exit status 1)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sc := scene{file: tt.file, far: tt.far}
			got := sc.play(t)
			for _, target := range tt.is {
				if !errors.Is(got.err, target) {
					t.Errorf("%v does not match %v", got.err, target)
				}
			}
			if tt.want != "" && got.err.Error() != tt.want {
				t.Errorf("message:\n got %s\nwant %s", got.err, tt.want)
			}
		})
	}
}
