package phonebook

import (
	"errors"
	"strings"
	"testing"

	"github.com/rasline/rasline/script/lint"
)

// TestFindingsHideSecrets looks for the secrets of a phone book in all that is said
// about it, also where the line of a secret, or a mistyped key, is what is wrong.
func TestFindingsHideSecrets(t *testing.T) {
	const secret, pin = "hunter2-Gr8", "47114711"
	for name, src := range map[string]string{
		"wvdial.conf": "[Dialer Defaults]\nModem = /dev/ttyS0\nPhone = 1\nPasword = " + secret + "\nPassword = " + secret +
			"\nAsk Password = " + secret + "\nInit2 = AT+CPIN=\"" + pin + "\nInit3 = AT+CLCK=\"SC\",0,\"" + pin + "\"\n" +
			"[Dialer a]\nPassword = x" + secret + "\nInit3 = AT+CPIN=" + pin + "1\n",
		"peers": "/dev/ttyS0\npassword " + secret + "#" + secret + "\npasswrd " + secret + "\npassword \"" + secret + "\n" + secret + "\"#\n" +
			"set PIN=" + pin + "#" + pin + "\nconnect \"chat '' AT assword: " + secret + " 'x\"\nwelcome 'chat \"\" \"\\q" + secret + "\" -\n" + secret + "'#\n",
		"x.pbk": "[a]\nPreSharedKey=" + secret + "\npresharedkey=" + secret + "\nMEDIA=serial\nPort=\nDEVICE=modem\n",
	} {
		b, err := Parse(name, []byte(src), nil)
		var list *lint.ParseError
		var found []lint.Finding
		if errors.As(err, &list) {
			found = list.Findings
		} else {
			found = b.Findings()
			for _, names := range [][]string{nil, {"a"}, {"a", "Defaults"}} {
				_, more, err := b.Entry(nil, names...)
				found = append(found, more...)
				if err != nil {
					found = append(found, lint.Finding{Text: err.Error()})
				}
			}
		}
		if len(found) < 2 {
			t.Errorf("%s: only %v was found", name, found)
		}
		for _, f := range found {
			if all := f.String() + "\n" + f.Excerpt(); strings.Contains(all, secret) || strings.Contains(all, pin) {
				t.Errorf("%s: a secret shows:\n%s", name, all)
			}
		}
	}
}

// TestSettingsHavePlaces reports what is wrong with KEY=VALUE of the command line,
// which is in no line of the file.
func TestSettingsHavePlaces(t *testing.T) {
	b := parse(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\n", nil)
	for _, set := range []string{"Stupid Mode=perhaps", "Dial Timeout=soon", "Phone=1;2", "Init2=AT\"", "Dial Command=ATH", "Baud=x"} {
		_, found, err := b.Entry(nil, set)
		if err == nil {
			t.Errorf("%s is taken", set)
		}
		wantFinding(t, found, "KEY=VALUE:1:1: error: ")
	}
}

// TestInheritedValuesDiffer is what inheriting is for; named sections that differ
// are warned about.
func TestInheritedValuesDiffer(t *testing.T) {
	b := parse(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\n[Dialer a]\nInherits=Dialer base\nPhone=2\n[Dialer base]\nPhone=3\n[Dialer b]\nPhone=4\n", nil)
	_, found, err := b.Entry(nil, "a")
	if err != nil || strings.Contains(texts(found), "which wins") {
		t.Errorf("%v\n%s", err, texts(found))
	}
	_, found, _ = b.Entry(nil, "a", "b")
	wantFinding(t, found, `Phone is "4" here and "2" in [Dialer a], which wins`)
}
