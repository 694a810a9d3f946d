package port

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is where the system keeps its files; tests have one of their own.
type tree struct{ sys, dev, proc string }

var systemTree = tree{"/sys", "/dev", "/proc"}

func listDevices(ctx context.Context) ([]Info, error) { return systemTree.list(ctx) }

// list lists the ports of a sysfs tree: the terminals with a device behind them,
// and those whose driver the kernel calls serial, which need no device: a
// Bluetooth port, a USB gadget's, and a null modem in software.
func (t tree) list(ctx context.Context) ([]Info, error) {
	serial := t.serialDrivers()
	class := filepath.Join(t.sys, "class", "tty")
	entries, err := os.ReadDir(class)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		// In a chroot, or on Android, the names of the nodes have to do.
		var ports []Info
		prefixes := []string{"ttyS", "ttyUSB", "ttyACM", "ttyAMA", "rfcomm"}
		if len(serial) > 0 {
			prefixes = nil
			for _, d := range serial {
				prefixes = append(prefixes, filepath.Base(d.prefix))
			}
		}
		stable := t.stableNames()
		for _, prefix := range prefixes {
			names, err := filepath.Glob(filepath.Join(t.dev, prefix+"[0-9]*"))
			if err != nil || ctx.Err() != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			for _, name := range names {
				ports = append(ports, Info{Name: name, Stable: stable[filepath.Base(name)]})
			}
		}
		return ports, nil
	}
	if err != nil {
		return nil, err
	}
	stable := t.stableNames()
	var ports []Info
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		path := filepath.Join(class, e.Name())
		info, ok := t.inspect(path)
		if !ok && !(serial.has(attribute(path, "dev")) && attribute(path, "type") != "0") {
			continue
		}
		info.Name = filepath.Join(t.dev, e.Name())
		info.Stable = stable[e.Name()]
		info.Bluetooth = attribute(path, "address")
		if _, err := os.Lstat(info.Name); err == nil {
			ports = append(ports, info)
		}
	}
	return ports, nil
}

// serialDriver is a terminal driver of type "serial".
type serialDriver struct {
	prefix      string // of the nodes: "/dev/ttyUSB"
	major       int
	first, last int // minor numbers
}

type driverTable []serialDriver

// serialDrivers reads /proc/tty/drivers: name, prefix of the nodes, major number,
// minor numbers, type.
func (t tree) serialDrivers() (list driverTable) {
	f, err := os.Open(filepath.Join(t.proc, "tty", "drivers"))
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 5 || field[4] != "serial" {
			continue
		}
		first, last, several := strings.Cut(field[3], "-")
		if !several {
			last = first
		}
		d := serialDriver{prefix: field[1]}
		var e1, e2, e3 error
		d.major, e1 = strconv.Atoi(field[2])
		d.first, e2 = strconv.Atoi(first)
		d.last, e3 = strconv.Atoi(last)
		if errors.Join(e1, e2, e3) == nil {
			list = append(list, d)
		}
	}
	return list
}

// has reports whether a device number, as sysfs writes it, belongs to a serial
// driver.
func (list driverTable) has(number string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(number, "%d:%d", &major, &minor); n != 2 {
		return false
	}
	for _, d := range list {
		if d.major == major && d.first <= minor && minor <= d.last {
			return true
		}
	}
	return false
}

// stableNames returns the links that udev makes, by the node they lead to.
func (t tree) stableNames() map[string]string {
	stable := make(map[string]string)
	for _, kind := range []string{"by-path", "by-id"} { // the second is preferred
		links, _ := filepath.Glob(filepath.Join(t.dev, "serial", kind, "*"))
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil {
				stable[filepath.Base(target)] = link
			}
		}
	}
	return stable
}

// inspect describes the terminal at a path of sysfs; ok is whether there is a
// device behind it.
func (t tree) inspect(path string) (info Info, ok bool) {
	if attribute(path, "type") == "0" { // PORT_UNKNOWN of linux/serial_core.h
		return info, false
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(path, "device"))
	if err != nil {
		return info, strings.HasPrefix(filepath.Base(path), "ttyGS") // a USB gadget's port
	}
	root, err := filepath.EvalSymlinks(t.sys)
	if err != nil {
		return info, false
	}
	for ; len(dir) > len(root); dir = filepath.Dir(dir) {
		// Since Linux 6.6 a UART is on a bus of its own, whose drivers, port and
		// ctrl, do not describe it.
		target, err := os.Readlink(filepath.Join(dir, "driver"))
		if err == nil && info.Driver == "" && filepath.Base(filepath.Dir(filepath.Dir(target))) != "serial-base" {
			info.Driver = filepath.Base(target)
		}
		if number := attribute(dir, "bInterfaceNumber"); number != "" && info.Location == "" {
			n, _ := strconv.ParseUint(number, 16, 8)
			info.Interface, info.InterfaceNumber = attribute(dir, "interface"), int(n)
			info.Location = filepath.Base(dir)
		}
		if info.Interface == "" {
			info.Interface = attribute(dir, "interface")
		}
		if attribute(dir, "idVendor") != "" {
			info.USB = true
			info.VID, info.PID = attribute(dir, "idVendor"), attribute(dir, "idProduct")
			info.Manufacturer, info.Product = attribute(dir, "manufacturer"), attribute(dir, "product")
			info.SerialNumber = attribute(dir, "serial")
			if info.Location == "" {
				info.Location = filepath.Base(dir)
			}
			info.Description = info.Product // many repeat the manufacturer in it
			if info.Product != "" && !strings.HasPrefix(strings.ToLower(info.Product), strings.ToLower(info.Manufacturer)) {
				info.Description = strings.TrimSpace(info.Manufacturer + " " + info.Product)
			}
			if info.Interface != "" && info.Interface != info.Product {
				info.Description = strings.TrimSpace(info.Description + " (" + info.Interface + ")")
			}
			break
		}
	}
	if !info.USB {
		info.Description, info.Interface = info.Interface, ""
	}
	if info.Description == "" {
		info.Description = info.Driver
	}
	return info, true
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func watchDevices(ctx context.Context) (<-chan struct{}, error) { return systemTree.watch(ctx) }

// watch sends a value whenever a node of the tree, or one of the links that udev
// makes for it, has changed, and closes the channel when ctx ends. The links'
// directories exist only while there is a device.
func (t tree) watch(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	const events = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_ATTRIB
	dirs := func() error {
		_, err := unix.InotifyAddWatch(fd, t.dev, events)
		for _, dir := range []string{"serial", "serial/by-id", "serial/by-path"} {
			unix.InotifyAddWatch(fd, filepath.Join(t.dev, dir), events) // missing: at the next change again
		}
		return err
	}
	if err := dirs(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s cannot be watched: %w", t.dev, err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	context.AfterFunc(ctx, func() { f.Close() })
	wake := make(chan struct{}, 1)
	go func() { // ends when f is closed
		defer close(wake)
		conn, err := f.SyscallConn()
		if err != nil {
			return
		}
		for buf := make([]byte, 4096); ; {
			if _, err := f.Read(buf); err != nil {
				return
			}
			conn.Control(func(uintptr) { dirs() })
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	return wake, nil
}
