package port

import (
	"cmp"
	"strconv"
	"strings"
)

// Info describes a port found by List.
type Info struct {
	Name        string // what Open takes: "/dev/ttyUSB0", "COM3"
	Description string // the product's or the driver's text; may be empty
	Driver      string // the kernel driver; may be empty

	USB             bool   // whether the fields below down to Location mean something
	VID, PID        string // USB vendor and product, four hexadecimal digits each
	Manufacturer    string // the USB manufacturer text
	Product         string // the USB product text
	SerialNumber    string // the USB serial number text
	Interface       string // the text of the interface: "Modem", "Diagnostics"
	InterfaceNumber int    // bInterfaceNumber, which distinguishes the ports of one device
	Location        string // bus and ports, as in "1-2:1.0": the same socket gives the same text

	Stable    string // a name that leads to the device wherever it is plugged in: "/dev/serial/by-id/…"
	Bluetooth string // address of the peer of a Bluetooth port
	Modem     bool   // the system knows it as a modem (Windows)
}

// compareNames puts ttyS2 before ttyS10.
func compareNames(a, b string) int {
	stemA, numA := splitNumber(a)
	stemB, numB := splitNumber(b)
	return cmp.Or(strings.Compare(stemA, stemB), cmp.Compare(numA, numB), strings.Compare(a, b))
}

// splitNumber cuts the digits at the end off a name. Digits too many for an int
// stay.
func splitNumber(name string) (string, int) {
	stem := strings.TrimRight(name, "0123456789")
	n, err := strconv.Atoi(name[len(stem):])
	if err != nil {
		return name, 0
	}
	return stem, n
}
