package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The built-in modem can be opened again, which -persist does.
func TestDemoOpensAgain(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r := rasdial(t, ctx, "-persist", "-exec", "true")
		if n := strings.Count(r.stderr, "RASCS_Connected"); n < 2 {
			t.Errorf("%d connections in 30 s", n)
		}
		r.expect(t, exitFailed, "ERROR_USER_DISCONNECTION|ERROR_REQUEST_TIMEOUT|deadline")
	})
}

// A program that is missing, and a phone book for a script with a terminal, are
// known before anything is dialled.
func TestKnownBeforeDialling(t *testing.T) {
	r := rasdial(t, t.Context(), "-exec", "rasdial-has-no-such-program x")
	r.expect(t, exitUsage, `-exec: .*rasdial-has-no-such-program`)
	rasdial(t, t.Context(), "-exec", filepath.Join(t.TempDir(), "pppd")+" notty").expect(t, exitUsage, `-exec: .*pppd`)
	book := file(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nPhone=1\nStupid Mode=yes\n")
	rasdial(t, t.Context(), "-phonebook", book, "-terminal", "-check").expect(t, exitOK, "")
	rasdial(t, t.Context(), "-interact").expect(t, exitUsage, "-interact")
}

// The phone book's findings show no secret and are shown once.
func TestBookFindings(t *testing.T) {
	book := file(t, "wvdial.conf", "[Dialer Defaults]\nModem=/dev/ttyS0\nBaud=x\nPhone=1\nPasword="+password+"\nPassword="+password+"\n[Dialer a]\n[Dialer b]\n")
	r := rasdial(t, t.Context(), "-phonebook", book, "a")
	r.expect(t, exitUsage, "nothing was sent")
	r = rasdial(t, t.Context(), "-phonebook", book, "-check")
	if n := strings.Count(r.stdout, "Baud"); n != 1 {
		t.Errorf("the mistake is shown %d times", n)
	}
}

// A peers file reads another by its whole path.
func TestPeersFileOption(t *testing.T) {
	inner := file(t, "options", "/dev/ttyS0\nconnect \"chat '' AT OK\"\n")
	book := file(t, "peer", "file "+inner+"\n")
	rasdial(t, t.Context(), "-phonebook", book, "-check").expect(t, exitOK, "")
}

// A phone book with a password that others can read is worth a warning.
func TestReadableBook(t *testing.T) {
	if os.Getuid() < 0 {
		t.Skip("no permissions as on Unix")
	}
	book := file(t, "wvdial.conf", "[Dialer Defaults]\nModem="+filepath.Join(t.TempDir(), "none")+"\nPhone=1\nUsername=joe\nPassword="+password+"\n")
	if r := rasdial(t, t.Context(), "-phonebook", book); strings.Contains(r.stderr, "read by others") {
		t.Error("a warning for a private file")
	}
	if err := os.Chmod(book, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := rasdial(t, t.Context(), "-phonebook", book); !strings.Contains(r.stderr, "read by others") {
		t.Error("no warning for a file that all can read")
	}
}

// What has no end is no phone book, nor a file that one names.
func TestEndlessBook(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip(err)
	}
	rasdial(t, t.Context(), "-phonebook", "/dev/zero").expect(t, exitUsage, "binary|larger|nothing was sent")
	for _, text := range []string{
		"file /dev/zero\n",
		"/dev/ttyS0\nconnect \"chat -f /dev/zero\"\n",
		"/dev/ttyS0\nconnect /dev/zero\n",
	} {
		rasdial(t, t.Context(), "-phonebook", file(t, "peer", text), "-script-dir", "/dev", "-script-dir", "/").expect(t, exitUsage, "nothing was sent")
	}
}
