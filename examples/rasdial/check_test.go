package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestCheckFindsSixMistakes(t *testing.T) {
	name := file(t, "six.scp", strings.Join([]string{
		`proc main`,
		`  integer x = "text"`,   // a text for a number
		`  transmit $NAME`,       // no such system variable
		`  goto nowhere`,         // no such label
		`  set port databits 9`,  // a value that no line has
		`  waitfor "a" then "b"`, // no label after then
		`  transmit "open`,       // no closing quote
		`  transmit "ok"`,
		`endproc`,
	}, "\n"))
	r := rasdial(t, t.Context(), "-check", "-script", name)
	if r.status != exitUsage {
		t.Errorf("exit status %d, want %d", r.status, exitUsage)
	}
	var lines []string
	for line := range strings.Lines(r.stdout) {
		m := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `:(\d+):\d+: (error|warning): .`).FindStringSubmatch(line)
		if m == nil {
			t.Errorf("%q is not FILE:LINE:COL: error|warning: text", line)
		} else if m[2] == "error" {
			lines = append(lines, m[1])
		}
	}
	if got := strings.Join(lines, " "); got != "2 3 4 5 6 7" {
		t.Errorf("errors in lines %s, want 2 to 7", got)
	}
}

func TestCheckAcceptsWarnings(t *testing.T) {
	name := file(t, "ok.scp", "proc main\n  waitfor \"x\"\nendproc\n")
	r := rasdial(t, t.Context(), "-check", "-script", name)
	if r.status != exitOK || !strings.Contains(r.stdout, ": warning: ") {
		t.Errorf("exit status %d, output %q; want 0 with a warning", r.status, r.stdout)
	}
}

func TestListSections(t *testing.T) {
	r := rasdial(t, t.Context(), "-list", "-script", file(t, "switch.inf", infLogin+"\n[Other]\nCOMMAND=\nOK=<ignore>\n"))
	if r.status != exitOK || r.stdout != "Host\nOther\n" {
		t.Errorf("exit status %d, output %q", r.status, r.stdout)
	}
}

// TestListOddSection names a section so that a terminal is left alone.
func TestListOddSection(t *testing.T) {
	r := rasdial(t, t.Context(), "-list", "-script", file(t, "switch.inf", "[\x1b[2JHost]\nCOMMAND=\nOK=<ignore>\n"))
	if r.status != exitOK || r.stdout != `\x1b[2JHost`+"\n" {
		t.Errorf("exit status %d, output %q", r.status, r.stdout)
	}
}

// TestCheckSection finds that the section to run is not there.
func TestCheckSection(t *testing.T) {
	name := file(t, "switch.inf", infLogin)
	rasdial(t, t.Context(), "-check", "-script", name, "-section", "Nowhere").expect(t, exitUsage, `there is no such section: the file has "Host"`)
	if r := rasdial(t, t.Context(), "-check", "-script", name, "-section", "host"); r.status != exitOK {
		t.Errorf("exit status %d for a section that is there", r.status)
	}
}
