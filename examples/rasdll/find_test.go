package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scriptfile"
)

const (
	scpScript  = "proc main\n  waitfor \"ogin:\"\n  transmit $USERID\n  transmit \"^M\"\nendproc\n"
	chatScript = "ogin: \\T\n"
	infScript  = "[Work]\nCOMMAND=\nOK=<match>\"ogin:\"\nCOMMAND=<username><cr>\nNoResponse\n"
	twoINFs    = infScript + "[Home]\nCOMMAND=\nOK=<match>\"x\"\n"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name  string
		files []string // name and text by turns
		entry string
		want  error
		says  string
	}{
		{"scp", []string{"Work.scp", scpScript}, "Work", nil, ""},
		{"chat", []string{"Work.chat", chatScript}, "Work", nil, ""},
		{"the only section", []string{"Büro.inf", infScript}, "Büro", nil, ""},
		{"the section of the entry", []string{"Work.inf", twoINFs}, "Work", nil, ""},
		{"no such section", []string{"Büro.inf", twoINFs}, "Büro", ras.ErrScriptSyntax, "no such section"},
		{"scp before chat", []string{"Work.scp", scpScript, "Work.chat", "'"}, "Work", nil, ""},
		{"nothing", nil, "Work", ras.ErrFileNotFound, "no Work.scp, .chat or .inf in"},
		{"another entry", []string{"Work.scp", scpScript}, "Home", ras.ErrFileNotFound, "Home"},
		{"a mistake", []string{"Work.scp", "proc main\n"}, "Work", ras.ErrScriptSyntax, "Work.scp:"},
		{"a huge file", []string{"Work.scp", strings.Repeat(" ", scriptfile.MaxSource+1)}, "Work", ras.ErrScriptSyntax, "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := winetest.TempDir(t)
			for i := 0; i < len(tt.files); i += 2 {
				write(t, dir, tt.files[i], tt.files[i+1])
			}
			e, err := load([]string{winetest.TempDir(t), dir}, tt.entry, log)
			if !errors.Is(err, tt.want) || (e == nil) != (err != nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("load = %v, %v; want %v and %q", e, err, tt.want, tt.says)
			}
		})
	}
}

func TestFirstFolderWins(t *testing.T) {
	first, second := winetest.TempDir(t), winetest.TempDir(t)
	write(t, first, "Work.chat", chatScript)
	write(t, second, "Work.scp", "broken")
	if _, err := load([]string{first, second}, "Work", log); err != nil {
		t.Errorf("load = %v, want the script of the first folder", err)
	}
}

// An entry's name comes from the phone book, which users may write.
func TestEntriesThatAreNoFileNames(t *testing.T) {
	dir := winetest.TempDir(t)
	write(t, dir, "secret.scp", scpScript)
	inside := filepath.Join(dir, "scripts")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{"", "..", `..\secret`, "../secret", "/etc/passwd", `C:\secret`, "secret:stream", "a/b", `\\host\share\x`} {
		if _, err := load([]string{inside}, entry, log); !errors.Is(err, ras.ErrFileNotFound) || !strings.Contains(err.Error(), "rename the entry") {
			t.Errorf("load(%q) = %v, want a refusal", entry, err)
		}
	}
}

// Each language answers a prompt with the user name of the entry.
func TestScriptsGetTheCredentials(t *testing.T) {
	for name, text := range map[string]string{"Work.scp": scpScript, "Work.chat": chatScript, "Work.inf": infScript} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := winetest.TempDir(t)
				write(t, dir, name, text)
				params := &ras.DialParams{UserName: "ann"}
				e, err := load([]string{dir}, "Work", log)
				if err != nil {
					t.Fatal(err)
				}
				near, far := virtual.Pair()
				defer near.Close()
				answer := make(chan string, 1)
				go func() {
					far.Write([]byte("login:"))
					text, _ := bufio.NewReader(far).ReadString('\r')
					answer <- text
				}()
				if _, err := script.Run(t.Context(), near, e, &script.Config{Params: params, Exact: true}); err != nil {
					t.Fatal(err)
				}
				if got := <-answer; got != "ann\r" {
					t.Errorf("the script answered %q, want %q", got, "ann\r")
				}
			})
		})
	}
}

func TestNoDLLNoFolder(t *testing.T) {
	if dirs := scriptDirs(); len(dirs) != 0 {
		t.Skipf("this system has script folders: %q", dirs)
	}
	if err := execute(t.Context(), &ras.Call{Entry: "Work"}); !errors.Is(err, ras.ErrFileNotFound) {
		t.Errorf("execute = %v, want %v", err, ras.ErrFileNotFound)
	}
}
