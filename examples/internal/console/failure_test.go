package console

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
)

// TestFailure shows an error with its code once, and the place of a script in a line
// of its own.
func TestFailure(t *testing.T) {
	busy := &dialup.Error{Op: "dial", Entry: "isp", Err: &ras.Error{Op: "dial", Code: ras.ErrLineBusy, Err: errors.New("BUSY")}}
	for _, tt := range []struct {
		name string
		ran  bool
		err  error
		want string
	}{
		{"of a run", true, busy, "p: error 676 ERROR_LINE_BUSY: dial: BUSY\n"},
		{"before a run", false, errors.Join(errors.New("one"), errors.New("two")), "p: one\np: two\n"},
		{"of several", true, errors.Join(busy, errors.New("two")), "p: error 676 ERROR_LINE_BUSY: dial isp: dial: BUSY; two\n"},
		{"of a script", true, &script.RunError{File: "a.scp", Line: 3, Code: ras.ErrScriptSyntax, Err: errors.New("division by zero")},
			"p: a.scp:3: division by zero\np: error 752 ERROR_SCRIPT_SYNTAX: the script failed while it ran\n"},
	} {
		var out bytes.Buffer
		(&Screen{w: &out}).Failure(nil, "p", 1, tt.ran, tt.err)
		if out.String() != tt.want {
			t.Errorf("%s:\n%swant\n%s", tt.name, out.String(), tt.want)
		}
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	new(Screen).Failure(log, "p", 1, true, busy)
	if want := "level=ERROR msg=p status=1 code=676 name=ERROR_LINE_BUSY error=\"dial: BUSY\"\n"; out.String() != want {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
