package main

import (
	"strings"
	"testing"

	"github.com/rasline/rasline/examples/internal/demo"
)

// What a script sends and is not given is known before anything is opened, in
// every language, and the message names the place and the flag.
func TestMissingInput(t *testing.T) {
	t.Parallel()
	scp := file(t, "a.scp", "proc main\nwaitfor \"ogin:\" until 5\ntransmit $USERID\ntransmit $PASSWORD, raw\nendproc\n")
	inf := file(t, "u.inf", "[A]\nCOMMAND=<username><cr>\nNoResponse\nCOMMAND=<password><cr>\nNoResponse\n")
	pad := file(t, "pad.inf", "[A]\nCOMMAND=<x25address><cr>\nNoResponse\n")
	chat := file(t, "d.chat", "TIMEOUT 3\nogin: \\T\nword: \\U\n")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"scp, name", []string{"-script", scp}, "a.scp:3: the script uses $USERID: a user name is needed and none is given: use -user NAME"},
		{"scp, password", []string{"-script", scp, "-user", "joe"}, "a.scp:4: the script uses $PASSWORD: a password is needed and none is given: use -password-file FILE"},
		{"switchinf, name", []string{"-script", inf, "-section", "A"}, "u.inf:2: [A]: the script sends <username>: a user name is needed and none is given: use -user NAME"},
		{"switchinf, password", []string{"-script", inf, "-section", "A", "-user", "joe"}, "u.inf:4: [A]: the script sends <password>: a password is needed and none is given: use -password-file FILE"},
		{"switchinf, number", []string{"-script", pad, "-section", "A"}, "pad.inf:2: [A]: the script sends <x25address>: a phone number is needed and none is given: use -dial NUMBER"},
		{"chat, name", []string{"-script", chat}, `d.chat:2:7: the script sends \T: a user name is needed and none is given`},
		{"chat, password", []string{"-script", chat, "-user", "joe"}, `d.chat:3:7: the script sends \U: a password is needed and none is given`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rasdial(t, t.Context(), append(tt.args, "-port", "/nonexistent", "-dial", "5551234")...)
			if tt.name == "switchinf, number" {
				r = rasdial(t, t.Context(), append(tt.args, "-port", "/nonexistent")...)
			}
			if r.status != exitUsage || !strings.Contains(r.stderr, tt.want) || strings.Contains(r.stderr, "RASCS_") {
				t.Errorf("exit %d, want %d, nothing opened, and %q in\n%s", r.status, exitUsage, tt.want, r.stderr)
			}
		})
	}
	rasdial(t, t.Context(), "-script", scp, "-user", "joe", "-no-password", "-port", "/nonexistent").expect(t, exitNotOpen, "nonexistent")
}

// The demonstration has a name and a password for every language.
func TestDemonstrationOfChat(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		chat := file(t, "d.chat", "TIMEOUT 9\nogin: \\T\nword: \\U\nhoice: PPP\n'' ''\n")
		r := rasdial(t, t.Context(), "-script", chat)
		if r.status != exitOK || !strings.Contains(r.stderr, `> "guest\r"`) || strings.Contains(r.stderr, demo.Password) {
			t.Errorf("exit %d, want the name of the demonstration in\n%s", r.status, r.stderr)
		}
	})
}

// A script that parses and fails by its own doing has no syntax error.
func TestScriptThatFailsByItself(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		r := rasdial(t, t.Context(), "-script", file(t, "div.scp", "proc main\ninteger n = 0\nn = 1 / n\nendproc\n"))
		r.expect(t, exitFailed, "^rasdial: error 752 ERROR_SCRIPT_SYNTAX: the script failed while it ran$")
		if !strings.Contains(r.stderr, "div.scp:3: division by zero") {
			t.Errorf("the place is missing in\n%s", r.stderr)
		}
	})
}
