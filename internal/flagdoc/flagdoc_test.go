package flagdoc

import (
	"bytes"
	"flag"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
)

func program() *Program {
	f := flag.NewFlagSet("dial", flag.ContinueOnError)
	f.Bool("v", false, "show it's [all] of: the conversation")
	f.String("log", "", "log in this `format`")
	f.String("port", "", "`port`: a device")
	return &Program{Name: "dial", Summary: "dial - and log in", Synopsis: "[flags]", About: "One.\n\n.Two\nlines.", Flags: f,
		Values: map[string][]string{"log": {"text", "json"}}}
}

// TestBash completes flags and values in bash.
func TestBash(t *testing.T) {
	bash := peertest.Program(t, "bash")
	var b bytes.Buffer
	if err := program().Bash(&b); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{"dial -p": "-port", "dial -log j": "json", "dial -": "-log -port -v"} {
		words := strings.Fields(line)
		cmd := exec.Command(bash, "-c", b.String()+"\nCOMP_WORDS=("+line+"); COMP_CWORD="+string(rune('0'+len(words)-1))+"; _dial; echo ${COMPREPLY[@]}")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q: %q, %v; want %q", line, out, err, want)
		}
	}
}

func TestZsh(t *testing.T) {
	var b bytes.Buffer
	if err := program().Zsh(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"#compdef dial\n", `'-v[show it'\''s \[all\] of\: the conversation]'`, `'*-log[log in this format]:format:(text json)'`, `:port:_files'`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestMan(t *testing.T) {
	var b bytes.Buffer
	if err := program().Man(&b, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH DIAL 1 2026-01-02\n", "dial \\- dial \\- and log in\n", ".PP\n\\&.Two\nlines.\n", ".BI \\-log \" format\"\nlog in this format\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
