package scriptfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/scriptfile"
	"github.com/rasline/rasline/script/switchinf"
)

// scripts are one script that answers a prompt with the user's name, in each
// language of text.
var scripts = map[string]string{
	"x.scp":       "proc main\n  waitfor \"ogin:\"\n  transmit $USERID\n  transmit \"^M\"\nendproc\n",
	"x.chat":      "ogin: \\T\n",
	"x.runscript": "expect \"ogin:\"\nsend $(LOGIN)\n",
	"x.INF":       "[Work]\nCOMMAND=\nOK=<match>\"ogin:\"\nCOMMAND=<username><cr>\nNoResponse\n",
}

func TestLoadRunsEveryLanguage(t *testing.T) {
	for name, src := range scripts {
		for _, cfg := range []scriptfile.Config{{}, {Language: scriptfile.LanguageOf(name)}} {
			s, err := scriptfile.Load(name, []byte(src), &cfg)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer far.Close()
				defer near.Close()
				io.WriteString(far, "login:")
				_, err = script.Run(t.Context(), near, s.Executor(), &script.Config{Params: &ras.DialParams{UserName: "ann"}})
				if got := received(far); got != "ann\r" || err != nil {
					t.Errorf("%s: sent %q, %v; want the name", name, got, err)
				}
			})
		}
	}
}

// A script that sends a name there is not is refused before anything is sent, and
// Check reports it before a run.
func TestNoName(t *testing.T) {
	for name := range scripts {
		s, err := scriptfile.Load(name, []byte(scripts[name]), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(&ras.DialParams{UserName: "ann"}); err != nil {
			t.Errorf("%s: Check with a name: %v", name, err)
		}
		for _, params := range []*ras.DialParams{nil, {Password: "secret"}} {
			var missing *script.MissingError
			if err := s.Check(params); !errors.As(err, &missing) || missing.Field != "UserName" {
				t.Errorf("%s: Check without a name: %v", name, err)
			}
			synctest.Test(t, func(t *testing.T) {
				near, far := virtual.Pair()
				defer far.Close()
				defer near.Close()
				io.WriteString(far, "login:")
				_, err := script.Run(t.Context(), near, s.Executor(), &script.Config{Params: params})
				var run *script.RunError
				if got := received(far); got != "" || ras.CodeOf(err) != ras.ErrInvalidParameter || !errors.As(err, &run) || run.Line == 0 {
					t.Errorf("%s: sent %q, %v; want a refusal with a line", name, got, err)
				}
			})
		}
	}
}

func received(p *virtual.Port) string {
	p.SetReadDeadline(time.Now().Add(time.Minute))
	b, _ := io.ReadAll(p)
	return string(b)
}

// All languages refuse the same files, and report a byte order mark or accept
// it.
func TestFilesThatAreNoText(t *testing.T) {
	for name, src := range scripts {
		for what, bad := range map[string]string{
			"UTF-16": "\xFF\xFE" + strings.Join(strings.Split(src, ""), "\x00"),
			"size":   src + strings.Repeat("\n", scriptfile.MaxSource),
		} {
			_, err := scriptfile.Load(name, []byte(bad), nil)
			var list *lint.ParseError
			if !errors.As(err, &list) || !errors.Is(err, ras.ErrScriptSyntax) || list.Findings[0].Place() != name+":1:1" {
				t.Errorf("%s, %s: %v, want a *lint.ParseError at 1:1", name, what, err)
			}
		}
		s, err := scriptfile.Load(name, []byte("\ufeff"+src), nil)
		if err != nil {
			t.Errorf("%s with a byte order mark: %v", name, err)
		} else if named := strings.Contains(findings(s), "byte order mark"); named != (s.Language() == "chat") {
			t.Errorf("%s with a byte order mark: %s", name, findings(s))
		}
	}
}

func findings(s *scriptfile.Script) string {
	var b strings.Builder
	for _, f := range s.Findings() {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func TestSections(t *testing.T) {
	const two = "[Work]\nCOMMAND=x\n[Home]\nCOMMAND=y\n"
	s, err := scriptfile.Load("x.inf", []byte(two), nil)
	if err != nil || !slices.Equal(s.Sections(), []string{"Work", "Home"}) {
		t.Fatalf("sections %v, %v", s.Sections(), err)
	}
	if err := s.Executor().Execute(t.Context(), &ras.Call{}); !errors.Is(err, ras.ErrDevicenameNotFound) {
		t.Errorf("without a section: %v, want %v", err, ras.ErrDevicenameNotFound)
	}
	if _, err := scriptfile.Load("x.inf", []byte(two), &scriptfile.Config{Section: "hOME"}); err != nil {
		t.Errorf("section hOME: %v", err)
	}
	if _, err := scriptfile.Load("x.inf", []byte(two), &scriptfile.Config{Section: "Hut"}); !errors.As(err, new(*switchinf.Error)) {
		t.Errorf("section Hut: %v, want a *switchinf.Error", err)
	}
}

func TestLanguages(t *testing.T) {
	if _, err := scriptfile.Load("x.txt", nil, nil); !errors.Is(err, ras.ErrInvalidParameter) || !strings.Contains(err.Error(), "scp, switchinf, chat, runscript or dll") {
		t.Errorf("x.txt: %v, want the choices", err)
	}
	if _, err := scriptfile.Load("x.scp", nil, &scriptfile.Config{Language: "SCP"}); !errors.Is(err, ras.ErrInvalidParameter) {
		t.Errorf("language SCP: %v, want a refusal", err)
	}
	if _, err := scriptfile.Load("x.dll", nil, nil); runtime.GOOS != "windows" && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("x.dll: %v, want %v", err, errors.ErrUnsupported)
	}
	for _, l := range scriptfile.Languages() {
		if l != "dll" && l != "scp" && l != "switchinf" && l != "chat" && l != "runscript" {
			t.Errorf("language %q is not in the tests", l)
		}
	}
}

// TestReadFile loads a file of this machine, and one section of it or another.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	two := "[Work]\nCOMMAND=\nOK=<match>\"ogin:\"\nCOMMAND=<username><cr>\nNoResponse\n[Bad]\nCOMMAND=a\n"
	for name, text := range map[string]string{"x.scp": scripts["x.scp"], "two.inf": two} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := scriptfile.ReadFile(filepath.Join(dir, "x.scp"), nil)
	if err != nil || s.Language() != "scp" {
		t.Fatal(s, err)
	}
	if _, err := s.Section("Work"); !errors.Is(err, ras.ErrDevicenameNotFound) {
		t.Errorf("a section of a script without sections: %v", err)
	}
	if s, err = scriptfile.ReadFile(filepath.Join(dir, "two.inf"), nil); err != nil {
		t.Fatal(err)
	}
	if run, err := s.Section("work"); err != nil || run == nil {
		t.Errorf("section work: %v", err)
	}
	if _, err := s.Section("none"); !errors.As(err, new(*switchinf.Error)) {
		t.Errorf("a section that is missing: %v", err)
	}
	if _, err := scriptfile.ReadFile(filepath.Join(dir, "none.scp"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	if _, err := scriptfile.ReadFile(filepath.Join(dir, "none.dll"), nil); err == nil {
		t.Error("a DLL that is missing is loaded")
	}
}
