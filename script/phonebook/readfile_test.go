package phonebook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rasline/rasline/ras"
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
