package portname

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/rasline/rasline/port"
)

// usbName is what follows "usb:".
type usbName struct {
	vid, pid, serial string
	iface            int // -1: any
}

var fourHex = regexp.MustCompile(`^[0-9a-fA-F]{4}$`)

// parseUSB reads usb:VID:PID[:SERIAL][?interface=N]. A serial number may hold
// colons.
func parseUSB(name string) (u usbName, err error) {
	const form = "write it as usb:VID:PID or usb:VID:PID:SERIAL, with four hexadecimal digits each, as usb:0403:6001"
	_, rest, _ := strings.Cut(name, ":")
	rest, query, _ := strings.Cut(rest, "?")
	u.iface = -1
	part := strings.SplitN(rest, ":", 3)
	if len(part) < 2 || !fourHex.MatchString(part[0]) || !fourHex.MatchString(part[1]) {
		return u, badName(form)
	}
	u.vid, u.pid = strings.ToLower(part[0]), strings.ToLower(part[1])
	if len(part) == 3 {
		if u.serial = part[2]; u.serial == "" {
			return u, badName("the serial number is empty: %s", form)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return u, badName("option %q: %v", query, err)
	}
	for key := range values {
		n, err := strconv.ParseUint(values.Get(key), 10, 8)
		if key != "interface" || err != nil {
			return u, badName("option %s: use interface=N with the number of the interface", key)
		}
		u.iface = int(n)
	}
	return u, nil
}

// find returns the one port that u names.
func (u *usbName) find(ports []port.Info) (string, error) {
	var found, others []string
	for _, p := range ports {
		if !p.USB {
			continue
		}
		id := "usb:" + p.VID + ":" + p.PID
		if p.SerialNumber != "" {
			id += ":" + p.SerialNumber
		}
		if strings.EqualFold(p.VID, u.vid) && strings.EqualFold(p.PID, u.pid) &&
			(u.serial == "" || p.SerialNumber == u.serial) && (u.iface < 0 || p.InterfaceNumber == u.iface) {
			found = append(found, fmt.Sprintf("%s (%s?interface=%d)", p.Name, id, p.InterfaceNumber))
		} else {
			others = append(others, fmt.Sprintf("%s (%s)", p.Name, id))
		}
	}
	switch {
	case len(found) == 1:
		name, _, _ := strings.Cut(found[0], " (")
		return name, nil
	case len(found) > 1:
		return "", badName("several devices match: %s; give the serial number or the interface", strings.Join(found, ", "))
	case len(others) > 0:
		return "", fmt.Errorf("there is no such USB device, but %s: %w", strings.Join(others, ", "), fs.ErrNotExist)
	}
	return "", fmt.Errorf("there is no such USB device, and no other with a serial port: check that it is connected: %w", fs.ErrNotExist)
}

func openUSB(ctx context.Context, name string, cfg *Config) (port.Port, error) {
	u, err := parseUSB(name)
	if err != nil {
		return nil, err
	}
	ports, err := port.List(ctx)
	if err != nil {
		return nil, err
	}
	device, err := u.find(ports)
	if err != nil {
		return nil, err
	}
	p, err := port.Open(ctx, device, cfg.Port)
	if err != nil {
		return nil, err
	}
	return p, nil
}
