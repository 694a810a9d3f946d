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

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
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
				peertest.Pass(time.Second)
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
