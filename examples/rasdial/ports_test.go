package main

import (
	"strings"
	"testing"

	"github.com/rasline/rasline/port"
)

func TestPrintPorts(t *testing.T) {
	var out strings.Builder
	err := printPorts(&out, []port.Info{
		{Name: "/dev/ttyS0", Description: "serial"},
		{Name: "/dev/ttyUSB0", Description: "FTDI FT232R", USB: true, VID: "0403", PID: "6001", SerialNumber: "A5", Stable: "/dev/serial/by-id/x"},
		{Name: "/dev/rfcomm0", Bluetooth: "00:11:22:33:44:55"},
		{Name: "COM3", Description: "Example V.90", Modem: true},
	})
	const want = `/dev/ttyS0    -                 serial                       -
/dev/ttyUSB0  usb:0403:6001:A5  FTDI FT232R                  /dev/serial/by-id/x
/dev/rfcomm0  -                 Bluetooth 00:11:22:33:44:55  -
COM3          -                 Example V.90 (modem)         -
`
	if err != nil || out.String() != want {
		t.Errorf("printed %v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestListPorts(t *testing.T) {
	r := rasdial(t, t.Context(), "-list-ports")
	if r.status != exitOK {
		t.Errorf("exit status %d: %s", r.status, r.stderr)
	}
}
