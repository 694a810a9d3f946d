package phonebook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

const wvdialConf = `# a comment
Phone = 3
[Dialer Defaults]
Modem = /dev/ttyUSB2
Baud = 115200
Init2 = ATQ0 V1 E1 S0=0
Phone = "*99#"
Username = any
Password = any
Stupid Mode = yes
Init10 = ATX

[Dialer apn1]
Init3 = AT+CGDCONT=1,"IP","internet.example"

[Dialer pin]
Init1 = AT+CPIN=4711

[Dialer landline]
Inherits = Dialer shared
Phone = 5550142
Phone1 = 5550143
Phone3 = 5550144
Stupid Mode = no
Dial Prefix = 9
Area Code = 030
Abort on Busy = Y

[Dialer shared]
Dial Attempts = 3
Login Prompt = account
Dial Command = ATX3DP
Carrier Check = off
Idle Seconds = 120
`

// TestSuggestionIsTheSameEachTime has a key as near to one key as to others.
func TestSuggestionIsTheSameEachTime(t *testing.T) {
	for range 50 {
		b := parse(t, "wvdial.conf", "[Dialer Defaults]\nPhone9 = 1\n", nil)
		wantFinding(t, b.Findings(), `wvdial.conf:2:1: warning: wvdial has no key "Phone9": it is ignored, perhaps Phone is meant`)
	}
}

func TestWvdial(t *testing.T) {
	b := parse(t, "wvdial.conf", wvdialConf, nil)
	wantFinding(t, b.Findings(), "wvdial.conf:2:1: warning: before any section")
	wantFinding(t, b.Findings(), `wvdial.conf:11:1: warning: wvdial has no key "Init10": it is ignored, perhaps Init1 is meant`)
	var names []string
	for _, i := range b.Entries() {
		names = append(names, i.Name)
	}
	if want := []string{"Defaults", "apn1", "pin", "landline", "shared"}; !slices.Equal(names, want) {
		t.Errorf("entries %q", names)
	}

	e, list, err := b.Entry(nil, "apn1")
	if err != nil || len(list) != 0 {
		t.Fatal(err, texts(list))
	}
	if want := []string{"ATZ", "ATQ0 V1 E1 S0=0", `AT+CGDCONT=1,"IP","internet.example"`}; !slices.Equal(e.Dialer.Init, want) {
		t.Errorf("init %q", e.Dialer.Init)
	}
	if e.Port != "/dev/ttyUSB2" || e.PortConfig.Port.Mode.String() != "115200,8N1,rtscts" || e.Script != nil || !e.Persist || e.Dialer.Redial.Attempts != -1 {
		t.Errorf("%+v, mode %v", e, e.PortConfig.Port.Mode)
	}
	if !slices.Equal(e.Dialer.Numbers, []string{"*99#"}) || e.Params.UserName != "any" || e.Params.Password != "any" {
		t.Errorf("numbers %q, params %v", e.Dialer.Numbers, e.Params)
	}

	e, list, err = b.Entry(nil, "landline")
	if err != nil {
		t.Fatal(err, texts(list))
	}
	if want := []string{"9,0305550142", "9,0305550143"}; !slices.Equal(e.Dialer.Numbers, want) {
		t.Errorf("numbers %q", e.Dialer.Numbers)
	}
	if e.Dialer.Redial.Attempts != 3 || !slices.Contains(e.Dialer.Redial.Stop, modem.Busy) || !slices.Contains(e.Dialer.Redial.Stop, modem.NoDialtone) {
		t.Errorf("redial %+v", e.Dialer.Redial)
	}
	if e.Dialer.Config.DialPrefix != "DP" || e.Dialer.Init[len(e.Dialer.Init)-1] != "ATX3" {
		t.Errorf("prefix %q, init %q", e.Dialer.Config.DialPrefix, e.Dialer.Init)
	}
	if e.Script == nil || e.Persist || e.IdleTimeout != 2*time.Minute || !e.Carrier.Ignore {
		t.Errorf("%+v", e)
	}

	e, list, err = b.Entry(nil, "pin", "apn1", "Phone=5551234")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 0 || e.Dialer.Init[0] != "AT+CPIN=4711" || e.Dialer.Numbers[0] != "5551234" || e.Name != "pin apn1" {
		t.Errorf("%q %q %q\n%s", e.Name, e.Dialer.Init, e.Dialer.Numbers, texts(list))
	}
}

func TestWvdialMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		entry     []string
		want      string
		code      ras.Code
	}{
		{"a missing section", "[Dialer a]\nPhone=1\n[Dialer bee]\n", []string{"b"}, "there is no section [Dialer b]; there is: a, bee", ras.ErrCannotFindPhonebookEntry},
		{"no number", "[Dialer a]\nModem=/dev/ttyS0\n", []string{"a"}, "w.conf:1:1: no Phone", ras.ErrInvalidParameter},
		{"a number that is a command", "[Dialer a]\nPhone = 1;H\n", []string{"a"}, "w.conf:2:9: Phone: phone number, character 2", ras.ErrInvalidParameter},
		{"a switch", "[Dialer a]\nPhone=1\nStupid Mode = maybe\n", []string{"a"}, `w.conf:3:15: Stupid Mode = "maybe": write yes or no`, ras.ErrInvalidParameter},
		{"a number of bauds", "[Dialer a]\nPhone=1\nBaud = fast\n", []string{"a"}, `w.conf:3:8: Baud = "fast" is not a number`, ras.ErrInvalidParameter},
		{"an init that dials", "[Dialer a]\nPhone=1\nInit2=ATDT1\n", []string{"a"}, "w.conf:3:7: Init2: command", ras.ErrInvalidParameter},
		{"a circle", "[Dialer a]\nPhone=1\nInherits=Dialer b\n[Dialer b]\nInherits=Dialer a\n", []string{"a"}, "leads back", ras.ErrCorruptPhonebook},
		{"nothing to inherit", "[Dialer a]\nPhone=1\nInherits=Dialer c\n", []string{"a"}, "w.conf:3:10: there is no section [Dialer c]", ras.ErrInvalidParameter},
		{"a command that does not dial", "[Dialer a]\nPhone=1\nDial Command=ATZ\n", []string{"a"}, `does not end with a command that dials`, ras.ErrInvalidParameter},
		{"an unknown override", "[Dialer a]\nPhone=1\n", []string{"a", "Fone=2"}, `wvdial has no key "Fone"`, ras.ErrInvalidParameter},
		{"a port of Windows", "[Dialer a]\nPhone=1\nModem=COM3\n", []string{"a"}, "COM3 is a port of another machine", ras.ErrInvalidParameter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := parse(t, "w.conf", tt.src, &Config{Kind: KindWvdial})
			e, _, err := b.Entry(nil, tt.entry...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.code) || e != nil {
				t.Errorf("error %v, want %q and %v", err, tt.want, tt.code)
			}
		})
	}
}

// TestLongChain lists and reads a book in which each section inherits from the one
// before: the time for that does not grow with the square of its length.
func TestLongChain(t *testing.T) {
	var src strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&src, "[Dialer e%d]\nPhone=%d\nInherits=Dialer e%d\n", i, i, max(i-1, 0))
	}
	b := parse(t, "w.conf", src.String(), &Config{Kind: KindWvdial})
	if n := len(b.Entries()); n != 10_000 {
		t.Errorf("%d entries", n)
	}
	if _, _, err := b.Entry(nil, "none"); err == nil || !strings.HasSuffix(err.Error(), ", e18, e19 and 9980 more") {
		t.Errorf("Entry: %.200v", err)
	}
	if _, _, err := b.Entry(nil, "e9999"); !errors.Is(err, ras.ErrCorruptPhonebook) || !strings.Contains(err.Error(), "more than 100 sections") {
		t.Errorf("Entry: %v", err)
	}
}

// TestWvdialNeedsItsName refuses an entry that needs a name before it
// is dialled, and not one in Stupid Mode.
func TestWvdialNeedsItsName(t *testing.T) {
	b := parse(t, "w.conf", "[Dialer a]\nPhone=1\n[Dialer b]\nPhone=1\nStupid Mode=1\n", &Config{Kind: KindWvdial})
	a, _, err := b.Entry(nil, "a")
	if err != nil {
		t.Fatal(err)
	}
	var missing *script.MissingError
	if err := a.Check(); !errors.As(err, &missing) || missing.Field != "UserName" {
		t.Errorf("Check: %v", err)
	}
	e, _, err := b.Entry(nil, "b")
	if err != nil || e.Check() != nil {
		t.Errorf("stupid mode: %v, %v", err, e.Check())
	}
}
