package switchinf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/switchinf"
)

func addScripts(f *testing.F, add func(src []byte)) {
	paths, err := filepath.Glob(filepath.Join(testdata, "*.inf"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no scripts in %s: %v", testdata, err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		add(src)
	}
}

// FuzzParse checks that every file is parsed or refused with places that it
// has.
func FuzzParse(f *testing.F) {
	addScripts(f, func(src []byte) { f.Add(uint8(0), src) })
	f.Add(uint8(2), []byte("[m]\n<x>=y\nCOMMAND_INIT=AT\\\n\\\\<cr>\nOK=<ignore>/ARQ<ignore>\n"))
	f.Fuzz(func(t *testing.T, kind uint8, src []byte) {
		file, err := switchinf.ParseKind(switchinf.Kind(kind%3), "x.inf", src)
		end := "\n"
		if !bytes.Contains(src, []byte("\n")) {
			end = "\r"
		}
		lines := strings.Split(string(src), end)
		hard := false
		for _, found := range file.Findings() {
			if found.Line < 1 || found.Line > len(lines) || found.Col < 1 || found.Col > len(lines[found.Line-1])+4 {
				t.Errorf("finding at a place that is not there: %v", found)
			}
			hard = hard || found.Severity == lint.SeverityError
			if strings.Count(found.Excerpt(), "\n") != 1 || strings.ContainsAny(found.String(), "\r\n") {
				t.Errorf("finding %q with excerpt %q: want one line and two", found, found.Excerpt())
			}
		}
		if err != nil && !hard {
			t.Errorf("Parse fails with %v, without an error among %v", err, file.Findings())
		}
		for _, s := range file.Sections() {
			if _, err := file.Script(s.Name); err != nil && !errors.As(err, new(*switchinf.Error)) {
				t.Errorf("Script(%q) = %v, want a *switchinf.Error", s.Name, err)
			}
		}
	})
}

// FuzzRun runs scripts against a peer that sends the given bytes, whatever
// it receives, and hangs up some day. A run must end, in order, and not depend
// on how the bytes are cut.
func FuzzRun(f *testing.F) {
	addScripts(f, func(src []byte) { f.Add(src, "banner\r\nlogin: guest\r\nPassword: \r\nPPP", uint8(20)) })
	f.Fuzz(func(t *testing.T, src []byte, in string, pause uint8) {
		file, _ := switchinf.Parse("switch.inf", src[:min(len(src), 2000)])
		if len(file.Sections()) == 0 || len(in) > 2000 {
			return
		}
		e, err := file.Script(file.Sections()[0].Name)
		if err != nil {
			return
		}
		whole := fuzzRun(t, e, in, len(in), pause)
		for _, size := range []int{1, 3} {
			if cut := fuzzRun(t, e, in, size, pause); cut != whole {
				t.Errorf("in pieces of %d:\n%s\nat once:\n%s", size, cut, whole)
			}
		}
	})
}

// fuzzRun sends in in two halves with a pause between, each in pieces, and
// returns what the run came to.
func fuzzRun(t *testing.T, e script.Executor, in string, size int, pause uint8) (out string) {
	t.Helper()
	inBubble(t, func(t *testing.T, near, far *virtual.Port) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i, part := range []string{in[:len(in)/2], in[len(in)/2:]} {
				if i == 1 {
					<-time.After(time.Duration(pause) * 100 * time.Millisecond)
				}
				for part != "" {
					n := min(max(size, 1), len(part))
					io.WriteString(far, part[:n])
					synctest.Wait()
					part = part[n:]
				}
			}
			io.Copy(io.Discard, far)
		}()
		time.AfterFunc(10*time.Minute, far.HangUp)
		res, err := script.Run(t.Context(), near, e, guest())
		if err != nil && !errors.As(err, new(*switchinf.Error)) {
			t.Errorf("error %v (%T), want a *switchinf.Error", err, err)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") && !strings.Contains(in, "hunter2") {
			t.Errorf("the password shows in %v", err)
		}
		out = fmt.Sprint(err, ras.CodeOf(err), res.Duration, res.Leaks)
		near.Close()
		<-done
	})
	return out
}
