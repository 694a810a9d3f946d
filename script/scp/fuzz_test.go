package scp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
)

// addScripts seeds a fuzz test with the recorded scripts and some odd ones.
func addScripts(f *testing.F, add func(src []byte)) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(cases, "*.scp"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no scripts in %s: %v", cases, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(src)
	}
	for _, src := range []string{
		"", "proc", "proc main", "proc main endproc", "\xEF\xBB\xBF", "\xFF\xFE", "\x00", "\x1A", "\"", "$", "\\",
		"proc main integer", "proc main if while endif endwhile endproc", "proc main x = ((((", "proc main x = !!!!",
		"proc main waitfor \"a\" then b, \"c\" matchcase", "proc main getip getip getip 1 endproc", "endif endproc endwhile else",
		"proc main waitfor \"\" until -1 goto a a: endproc", "proc main if = then endif endproc", "proc main 5 5x 99999999999 endproc",
	} {
		add([]byte(src))
	}
}

func FuzzParse(f *testing.F) {
	addScripts(f, func(src []byte) { f.Add(src) })
	f.Fuzz(func(t *testing.T, src []byte) {
		prog, err := Parse("f.scp", src)
		if err == nil {
			checkFindings(t, src, prog.Warnings(), lint.SeverityWarning)
			checkCode(t, prog)
			return
		}
		var list *lint.ParseError
		if !errors.As(err, &list) || prog != nil || len(list.Errors()) == 0 || err.Error() == "" {
			t.Fatalf("Parse: %v, %#v; want a ParseError with errors", prog, err)
		}
		checkFindings(t, src, list.Findings, lint.SeverityError)
	})
}

// checkFindings checks that every finding has a place in the source and that
// they stand in order.
func checkFindings(t *testing.T, src []byte, list []lint.Finding, worst lint.Severity) {
	t.Helper()
	text := lint.NewSource("", src)
	last := lint.Finding{}
	for _, f := range list {
		if f.Line < 1 || f.Line > text.Lines() || f.Col < 1 || f.Col > len(text.Line(f.Line))+2 || f.Text == "" {
			t.Errorf("finding %v is not in the source", f)
		}
		if f.Line < last.Line || f.Line == last.Line && f.Col < last.Col {
			t.Errorf("finding %v comes after %v", f, last)
		}
		if f.Severity < worst {
			t.Errorf("finding %v beside warnings only", f)
		}
		if !strings.HasSuffix(f.Excerpt(), "^") || strings.Count(f.Excerpt(), "\n") != 1 {
			t.Errorf("excerpt %q of %v, want two lines and a caret", f.Excerpt(), f)
		}
		last = f
	}
}

// checkCode checks that no instruction leads out of the program.
func checkCode(t *testing.T, p *Program) {
	t.Helper()
	n := int32(len(p.code))
	if n == 0 || p.code[n-1].op != opEnd {
		t.Fatal("the code does not end")
	}
	for _, in := range p.code {
		if in.op.jumps() && (in.a < 0 || in.a >= n) {
			t.Errorf("instruction %v leads out of %d", in, n)
		}
	}
	for _, w := range p.waits {
		for _, e := range w.entries {
			if e.target < noLabel || e.target >= n {
				t.Errorf("waitfor leads to %d of %d", e.target, n)
			}
		}
	}
}

// FuzzRun runs random scripts against random far ends: whatever they say, the
// script ends by itself or with the limit of the run.
func FuzzRun(f *testing.F) {
	addScripts(f, func(src []byte) { f.Add(src, []byte("login: \xFFpassword: address 10.0.0.7\r\nPPP"), uint8(1)) })
	f.Add([]byte(body("string s = \"x\"", "a: s = s + s", "goto a")), []byte{}, uint8(0))
	f.Add([]byte(body("a: waitfor \"a\" until 1", "transmit $PASSWORD", "goto a")), []byte("aaaaaaaaa"), uint8(3))
	f.Add([]byte(body("a: set port databits 5", "set ipaddr getip 2", "goto a")), []byte("1.2.3.4 1.2.3.4 1.2.3.4"), uint8(7))
	f.Fuzz(func(t *testing.T, src, said []byte, pace uint8) {
		prog, err := Parse("f.scp", src)
		if err != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			runAgainst(t, prog.Executor(&Config{MaxSteps: 2000, MaxString: 4096}), said, pace)
		})
	})
}

// runAgainst runs the program with a peer that sends said, in pieces of pace
// bytes with a second between them, and hangs up if pace is odd.
func runAgainst(t *testing.T, prog script.Executor, said []byte, pace uint8) {
	near, far := virtual.Pair()
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		io.Copy(io.Discard, far)
	}()
	spoken := make(chan struct{})
	go func() {
		defer close(spoken)
		for rest := said; len(rest) > 0; {
			n := min(int(pace/2)+1, len(rest))
			far.Write(rest[:n])
			rest = rest[n:]
			<-time.After(time.Second)
		}
		if pace%2 == 1 {
			far.HangUp()
		}
	}()
	res, err := script.Run(context.Background(), near, prog, &script.Config{
		Params:  &ras.DialParams{UserName: "gu^Mest", Password: "hunter<cr>2"},
		Timeout: 10 * time.Minute,
	})
	if err != nil && strings.Contains(err.Error(), "hunter") {
		t.Errorf("the error shows the password: %v", err)
	}
	if errors.Is(err, ras.ErrUnknown) || res.Leaks > 0 {
		t.Errorf("the run ended with %v and %d leaks", err, res.Leaks)
	}
	near.Close()
	far.Close()
	<-heard
	<-spoken
}

// worstCases are scripts whose parts could cost more than linear time or
// memory if something were done for each of them again and again.
var worstCases = map[string]string{
	"digits":              "9",
	"sums":                "x = 1 + 1 + 1 + 1 + 1\n",
	"labels":              "if TRUE then goto q endif\n",
	"mismatched closers":  "if TRUE then while TRUE do endif endwhile\n",
	"closers in one line": "? if TRUE then while TRUE do endif ",
	"loops in one line":   "? while TRUE do endif endif ",
	"closers":             "endif\n",
	"waits":               "waitfor \"abc\" until 1\n",
	"long lists":          "\"a\" then a,\n",
	"comments":            ";;;;;;;\n",
	"strings":             "\"\"",
	"unknown bytes":       "\xFF ",
	"open strings":        "\"\n",
	"parentheses":         "(",
	"procs":               "proc a\n",
	"names":               "n",
	"line ends":           "\r",
}

func TestParseTakesLinearMemory(t *testing.T) {
	const size, limit = 64 << 10, 100 * 64 << 10
	for name, part := range worstCases {
		for _, head := range []string{"proc main\n", "proc main\ninteger x\nx = ", "proc main\nwaitfor "} {
			src := []byte(head + strings.Repeat(part, (size-len(head))/len(part)))
			if used := allocated(func() { Parse("t.scp", src) }); used > limit {
				t.Errorf("%s after %q: a script of %d bytes took %d bytes, want at most %d", name, head, size, used, limit)
			}
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestAnySplitGivesTheSameRun cuts what the peer sends in every place.
func TestAnySplitGivesTheSameRun(t *testing.T) {
	prog, err := Parse("t.scp", []byte(body(
		`waitfor "ogin:" then name, "gin: " then wrong until 5`,
		`wrong: transmit "WRONG"`,
		`name: transmit "guest^M"`,
		`set ipaddr getip`,
		`waitfor "PPP", matchcase until 5`,
		`if $SUCCESS then transmit "ok" endif`)))
	if err != nil {
		t.Fatal(err)
	}
	said := "Login: logged in as 10.0.0.7.\r\nppp PPP~}"
	for i := range len(said) {
		for j := i; j < len(said); j++ {
			d := &dialogue{outcome: "completed", took: 0, limit: time.Hour, rest: "~}", turns: []turn{
				{word: "send", data: said}, {word: "expect", data: "guest\rok"},
			}}
			d.address, _ = parseAddress("10.0.0.7")
			d.play(t, prog, func(s string) []string { return []string{s[:i], s[i:j], s[j:]} })
		}
	}
}

func TestRunTakesBoundedMemory(t *testing.T) {
	src := body("string s = \"x\"", "integer n", "while n < 15 do s = s + s n = n + 1 endwhile",
		"a: if s + s == s + \"x\" then goto a endif", "goto a")
	prog, err := Parse("t.scp", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	used := allocated(func() { err = prog.Execute(t.Context(), &ras.Call{}) })
	if !errors.Is(err, ErrLimit) || used > 4<<30 {
		t.Errorf("%v after copying %d MiB, want %v and at most 4096 MiB", err, used>>20, ErrLimit)
	}
}

func TestParseKeepsNothingOfItsInput(t *testing.T) {
	src := []byte(body(`transmit "abc"`))
	before := bytes.Clone(src)
	prog, err := Parse("t.scp", src)
	if err != nil || !bytes.Equal(src, before) {
		t.Fatalf("Parse changed its input or failed: %v", err)
	}
	clear(src)
	if prog.texts[0] != "abc" {
		t.Errorf("text %q, want %q", prog.texts[0], "abc")
	}
}
