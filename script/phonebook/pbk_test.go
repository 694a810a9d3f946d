package phonebook

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/scripttest"
)

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
