package flagdoc

import (
	"bytes"
	"errors"
	"flag"
	"io"
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
	f.Duration("time-limit", 0, "")
	f.Int("redial", 0, "")
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
	for line, want := range map[string]string{"dial -p": "-port", "dial -log j": "json", "dial -": "-log -port -redial -time-limit -v"} {
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

// TestParse parses flags in any place, and explains what is wrong in one line.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args, others, out string
	}{
		{"a -v b -port x c", "a b c", ""},
		{"-prot x", "", "dial: there is no flag -prot: use -port; -h lists the flags\n"},
		{"a -log", "", "dial: flag needs an argument: -log; -h lists the flags\n"},
		{"-time-limit 5", "", `dial: invalid value "5" for flag -time-limit: write a number with its unit, such as 5s or 2m; -h lists the flags` + "\n"},
		{"-redial -v", "", `dial: invalid value "-v" for flag -redial: write a whole number; -h lists the flags` + "\n"},
		{"-redial 99999999999999999999", "", `dial: invalid value "99999999999999999999" for flag -redial: value out of range; -h lists the flags` + "\n"},
		{"-v=maybe", "", `dial: invalid boolean value "maybe" for -v: write true or false; -h lists the flags` + "\n"},
		{"-h", "", "usage of dial\n  -log format"},
	} {
		p := program()
		p.Usage = "usage of dial\n"
		var out bytes.Buffer
		others, err := p.Parse(strings.Fields(tt.args), &out)
		if (err == nil) != (tt.out == "") || strings.Join(others, " ") != tt.others || !strings.HasPrefix(out.String(), tt.out) {
			t.Errorf("%s: %q, %v\n%s", tt.args, others, err, out.String())
		}
		if errors.Is(err, flag.ErrHelp) != (tt.args == "-h") {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
}

// TestEmptyValues refuses them but where they are allowed.
func TestEmptyValues(t *testing.T) {
	for _, tt := range []struct {
		args []string
		out  string
	}{
		{[]string{"-log", "", "-port="}, "dial: -log: the value is empty\ndial: -port: the value is empty\n"},
		{[]string{"-t", "a", "-t", "", "-user", ""}, "dial: -t: the value is empty\n"},
		{[]string{"-user", "", "-t", "a", "-v"}, ""},
	} {
		p := program()
		p.Flags.Var(new(Texts), "t", "")
		p.Flags.String("user", "", "")
		p.MayBeEmpty = []string{"user"}
		var out bytes.Buffer
		if _, err := p.Parse(tt.args, &out); out.String() != tt.out || (err == nil) != (tt.out == "") {
			t.Errorf("%q: %v, %q; want %q", tt.args, err, &out, tt.out)
		}
	}
}

// TestRecords writes what is wrong as records where the flag that requests them is
// anywhere in the arguments.
func TestRecords(t *testing.T) {
	for args, want := range map[string]string{
		"-log json -x":     `"msg":"dial","status":2,"error":"there is no flag -x; -h lists the flags"}`,
		"-x --log=json":    `"msg":"dial","status":2,"error":"there is no flag -x; -h lists the flags"}`,
		"-x -log text":     "dial: there is no flag -x; -h lists the flags",
		"-x -port json":    "dial: there is no flag -x; -h lists the flags",
		"-x log json -log": "dial: there is no flag -x; -h lists the flags",
	} {
		p := program()
		p.Log = "log"
		var out bytes.Buffer
		if _, err := p.Parse(strings.Fields(args), &out); err == nil || !strings.HasSuffix(out.String(), want+"\n") {
			t.Errorf("%s: %v, %s; want %s", args, err, &out, want)
		}
	}
}

// TestValues collects what a flag is given several times.
func TestValues(t *testing.T) {
	p := program()
	var texts Texts
	var pairs Pairs
	p.Flags.Var(&texts, "t", "")
	p.Flags.Var(&pairs, "p", "")
	if _, err := p.Parse([]string{"-t", "a", "-p", "x=1", "-t", "b", "-p", "y=2=3"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if texts.String() != "a b" || len(pairs) != 2 || pairs["x"] != "1" || pairs["y"] != "2=3" {
		t.Errorf("%v, %v", texts, pairs)
	}
	for _, bad := range []string{"x", "=1", "x="} {
		if pairs.Set(bad) == nil {
			t.Errorf("the pair %q is taken", bad)
		}
	}
}

// TestWrite writes each document, and no other.
func TestWrite(t *testing.T) {
	for _, d := range append(Documents, "html") {
		var b bytes.Buffer
		if err := program().Write(&b, d); (err == nil) != (b.Len() > 0) || (err != nil) != (d == "html") {
			t.Errorf("%s: %d bytes, %v", d, b.Len(), err)
		}
	}
}
