package port

import (
	"context"
	"slices"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

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
