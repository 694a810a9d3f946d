package phonebook

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/lint"
)

// write writes files of a directory of the test's own.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReadFile reads a peers file, one that it names by its whole path, and the
// script beside it.
func TestReadFile(t *testing.T) {
	dir := write(t, map[string]string{
		"options": "115200\n",
		"dial":    "'' AT OK\n",
	})
	name := filepath.Join(dir, "isp.peer")
	text := "/dev/ttyS0\nfile " + filepath.ToSlash(filepath.Join(dir, "options")) + "\nconnect \"chat -f /elsewhere/dial\"\n"
	if runtime.GOOS == "windows" {
		t.Skip("the paths of a peers file are those of Unix")
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := ReadFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, found, err := b.Entry(&EntryConfig{Scripts: b.Dirs()})
	if err != nil {
		t.Fatalf("%v\n%s", err, texts(found))
	}
	if e.PortConfig == nil || e.PortConfig.Port.Mode.Baud != 115200 || b.Name() != name {
		t.Errorf("the entry is %+v of %s", e, b.Name())
	}
	if _, err := ReadFile(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	if _, err := ReadFile("no-such-peer", nil); err == nil || !strings.Contains(err.Error(), PeersDir+"/no-such-peer") {
		t.Errorf("a peer that is missing: %v", err)
	}
	if _, err := os.Stat("/dev/zero"); err == nil {
		if _, err := ReadFile("/dev/zero", nil); !errors.As(err, new(*lint.ParseError)) {
			t.Errorf("a file without an end: %v", err)
		}
	}
}

// TestReadableFile warns of a password that other users can read.
func TestReadableFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions as on Unix")
	}
	dir := write(t, map[string]string{"wvdial.conf": "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\nUsername=joe\nPassword=x\n[Dialer b]\nPassword = \n"})
	name := filepath.Join(dir, "wvdial.conf")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o604: true} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		b, err := ReadFile(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, found, err := b.Entry(nil)
		if err != nil || strings.Contains(texts(found), "read by others") != want {
			t.Errorf("mode %v: %v, %v", mode, texts(found), err)
		}
	}
}

// TestEntryParams replace what the entry has, and nothing by what is empty.
func TestEntryParams(t *testing.T) {
	b := parse(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\nUsername=joe\nPassword=x\n", nil)
	for _, tt := range []struct{ params, want ras.DialParams }{
		{ras.DialParams{}, ras.DialParams{UserName: "joe", Password: "x"}},
		{ras.DialParams{UserName: "ann"}, ras.DialParams{UserName: "ann", Password: "x"}},
		{ras.DialParams{Password: "y", Domain: "d"}, ras.DialParams{UserName: "joe", Password: "y", Domain: "d"}},
		{ras.DialParams{NoPassword: true}, ras.DialParams{UserName: "joe", NoPassword: true}},
	} {
		e, _, err := b.Entry(&EntryConfig{Params: tt.params})
		if err != nil {
			t.Fatal(err)
		}
		p := e.Params
		if p.UserName != tt.want.UserName || p.Password != tt.want.Password || p.Domain != tt.want.Domain || p.NoPassword != tt.want.NoPassword || p.PhoneNumber == "" {
			t.Errorf("%+v: %+v, want %+v", tt.params, p, tt.want)
		}
	}
}

// TestUnusedLocation is reported, since only rasphone.pbk has dialling rules.
func TestUnusedLocation(t *testing.T) {
	for name, text := range map[string]string{
		"wvdial.conf": "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\nStupid Mode=yes\n",
		"peer":        "/dev/ttyS0\nconnect \"chat '' AT OK\"\n",
		"a.pbk":       "[isp]\nMEDIA=serial\nPort=/dev/ttyS0\nDEVICE=modem\nPhoneNumber=1\n",
	} {
		_, found, err := parse(t, name, text, nil).Entry(&EntryConfig{Location: "49,30,0,00"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Contains(texts(found), "the location 49,30,0,00 is not used"); got != (name != "a.pbk") {
			t.Errorf("%s: the location is reported: %v\n%s", name, got, texts(found))
		}
	}
}

// TestScriptElsewhere names the directory to add for a script that is outside of
// those that are read.
func TestScriptElsewhere(t *testing.T) {
	b := parse(t, "peer", "/dev/ttyS0\nconnect \"chat -f /etc/chatscripts/isp\"\n", nil)
	_, found, err := b.Entry(&EntryConfig{Scripts: Dirs(t.TempDir())})
	if err == nil || !strings.Contains(texts(found), "no other is read: add its directory (rasdial -script-dir /etc/chatscripts)") {
		t.Errorf("%v\n%s", err, texts(found))
	}
}

// TestCarrierOfADirectLine is waited for with pppd's modem, its default, and without
// a connect script; not with local, and not where there is no DCD.
func TestCarrierOfADirectLine(t *testing.T) {
	for _, tt := range []struct {
		text string
		wait bool
	}{
		{"/dev/ttyS0\n", true},
		{"/dev/ttyS0 modem\n", true},
		{"/dev/ttyS0 local\n", false},
		{"/dev/ttyS0 connect \"chat '' AT\"\n", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, _, err := parse(t, "peer", tt.text, nil).Entry(nil)
			if err != nil {
				t.Fatal(err)
			}
			near, far := virtual.Pair()
			far.SetLines(port.DTR, 0)
			time.AfterFunc(time.Minute, func() { far.SetLines(port.DTR, port.DTR) })
			began := time.Now()
			c, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: func(context.Context, string, *portname.Config) (port.Port, error) { return near, nil }})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			c.Close()
			if took >= time.Minute != tt.wait {
				t.Errorf("%q: connected after %v", tt.text, took)
			}
			peertest.Pass(time.Minute)
		})
	}
	// A port without lines.
	e, _, err := parse(t, "peer", "/dev/ttyS0\n", nil).Entry(nil)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	defer far.Close()
	c, err := dialup.Dial(t.Context(), e, &dialup.Config{Open: func(context.Context, string, *portname.Config) (port.Port, error) { return near, nil }})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestNoRedialPause dials again immediately where RedialSeconds is 0.
func TestNoRedialPause(t *testing.T) {
	for text, want := range map[string]time.Duration{"RedialSeconds=0\n": -1, "RedialSeconds=-1\n": 0, "RedialSeconds=7\n": 7 * time.Second, "": time.Minute} {
		e, _, err := parse(t, "a.pbk", "[isp]\nRedialAttempts=3\n"+text+"MEDIA=serial\nPort=/dev/ttyS0\nDEVICE=modem\nPhoneNumber=1\n", nil).Entry(nil)
		if err != nil {
			t.Fatal(err)
		}
		if e.Dialer.Redial.RoundPause != want {
			t.Errorf("%q: a pause of %v, want %v", text, e.Dialer.Redial.RoundPause, want)
		}
	}
}
