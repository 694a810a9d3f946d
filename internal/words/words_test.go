package words

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestShell(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
		why  string
	}{
		{`/usr/sbin/chat -v '' ATZ "a b" c\ d`, []string{"/usr/sbin/chat", "-v", "", "ATZ", "a b", "c d"}, ""},
		{`chat "a\c" 'a\c'`, []string{"chat", `a\c`, `a\c`}, ""},
		{"chat $X", nil, "$"},
		{`chat "$X"`, nil, "$"},
		{`chat '$X'`, []string{"chat", "$X"}, ""},
		{"sleep 1; chat x", nil, ";"},
		{"chat x >log", nil, ">"},
		{"A=b chat x", nil, "an assignment"},
		{"chat 'x", nil, "an open quote '"},
		{"chat *", nil, "*"},
	} {
		got, why := Shell(tt.src)
		if !slices.Equal(got, tt.want) || why != tt.why {
			t.Errorf("%q: %q, %q; want %q, %q", tt.src, got, why, tt.want, tt.why)
		}
	}
}

// TestOptions reads letters as getopt(3) does.
func TestOptions(t *testing.T) {
	for args, want := range map[string]string{
		"":          "|",
		"a b":       "|a b",
		"-v a":      "v= |a",
		"-vt 5 a":   "v= t=5 |a",
		"-vt5 -e a": "v= t=5 e= |a",
		"-tv -e":    "t=v e= |",
		"-t -- a":   "t=-- |a",
		"-v -- -e":  "v= |-e",
		"-v - -e":   "v= |- -e",
		"-v -t":     "v= t missing |",
		"-e -x -v":  "e= error x",
		"--":        "|",
	} {
		got := ""
		rest, err := Options(strings.Fields(args), "t", func(letter byte, value string, given bool) error {
			switch {
			case letter == 'x':
				return errors.New("x")
			case !given:
				got += string(letter) + " missing "
			default:
				got += string(letter) + "=" + value + " "
			}
			return nil
		})
		if err != nil {
			got += "error " + err.Error()
		} else {
			got += "|" + strings.Join(rest, " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"timeout", "port", "Init1"}
	for s, want := range map[string]string{"timeot": "timeout", "prot": "port", "init10": "Init1", "zzz": "", "": "", "x": ""} {
		if got := Nearest(s, known); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// TestCommand refuses what cannot run before it runs.
func TestCommand(t *testing.T) {
	if cmd, err := Command("a|b", true); err != nil || !slices.Equal(cmd.Args, []string{"/bin/sh", "-c", "a|b"}) {
		t.Errorf("with a shell: %v, %v", cmd, err)
	}
	if cmd, err := Command("go 'a b'", false); err != nil || !slices.Equal(cmd.Args, []string{"go", "a b"}) {
		t.Errorf("without one: %v, %v", cmd, err)
	}
	for s, want := range map[string]string{"a|b": "add -shell", " ": "names no command"} {
		if _, err := Command(s, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
	if _, err := Command("no-such-program-at-all x", false); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that is missing: %v", err)
	}
	for _, path := range []string{"/nonexistent/pppd", t.TempDir()} {
		if _, err := Command(path, false); !errors.As(err, new(*exec.Error)) {
			t.Errorf("%s is no program: %v", path, err)
		}
	}
}
