package lint_test

import (
	"testing"

	"github.com/rasline/rasline/script/lint"
)

func TestListKeepsOrderAndLimits(t *testing.T) {
	l := &lint.List{MaxErrors: 2, MaxWarnings: 1}
	for _, f := range []lint.Finding{
		{Line: 3, Col: 1, Text: "c"},
		{Line: 1, Col: 5, Severity: lint.SeverityWarning, Text: "b"},
		{Line: 1, Col: 2, Text: "a"},
		{Line: 2, Text: "an error too many"},
		{Line: 2, Severity: lint.SeverityWarning, Text: "a warning too many"},
	} {
		l.Add(f)
	}
	got := ""
	for _, f := range l.Sorted() {
		got += f.Text
	}
	if got != "abc1 more error here is not listed1 more warning here is not listed" || l.Errors() != 2 || !l.Full() {
		t.Errorf("got %q, %d errors, full %v", got, l.Errors(), l.Full())
	}
	if !l.ErrorOn(3) || l.ErrorOn(2) {
		t.Error("ErrorOn is wrong about lines 2 and 3")
	}
}
