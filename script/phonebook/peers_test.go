package phonebook

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/lint"
)

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
