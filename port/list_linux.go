package port

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

func listDevices(ctx context.Context) ([]Info, error) { return listIn(ctx, "/sys", "/dev") }

// listIn lists the ports of a sysfs tree whose nodes are in dev. A terminal
// without a device behind it, such as a console or the master of the
// pseudo-terminals, is no port.
func listIn(ctx context.Context, sys, dev string) ([]Info, error) {
	class := filepath.Join(sys, "class", "tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, err
	}
	var ports []Info
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		info, ok := inspect(filepath.Join(class, e.Name()), sys)
		info.Name = filepath.Join(dev, e.Name())
		if _, err := os.Lstat(info.Name); ok && err == nil {
			ports = append(ports, info)
		}
	}
	return ports, nil
}

// inspect describes the terminal at a path of sysfs.
func inspect(path, sys string) (info Info, ok bool) {
	if attribute(path, "type") == "0" { // PORT_UNKNOWN of linux/serial_core.h
		return info, false
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(path, "device"))
	if err != nil {
		return info, strings.HasPrefix(filepath.Base(path), "ttyGS") // a USB gadget's port
	}
	root, err := filepath.EvalSymlinks(sys)
	if err != nil {
		return info, false
	}
	for ; len(dir) > len(root); dir = filepath.Dir(dir) {
		if info.Driver == "" {
			info.Driver = driverOf(dir)
		}
		if info.Description == "" {
			info.Description = attribute(dir, "interface")
		}
		if attribute(dir, "idVendor") != "" {
			describeUSB(&info, dir)
			break
		}
	}
	if info.Description == "" {
		info.Description = info.Driver
	}
	return info, true
}

func describeUSB(info *Info, dir string) {
	info.USB = true
	info.VID, info.PID = attribute(dir, "idVendor"), attribute(dir, "idProduct")
	info.Product, info.SerialNumber = attribute(dir, "product"), attribute(dir, "serial")
	if info.Product != "" {
		info.Description = strings.TrimSpace(attribute(dir, "manufacturer") + " " + info.Product)
	}
}

// driverOf returns the driver of a device. Since Linux 6.6 a UART stands on a
// bus of its own, whose drivers, port and ctrl, tell nothing.
func driverOf(dir string) string {
	target, err := os.Readlink(filepath.Join(dir, "driver"))
	if err != nil || filepath.Base(filepath.Dir(filepath.Dir(target))) == "serial-base" {
		return ""
	}
	return filepath.Base(target)
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
