package scp

import (
	"errors"
	"testing"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// What a script needs and does not have is reported before anything is sent. A
// script that compares the name or the password has its own way without.
func TestCheck(t *testing.T) {
	both := body("delay 1", "transmit $USERID", `transmit "^M" + $PASSWORD`)
	for _, tt := range []struct {
		name, src string
		params    *ras.DialParams
		want      string
	}{
		{"nothing", both, nil, "t.scp:3: the script uses $USERID: a user name is needed and none is given"},
		{"a name", both, &ras.DialParams{UserName: "joe"}, "t.scp:4: the script uses $PASSWORD: a password is needed and none is given"},
		{"both", both, &ras.DialParams{UserName: "joe", Password: "x"}, ""},
		{"a password known to be empty", both, &ras.DialParams{UserName: "joe", NoPassword: true}, ""},
		{"compared", body(`if "x" != $USERID + $PASSWORD then transmit $USERID endif`, "transmit $PASSWORD"), nil, ""},
		{"not needed", body(`transmit "x"`), nil, ""},
		{"in a procedure that never runs", body("delay 1") + "proc other\ntransmit $USERID\nendproc\n", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prog, err := Parse("t.scp", []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			err = prog.Executor(nil).(script.Checker).Check(tt.params)
			if got := ""; err != nil {
				got = err.Error()
				if got != tt.want || !errors.Is(err, ras.ErrInvalidParameter) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			} else if tt.want != "" {
				t.Errorf("no error, want %q", tt.want)
			}
			if err != nil && !errors.Is(prog.Execute(t.Context(), &ras.Call{Params: tt.params}), ras.ErrInvalidParameter) {
				t.Error("Execute does not refuse to run")
			}
		})
	}
}
