package console

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/phonebook"
)

func TestPorts(t *testing.T) {
	var out bytes.Buffer
	err := Ports(&out, []port.Info{
		{Name: "/dev/ttyS0", Description: "serial"},
		{Name: "/dev/ttyUSB0", Description: "FTDI FT232R", USB: true, VID: "0403", PID: "6001", SerialNumber: "A5", Stable: "/dev/serial/by-id/x"},
		{Name: "/dev/rfcomm0", Bluetooth: "00:11:22:33:44:55"},
		{Name: "COM3", Description: "Example\x1b[2J V.90", Modem: true},
	})
	const want = `/dev/ttyS0    -                 serial                       -
/dev/ttyUSB0  usb:0403:6001:A5  FTDI FT232R                  /dev/serial/by-id/x
/dev/rfcomm0  -                 Bluetooth 00:11:22:33:44:55  -
COM3          -                 Example\x1b[2J V.90 (modem)  -
`
	if err != nil || out.String() != want {
		t.Errorf("printed %v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestEntries(t *testing.T) {
	var out bytes.Buffer
	err := Entries(&out, []phonebook.Info{
		{Name: "Off\u202eice", Device: "modem", Port: "COM1", Number: "5551234"},
		{Name: "Tunnel", Device: "vpn", Why: "a VPN is no serial line"},
	})
	want := strings.Join([]string{
		`Off\u202eice  modem  COM1  5551234  `,
		`Tunnel        vpn    -     -        a VPN is no serial line`,
	}, "\n") + "\n"
	if err != nil || out.String() != want {
		t.Errorf("printed %v\n%s\nwant\n%s", err, out.String(), want)
	}
}

// TestPasswordFile reads the first line, also of an editor that begins a file with a
// byte order mark.
func TestPasswordFile(t *testing.T) {
	for text, want := range map[string]string{
		"secret":               "secret",
		"\ufeffsecret\r\nmore": "secret",
		" two words \n":        " two words ",
		"\nsecret":             "",
	} {
		name := filepath.Join(t.TempDir(), "pw")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := PasswordFile(name)
		if got.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got.Reveal(), err, want)
		}
	}
	if _, err := PasswordFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is missing is read")
	}
}
