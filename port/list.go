package port

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rasline/rasline/internal/wait"
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

// List returns the serial ports of this machine in the order of their names,
// numbers counted. It opens none of them.
//
// On Linux these are the terminals that the kernel calls serial, without the
// placeholders that drivers keep for hardware that is not there; on Windows the
// ports and modems of the device manager and what else is registered as a serial
// device; on macOS, in a build with cgo, what the I/O registry has. Elsewhere List
// knows the names alone.
func List(ctx context.Context) ([]Info, error) {
	ports, err := listDevices(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, &OpError{Op: "list ports", Err: err}
	}
	slices.SortFunc(ports, func(a, b Info) int { return compareNames(a.Name, b.Name) })
	return ports, nil
}

// Change is a port that was added or removed.
type Change struct {
	Info
	Removed bool
}

// Watch sends the ports of this machine on the channel that it returns, and from
// then on those that are plugged in and those that are removed, until ctx ends;
// then it closes the channel. A port is reported again when it changes, as when
// udev gives it a stable name. A reader that falls behind misses nothing but ports
// that were added and removed meanwhile.
//
// On Linux the kernel reports changes of /dev (inotify), at no cost while there
// are none. Other systems are polled every second.
func Watch(ctx context.Context) (<-chan Change, error) {
	first, err := List(ctx)
	if err != nil {
		return nil, err
	}
	wake, err := watchDevices(ctx)
	if err != nil {
		return nil, &OpError{Op: "watch ports", Err: err}
	}
	changes := make(chan Change)
	go watchPorts(ctx, first, List, wake, changes)
	return changes, nil
}

// settleTime is how long a device may take from its first appearance until its
// attributes and links are complete.
const settleTime = 100 * time.Millisecond

// watchPorts sends the differences between successive lists. Each value from
// wake asks for a new one.
func watchPorts(ctx context.Context, now []Info, list func(context.Context) ([]Info, error), wake <-chan struct{}, changes chan<- Change) {
	defer close(changes)
	known := make(map[string]Info)
	for {
		for _, c := range differences(known, now) {
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
		select {
		case _, open := <-wake:
			if !open {
				<-ctx.Done()
				return
			}
		case <-ctx.Done():
			return
		}
		if wait.Sleep(ctx, settleTime) != nil {
			return
		}
		next, err := list(ctx)
		if err != nil {
			continue // at the next change again
		}
		now = next
	}
}

// differences makes known the ports of now and returns what has changed, removed
// ports first: a device that was plugged in again may have taken their names.
func differences(known map[string]Info, now []Info) (changes []Change) {
	there := make(map[string]Info)
	for _, info := range now {
		there[info.Name] = info
	}
	for name, info := range known {
		if _, ok := there[name]; !ok {
			changes = append(changes, Change{Info: info, Removed: true})
			delete(known, name)
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return compareNames(a.Name, b.Name) })
	for _, info := range now {
		if known[info.Name] != info {
			known[info.Name] = info
			changes = append(changes, Change{Info: info})
		}
	}
	return changes
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
