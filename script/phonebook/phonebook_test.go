package phonebook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

func parse(t *testing.T, name, src string, cfg *Config) *Book {
	t.Helper()
	b, err := Parse(name, []byte(src), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts returns the findings as one text a line.
func texts(list []lint.Finding) string {
	var out []string
	for _, f := range list {
		out = append(out, f.String())
	}
	return strings.Join(out, "\n")
}

func wantFinding(t *testing.T, list []lint.Finding, want string) {
	t.Helper()
	if !strings.Contains(texts(list), want) {
		t.Errorf("no finding with %q among:\n%s", want, texts(list))
	}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      Kind
	}{
		{"/etc/wvdial.conf", "", KindWvdial},
		{"my.conf", "; mine\n[Dialer x]\n", KindWvdial},
		{`C:\x\rasphone.PBK`, "", KindRasphone},
		{"book", "[x]\nMEDIA=serial\n", KindRasphone},
		{"/etc/ppp/peers/isp", "/dev/ttyS0 115200\n", KindPeers},
	} {
		if got := kindOf(tt.name, []byte(tt.src)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	for _, src := range []string{"\xff\xfe[\x00", "[a]\x00"} {
		if _, err := Parse("x.pbk", []byte(src), nil); !errors.Is(err, ras.ErrScriptSyntax) {
			t.Errorf("%q: %v", src, err)
		}
	}
}

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

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{"a  b\tc\r\nd\fe", []string{"a", "b", "c", "d", "e"}},
		{`a"b c"d 'x y' "a""b"`, []string{"ab cd", "x y", "ab"}},
		{`"it's" '"q"'`, []string{"it's", `"q"`}},
		{"\"two\nlines\" x", []string{"two\nlines", "x"}},
		{`""`, []string{""}},
		{`a\ b \x41\101\n\s\t \"`, []string{"a b", "AA\n \t", `"`}},
		{"a\\\nb \"c\\\n d\"", []string{"ab", "c d"}},
		{"a # comment\nb", []string{"a", "b"}},
		{"a#b c\nd", []string{"a", "d"}},
		{`"*99#"`, []string{"*99#"}},
		{`"chat '' ATZ OK 'ATDT*99#' CONNECT '\\d\\c'"`, []string{`chat '' ATZ OK 'ATDT*99#' CONNECT '\d\c'`}},
	} {
		found := &findings{file: "f"}
		var got []string
		for _, w := range pppdWords(found, "f", tt.src) {
			got = append(got, w.text)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.src, got, tt.want)
		}
	}
	for src, want := range map[string]string{`a "b`: "f:1:3: error: the quote", "a\\0": "NUL", "user joe#1": "f:1:9: warning: # begins a comment"} {
		found := &findings{file: "f"}
		pppdWords(found, "f", src)
		wantFinding(t, found.list.Sorted(), want)
	}
}

const peersFile = `# field unit 7
/dev/ttyUSB0
115200
crtscts
lock
user "unit7"
connect "/usr/sbin/chat -v -t 30 ABORT BUSY ABORT 'NO CARRIER' '' ATZ OK 'ATDT*99#' CONNECT '\\d\\c'"
disconnect '/usr/sbin/chat -t 5 "" "\\d+++\\d\\c" OK ATH OK'
noauth
defaultroute
lcp-echo-interval 10
`

func TestPeers(t *testing.T) {
	b := parse(t, "/etc/ppp/peers/unit7", peersFile, nil)
	if b.Kind() != KindPeers || len(b.Findings()) != 0 {
		t.Errorf("%v\n%s", b.Kind(), texts(b.Findings()))
	}
	if got := b.Entries(); len(got) != 1 || got[0].Name != "unit7" || got[0].Port != "/dev/ttyUSB0" || got[0].Why != "" {
		t.Errorf("entries %+v", got)
	}
	e, list, err := b.Entry(nil)
	if err != nil || len(list) != 0 {
		t.Fatal(err, texts(list))
	}
	if e.Port != "/dev/ttyUSB0" || e.PortConfig.Port.Mode.Baud != 115200 || e.PortConfig.Port.Mode.Flow != port.FlowRTSCTS || e.PortConfig.Port.LockDir == "" {
		t.Errorf("port %q, %+v", e.Port, e.PortConfig.Port)
	}
	if e.Params.UserName != "unit7" || e.Dialer != nil || e.Before == nil || e.Script == nil || e.Disconnect == nil {
		t.Errorf("%+v", e)
	}
	if want := []string{"user", "unit7", "noauth", "defaultroute", "lcp-echo-interval", "10"}; !slices.Equal(e.PPP, want) {
		t.Errorf("PPP %q", e.PPP)
	}
}

func TestPeersMistakes(t *testing.T) {
	files := fstest.MapFS{
		"peers/base":   {Data: []byte("call base\n")},
		"chat/script":  {Data: []byte("'' AT OK\n")},
		"dial":         {Data: []byte("#!/bin/sh\n# dials\nexec chat -f /chat/script\n")},
		"peers/modem1": {Data: []byte("ttyS1 9600\n")},
	}
	for _, tt := range []struct{ name, src, want string }{
		{"a loop", "/dev/ttyS0 call base", `leads back`},
		{"a missing peer", "/dev/ttyS0 call nobody", "peers/isp:1:12: error: call nobody"},
		{"a name with a slash", "/dev/ttyS0 call ../x", "the name of a peer"},
		{"no value", "/dev/ttyS0 connect", "connect needs a value"},
		{"no device", "115200", "names no port"},
		{"a shell command", "/dev/ttyS0 connect 'sleep 1; chat x'", "connect: ; is more than a chat command"},
		{"a bad number", "/dev/ttyS0 idle abc", `idle "abc": not a number`},
		{"PPPoE", "plugin rp-pppoe.so nic-eth0", "not a serial peer: peers/isp:1: PPPoE"},
		{"a program instead of a line", "pty 'pppoe -I eth0'", "not a serial peer"},
		{"cdtrcts", "/dev/ttyS0 cdtrcts", "use crtscts"},
		{"rasdial itself", "/dev/ttyS0 connect 'rasdial -port -'", "rasdial cannot call itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Parse("peers/isp", []byte(tt.src), &Config{Kind: KindPeers, FS: files})
			if err == nil {
				_, _, err = b.Entry(&EntryConfig{Scripts: files})
			}
			var list *lint.ParseError
			text := ""
			if errors.As(err, &list) {
				text = texts(list.Findings)
			}
			if err == nil || !strings.Contains(err.Error()+text, tt.want) {
				t.Errorf("error %v, want %q\n%s", err, tt.want, text)
			}
		})
	}
	b := parse(t, "peers/isp", "call modem1 call modem1 connect /dial plugin x.so blub user joe#1", &Config{Kind: KindPeers, FS: files})
	e, list, err := b.Entry(&EntryConfig{Scripts: files})
	if err != nil || e.Port != "/dev/ttyS1" || e.Script == nil || e.Params.UserName != "joe" {
		t.Errorf("%+v, %v\n%s", e, err, texts(list))
	}
	wantFinding(t, b.Findings(), "1:13: warning: call modem1: the file is read once")
	wantFinding(t, b.Findings(), "may be an option of a plugin")
	wantFinding(t, b.Findings(), "# begins a comment")
}

func TestRasphone(t *testing.T) {
	scripts := fstest.MapFS{
		"switch.inf":      {Data: []byte("[Front panel]\nCOMMAND=open<cr>\nOK=<match>\"ready\"\n")},
		"ras/LabMenu.SCP": {Data: []byte("proc main\nwaitfor \"menu\"\ntransmit \"2^M\"\nendproc\n")},
	}
	b := parse(t, "rasphone.pbk", string(testdata(t, "book.pbk")), nil)
	list := b.Entries()
	if len(list) != 4 || list[2].Device != "vpn" || !strings.Contains(list[2].Why, "not a serial dial-up entry: DEVICE=vpn (WAN Miniport (IKEv2))") {
		t.Errorf("entries %+v", list)
	}
	e, found, err := b.Entry(&EntryConfig{Ports: map[string]string{"com3": "/dev/ttyUSB0"}}, "town isp")
	if err != nil {
		t.Fatal(err, texts(found))
	}
	if e.Name != "Town ISP" || e.Port != "/dev/ttyUSB0" || e.PortConfig.Port.Mode.String() != "115200,8N1,rtscts" {
		t.Errorf("%+v", e)
	}
	if !slices.Equal(e.Dialer.Numbers, []string{"5550142", "5550143"}) || e.Dialer.Redial.Attempts != 6 || e.Dialer.Redial.RoundPause != 30*time.Second ||
		!slices.Equal(e.Dialer.Init, []string{"ATZ", "ATQ0V1E1", "ATM0"}) {
		t.Errorf("dialer %+v", e.Dialer)
	}
	e, found, err = b.Entry(&EntryConfig{Port: "/dev/ttyS1", Scripts: scripts}, "Lab gateway")
	if err != nil || e.Before == nil || e.Script == nil || e.PortConfig.Port.Mode.Flow != port.FlowNone {
		t.Errorf("%+v, %v\n%s", e, err, texts(found))
	}
	e, found, err = b.Entry(&EntryConfig{Port: "x", Location: "41,1,0,00"}, "Café Zürich")
	if err != nil || e.Dialer.Numbers[0] != "0445550111" {
		t.Errorf("%+v, %v\n%s", e, err, texts(found))
	}
}

func TestRasphoneMistakes(t *testing.T) {
	const good = "[My ISP]\nMEDIA=serial\nPort=COM1\nDEVICE=modem\nPhoneNumber=1\n"
	for _, tt := range []struct {
		name, src, entry, want string
		code                   ras.Code
	}{
		{"a half name", good, "MY", `no entry "MY"; there is "My ISP"`, ras.ErrCannotFindPhonebookEntry},
		{"no mapping", good, "My ISP", "b.pbk:3:6: COM1 is a port of another machine", ras.ErrInvalidParameter},
		{"no MEDIA", "[x]\nType=1\n", "x", "has no MEDIA", ras.ErrCorruptPhonebook},
		{"no DEVICE", "[x]\nMEDIA=serial\n", "x", "has no DEVICE", ras.ErrCorruptPhonebook},
		{"the wrong order", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=switch\nDEVICE=switch\nDEVICE=modem\nPhoneNumber=1\n", "x", "out of order", ras.ErrInvalidParameter},
		{"a missing script", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\nDEVICE=switch\nName=C:\\ras\\a.scp\n", "x", "script C:\\ras\\a.scp: no directory for scripts", ras.ErrInvalidParameter},
		{"a path that leaves", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\nDEVICE=switch\nName=..\\a.scp\n", "x", "..", ras.ErrInvalidParameter},
		{"a switch without its script", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\nDEVICE=switch\nScript=1\n", "x", "names no script", ras.ErrInvalidParameter},
		{"dialling rules", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\nUseDialingRules=1\n", "x", "needs dialling rules", ras.ErrInvalidParameter},
		{"a sub-address", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1^2\n", "x", "ISDN sub-address", ras.ErrInvalidParameter},
		{"no number", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\n", "x", "no PhoneNumber", ras.ErrInvalidParameter},
		{"a DLL", "[x]\nCustomScript=1\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\n", "x", "CustomScript=1", ras.ErrInvalidParameter},
		{"a DLL, and a space", "[x]\nCustomScript=1 \nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\n", "x", "CustomScript=1", ras.ErrInvalidParameter},
		{"a switch without its script, and a space", "[x]\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\nDEVICE=switch\nScript=1 \n", "x", "names no script", ras.ErrInvalidParameter},
		{"old RAS", "[x]\nBaseProtocol=3\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=1\n", "x", "neither PPP", ras.ErrUnknownDeviceType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := parse(t, "b.pbk", strings.ReplaceAll(tt.src, "\n", "\r\n"), nil)
			_, _, err := b.Entry(nil, tt.entry)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.code) {
				t.Errorf("error %v, want %q and %v", err, tt.want, tt.code)
			}
		})
	}
}

// TestCodePage reads names in the code page of Windows.
func TestCodePage(t *testing.T) {
	b := parse(t, "b.pbk", "[M\xfcnchen \x80]\r\nEncoding=0\r\nMEDIA=serial\r\nDEVICE=null\r\n", nil)
	if got := b.Entries()[0].Name; got != "München €" {
		t.Errorf("name %q", got)
	}
	// The name of the modem is what -map is given.
	b = parse(t, "b.pbk", "[a]\r\nMEDIA=serial\r\nPort=COM3\r\nDevice=M\xf3dem est\xe1ndar\r\nDEVICE=modem\r\nPhoneNumber=1\r\n", nil)
	e, list, err := b.Entry(&EntryConfig{Ports: map[string]string{"Módem estándar": "/dev/ttyUSB0"}}, "a")
	if err != nil || e.Port != "/dev/ttyUSB0" {
		t.Errorf("the port of a modem with an accent: %v\n%s", err, texts(list))
	}
}

// TestBookDoesNotChange makes an entry whose numbers have the area code of the
// entry, as NT 4 writes it: a Book is for several goroutines.
func TestBookDoesNotChange(t *testing.T) {
	b := parse(t, "b.pbk", "[a]\nUseCountryAndAreaCodes=1\nAreaCode=30\nCountryCode=49 \nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=5550100\n", nil)
	phone := b.entries.(*pbk).list[0].media[0].devices[0].phones[0]
	before := len(phone.keys)
	e, _, err := b.Entry(&EntryConfig{Location: "49,89,0,00"}, "a")
	if err != nil || e.Dialer.Numbers[0] != "0305550100" {
		t.Errorf("%+v, %v", e, err)
	}
	if len(phone.keys) != before {
		t.Errorf("the number has %v", phone.keys)
	}
}

// TestUnusedKeys reports what an entry has and nothing uses, with its place, and no
// value, which may be a secret.
func TestUnusedKeys(t *testing.T) {
	b := parse(t, "w.conf", "[Dialer Defaults]\nModem Type=Analog Modem\nPhone=1\nPhone2=2\nStupid Mode=1\nAsk Password=1\nPassword=hunter2\n"+
		"New PPPD=no\nCheck DNS=on\nDNS Test1=\n[Dialer a]\nProvider=Me\n[Dialer b]\nNew PPPD=yes\nCheck DNS=\nPhone1=1\nAsk Password=0\n", &Config{Kind: KindWvdial})
	for entry, want := range map[string]string{
		"a": "w.conf:4:8: warning: Phone2 is not used here: the list ends at Phone1, which is empty\n" +
			"w.conf:7:10: warning: Password is not used here: Ask Password is on\n" +
			"w.conf:8:10: warning: New PPPD is not used here: every pppd is a new one\n" +
			"w.conf:9:11: warning: Check DNS is not used here\n" +
			"w.conf:12:10: warning: Provider is not used here",
		"b": "",
	} {
		if _, list, err := b.Entry(nil, entry); err != nil || texts(list) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", entry, err, texts(list), want)
		}
	}
	b = parse(t, "b.pbk", "[a]\nType=1\nPreSharedKey=hunter2\nOverridePref=15\nIpDnsAddress=0.0.0.0\nSlipIpAddress=10.0.0.1\nMEDIA=serial\nPort=/dev/a\n"+
		"DEVICE=modem\nPhoneNumber=1\nComment=x\nProtocol=0\nCompression=1\nMdmProtocol=0\n", nil)
	_, list, err := b.Entry(nil)
	want := "b.pbk:3:1: warning: not used here: PreSharedKey (line 3), OverridePref (line 4), SlipIpAddress (line 6), Protocol (line 12)"
	if err != nil || texts(list) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, texts(list), want)
	}
}

// TestSlipAddress has the own address that an entry for SLIP specifies.
func TestSlipAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const src = "[a]\nBaseProtocol=2 \nSlipIpAddress=10.0.0.7\nMEDIA=serial\nPort=/dev/a\nDEVICE=modem\nPhoneNumber=5550100\n"
		e, list, err := parse(t, "b.pbk", src, nil).Entry(nil)
		if err != nil || strings.Contains(texts(list), "not used") {
			t.Fatal(err, texts(list))
		}
		_, c := dial(t, e, &scripttest.LoginConfig{})
		if got := c.Result().IPAddr.String(); got != "10.0.0.7" {
			t.Errorf("address %s", got)
		}
		_, list, err = parse(t, "b.pbk", strings.Replace(src, "10.0.0.7", "10.7", 1), nil).Entry(nil)
		if err == nil {
			t.Error("10.7 is no address")
		}
		wantFinding(t, list, "b.pbk:3:15: error: SlipIpAddress=10.7 is no address")
	})
}

// dial dials an entry on a modem that reaches a host with the user guest.
func dial(t *testing.T, e *dialup.Entry, host *scripttest.LoginConfig) (*scripttest.Modem, *dialup.Conn) {
	t.Helper()
	line, dce := virtual.Pair()
	m := scripttest.NewModem(dce, &scripttest.ModemConfig{Dial: func(ctx context.Context, number string) scripttest.Answer {
		near, far := virtual.Pair()
		h := scripttest.NewLogin(far, host)
		context.AfterFunc(ctx, func() { h.Close() })
		return scripttest.Answer{Far: near}
	}})
	t.Cleanup(func() { m.Close() })
	c, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: func(context.Context, string, *portname.Config) (port.Port, error) { return line, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return m, c
}

// TestEntriesDial dials one entry of each kind of phone book.
func TestEntriesDial(t *testing.T) {
	scripts := fstest.MapFS{
		"login.scp": {Data: []byte("proc main\nwaitfor \"ogin:\"\ntransmit $USERID\ntransmit \"^M\"\nwaitfor \"word:\"\ntransmit $PASSWORD\ntransmit \"^M\"\nwaitfor \"Welcome\"\nendproc\n")},
	}
	for _, tt := range []struct{ name, file, src string }{
		{"wvdial", "wvdial.conf", "[Dialer Defaults]\nModem=/dev/x\nPhone=5550100\nUsername=guest\nPassword=secret\n"},
		{"wvdial with a menu and an odd prompt", "wvdial.conf",
			"[Dialer Defaults]\nModem=/dev/x\nPhone=5550100\nUsername=guest\nPassword=secret\nLogin Prompt=ACCOUNT NO\n"},
		{"peers", "peers/isp", "/dev/x 9600\nuser guest\npassword secret\nconnect \"chat -t 20 ABORT BUSY '' ATZ OK ATDT5550100 CONNECT '\\\\c' ogin: guest word: '\\\\qsecret' Welcome '\\\\c'\"\n"},
		{"rasphone", "a.pbk", "[isp]\r\nMEDIA=serial\r\nPort=/dev/x\r\nDEVICE=modem\r\nPhoneNumber=555 0100\r\nDEVICE=switch\r\nName=C:\\ras\\LOGIN.SCP\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := parse(t, tt.file, tt.src, nil)
				e, list, err := b.Entry(&EntryConfig{Scripts: scripts})
				if err != nil {
					t.Fatal(err, texts(list))
				}
				if tt.name == "rasphone" {
					e.Params.UserName, e.Params.Password = "guest", "secret"
				}
				host := &scripttest.LoginConfig{}
				if strings.Contains(tt.name, "menu") {
					host.NamePrompt, host.Menu = "Account No> ", []string{"Telnet", "PPP"}
				}
				m, c := dial(t, e, host)
				got := make([]byte, 1)
				for got[0] != '~' { // the first frame
					if _, err := c.Read(got); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				if m.Connected() {
					t.Error("the call is up")
				}
			})
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("wvdial.conf", wvdialConf)
	f.Add("peers/x", peersFile)
	f.Add("a.pbk", string(testdata(f, "book.pbk")))
	f.Fuzz(func(t *testing.T, name, src string) {
		b, err := Parse(name, []byte(src), nil)
		if err != nil {
			return
		}
		for _, i := range b.Entries() {
			names := []string{i.Name}
			if b.Kind() == KindPeers {
				names = nil
			}
			e, list, err := b.Entry(nil, names...)
			if (e == nil) == (err == nil) {
				t.Errorf("%q: %v, %v", i.Name, e, err)
			}
			if e != nil && slices.ContainsFunc(list, func(f lint.Finding) bool { return f.Severity == lint.SeverityError }) {
				t.Errorf("%q: an entry with errors:\n%s", i.Name, texts(list))
			}
		}
	})
}

// TestRasphoneRules are what the table of the keys specifies for odd values.
func TestRasphoneRules(t *testing.T) {
	const modem1 = "MEDIA=serial\nPort=/dev/ttyS0\nDEVICE=modem\nPhoneNumber=1\n"
	entry := func(src string) (*dialup.Entry, string) {
		e, found, err := parse(t, "x.pbk", "[a]\n"+src, nil).Entry(&EntryConfig{Scripts: fstest.MapFS{
			"x.scp": {Data: []byte("proc main\ntransmit $PASSWORD\nendproc\n")},
			"y.scp": {Data: []byte("proc main\nendproc\n")},
		}})
		text := texts(found)
		if err != nil {
			text += err.Error()
		}
		return e, text
	}
	e, text := entry("PreferredPort=/dev/ttyS7\nPreferredBps=9600\nPreferredHwFlow=0\nBaseProtocol=1 \nMEDIA=serial\nDEVICE=modem\nPhoneNumber=1\n")
	if e == nil || e.Port != "/dev/ttyS7" || e.PortConfig.Port.Mode.Baud != 9600 || e.PortConfig.Port.Mode.Flow != port.FlowNone {
		t.Errorf("the preferred port: %+v %s", e, text)
	}
	e, text = entry("RedialAttempts=999999999\nRedialSeconds=-1\n" + modem1 + "PhoneNumber=2\nPhoneNumber=3\n")
	if e == nil || e.Dialer.Redial.Attempts <= 0 || int64(e.Dialer.Redial.Attempts) > 1<<31 || e.Dialer.Redial.RoundPause < 0 {
		t.Errorf("many attempts: %+v %s", e, text)
	}
	e, text = entry("Type=3\n" + modem1 + "PhoneNumber=2\n")
	if e == nil || len(e.Dialer.Numbers) != 1 || !strings.Contains(text, "only an entry of Type=1") {
		t.Errorf("alternates of Type=3: %+v %s", e, text)
	}
	for src, want := range map[string]string{
		"RedialSeconds=99999999999\n" + modem1:                                             "RedialSeconds=99999999999 is not a number from 0 to",
		"IdleDisconnectSeconds=99999999999999\n" + modem1:                                  "is not a number",
		"MEDIA=serial\nPort=/dev/ttyS0\nConnectBPS=-5\nDEVICE=modem\nPhoneNumber=1\n":      "ConnectBPS=-5 is not a number",
		"MEDIA=serial\nPort=/dev/ttyS0\nDEVICE=modem\nHwFlowControl=frog\nPhoneNumber=1\n": "HwFlowControl=frog is not a number",
		modem1[:len(modem1)-2] + "+49 30 1\nUseDialingRules=1\n":                           "write +COUNTRY (AREA) NUMBER",
	} {
		if _, text := entry(src); !strings.Contains(text, want) {
			t.Errorf("%q: no %q in %s", src, want, text)
		}
	}

	// What the scripts need is known before the port is opened, in a sequence too.
	open := &dialup.Config{Open: func(context.Context, string, *portname.Config) (port.Port, error) {
		t.Error("opened")
		return nil, os.ErrNotExist
	}}
	e, text = entry("AutoLogon=1\n" + modem1 + "DEVICE=switch\nName=x.scp\n")
	if e == nil {
		t.Fatal(text)
	}
	if _, err := dialup.Dial(t.Context(), e, open); !errors.Is(err, ras.ErrInvalidParameter) || !strings.Contains(err.Error(), "user name") {
		t.Errorf("AutoLogon without a name: %v", err)
	}
	e.Params.UserName = "joe"
	if _, err := dialup.Dial(t.Context(), e, open); !errors.Is(err, ras.ErrInvalidParameter) || !strings.Contains(err.Error(), "password") {
		t.Errorf("a script without its password: %v", err)
	}
	for _, src := range []string{
		modem1 + "DEVICE=switch\nTerminal=1\n",
		"MEDIA=serial\nPort=/dev/ttyS0\nDEVICE=switch\nType=Terminal\nDEVICE=modem\nPhoneNumber=1\nDEVICE=switch\nName=y.scp\n",
	} {
		e, text := entry(src)
		if e == nil {
			t.Fatal(text)
		}
		if _, err := dialup.Dial(t.Context(), e, open); !errors.Is(err, ras.ErrInteractiveMode) {
			t.Errorf("a terminal that is not there: %v", err)
		}
	}
}
