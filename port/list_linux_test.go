package port

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sysfs builds a tree like the kernel's: files with their contents, and links
// where the content begins with "-> ".
func sysfs(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = errors.Join(err, os.Symlink(filepath.Join(root, target), path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(content), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestList(t *testing.T) {
	const usb = "sys/devices/pci/usb1/1-1/"
	root := sysfs(t, map[string]string{
		"sys/class/tty/console/active": "tty0",
		"sys/class/tty/ptmx/uevent":    "",

		"sys/class/tty/ttyS0/type":                        "4\n",
		"sys/class/tty/ttyS0/device":                      "-> sys/devices/pnp0/00:04/00:04:0/00:04:0.0",
		"sys/devices/pnp0/00:04/00:04:0/00:04:0.0/driver": "-> sys/bus/serial-base/drivers/port",
		"sys/devices/pnp0/00:04/00:04:0/driver":           "-> sys/bus/serial-base/drivers/ctrl",
		"sys/devices/pnp0/00:04/driver":                   "-> sys/bus/pnp/drivers/serial",
		"sys/class/tty/ttyS1/type":                        "0\n",
		"sys/class/tty/ttyS1/device":                      "-> sys/devices/platform/serial8250",
		"sys/devices/platform/serial8250/uevent":          "",
		"sys/class/tty/ttyUSB10/device":                   "-> " + usb + "1-1:1.0/ttyUSB10",
		usb + "1-1:1.0/ttyUSB10/driver":                   "-> sys/bus/usb-serial/drivers/ftdi_sio",
		usb + "1-1:1.0/interface":                         "Left Port\n",
		usb + "1-1:1.0/bInterfaceNumber":                  "00\n",
		usb + "idVendor":                                  "0403\n",
		usb + "idProduct":                                 "6001\n",
		usb + "product":                                   "FT232R USB UART\n",
		usb + "manufacturer":                              "FTDI\n",
		usb + "serial":                                    "A50285BI\n",
		"sys/class/tty/ttyUSB9/device":                    "-> sys/devices/nameless/ttyUSB9",
		"sys/devices/nameless/ttyUSB9/driver":             "-> sys/bus/usb-serial/drivers/ch341-uart",
		"sys/devices/nameless/idVendor":                   "1a86\n",
		"sys/devices/nameless/idProduct":                  "7523\n",
		"sys/class/tty/ttyACM0/device":                    "-> sys/devices/pci/noderemoved",
		"sys/devices/pci/noderemoved/uevent":              "",
		"sys/class/tty/ttyGS0/uevent":                     "",
		"dev/console":                                     "", "dev/ptmx": "", "dev/ttyS0": "", "dev/ttyS1": "",
		"dev/ttyUSB10": "", "dev/ttyUSB9": "", "dev/ttyGS0": "",
	})
	dev := filepath.Join(root, "dev") + "/"
	got, err := treeIn(root).list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Info{
		"ttyS0": {Description: "serial", Driver: "serial"},
		"ttyUSB10": {
			Description: "FTDI FT232R USB UART (Left Port)", Driver: "ftdi_sio", USB: true, VID: "0403", PID: "6001",
			Manufacturer: "FTDI", Product: "FT232R USB UART", SerialNumber: "A50285BI",
			Interface: "Left Port", Location: "1-1:1.0",
		},
		"ttyUSB9": {Description: "ch341-uart", Driver: "ch341-uart", USB: true, VID: "1a86", PID: "7523", Location: "nameless"},
		"ttyGS0":  {},
	}
	for _, info := range got {
		name := info.Name[len(dev):]
		w, ok := want[name]
		w.Name = dev + name
		if !ok || info != w {
			t.Errorf("%s: got %+v, want %+v", name, info, w)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is not listed", name)
	}
}

func treeIn(root string) tree {
	return tree{filepath.Join(root, "sys"), filepath.Join(root, "dev"), filepath.Join(root, "proc")}
}

// TestListDialUp lists the ports that people dial with: a mobile broadband stick
// with three ports, a Bluetooth telephone, boards, and null modems in software.
func TestListDialUp(t *testing.T) {
	const lte = "sys/devices/pci/usb1/1-2/"
	files := map[string]string{
		"proc/tty/drivers": `/dev/tty             /dev/tty        5       0 system:/dev/tty
rfcomm               /dev/rfcomm   216 0-255 serial
tty0tty              /dev/tnt      239 0-7 serial
Moxa                 /dev/ttyr      30 0 serial
slcan                /dev/ttySL    212 0-3 serial
serial               /dev/ttyS       4 64-95 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
`,
		lte + "idVendor": "12d1\n", lte + "idProduct": "1c05\n", lte + "product": "HUAWEI Mobile\n", lte + "manufacturer": "HUAWEI\n",
		"sys/class/tty/rfcomm0/dev": "216:0\n", "sys/class/tty/rfcomm0/address": "00:11:22:33:44:55\n",
		"sys/class/tty/tnt0/dev":      "239:0\n",
		"sys/class/tty/ttyr0/dev":     "30:0\n",
		"sys/class/tty/ttySL0/dev":    "212:0\n",
		"sys/class/tty/ttyprintk/dev": "5:3\n",
		"sys/class/tty/ttyS3/dev":     "4:67\n", "sys/class/tty/ttyS3/type": "0\n",
		"sys/class/tty/ttyAMA0/device":                    "-> sys/devices/platform/soc/fe201000.serial",
		"sys/devices/platform/soc/fe201000.serial/driver": "-> sys/bus/amba/drivers/uart-pl011",
		"dev/rfcomm0": "", "dev/tnt0": "", "dev/ttyr0": "", "dev/ttySL0": "", "dev/ttyprintk": "", "dev/ttyAMA0": "", "dev/ttyS3": "",
		"dev/serial/by-id/usb-HUAWEI_Mobile-if00-port0": "-> dev/ttyUSB0",
		"dev/serial/by-path/pci-0-usb-0:2:1.0-port0":    "-> dev/ttyUSB0",
		"dev/serial/by-path/pci-0-usb-0:2:1.2-port0":    "-> dev/ttyUSB2",
	}
	for n, text := range map[string]string{"0": "Modem", "1": "Diagnostics", "2": ""} {
		files["sys/class/tty/ttyUSB"+n+"/device"] = "-> " + lte + "1-2:1." + n + "/ttyUSB" + n
		files[lte+"1-2:1."+n+"/ttyUSB"+n+"/driver"] = "-> sys/bus/usb-serial/drivers/option1"
		files[lte+"1-2:1."+n+"/bInterfaceNumber"] = "0" + n + "\n"
		if text != "" {
			files[lte+"1-2:1."+n+"/interface"] = text + "\n"
		}
		files["dev/ttyUSB"+n] = ""
	}
	root := sysfs(t, files)
	got, err := treeIn(root).list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range got {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%d|%s|%s|%s", filepath.Base(i.Name), i.Description, i.Manufacturer,
			i.InterfaceNumber, i.Location, filepath.Base(i.Stable), i.Bluetooth))
	}
	slices.Sort(lines)
	want := []string{
		"rfcomm0|||0||.|00:11:22:33:44:55",
		"tnt0|||0||.|",
		"ttyAMA0|uart-pl011||0||.|",
		"ttySL0|||0||.|",
		"ttyUSB0|HUAWEI Mobile (Modem)|HUAWEI|0|1-2:1.0|usb-HUAWEI_Mobile-if00-port0|",
		"ttyUSB1|HUAWEI Mobile (Diagnostics)|HUAWEI|1|1-2:1.1|.|",
		"ttyUSB2|HUAWEI Mobile|HUAWEI|2|1-2:1.2|pci-0-usb-0:2:1.2-port0|",
		"ttyr0|||0||.|",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestListWithoutSysfs goes by the names of the nodes.
func TestListWithoutSysfs(t *testing.T) {
	root := sysfs(t, map[string]string{
		"proc/tty/drivers": "usbserial            /dev/ttyUSB   188 0-511 serial\n",
		"dev/ttyUSB1":      "", "dev/ttyUSB0": "", "dev/ttyUSBx": "", "dev/tty0": "", "dev/ttyS0": "",
	})
	got, err := treeIn(root).list(t.Context())
	if err != nil || len(got) != 2 || filepath.Base(got[0].Name) != "ttyUSB0" {
		t.Errorf("got %+v, %v; want ttyUSB0 and ttyUSB1", got, err)
	}
}

// TestWatch plugs ports in and out.
func TestWatch(t *testing.T) {
	root := sysfs(t, map[string]string{
		"proc/tty/drivers": "usbserial            /dev/ttyUSB   188 0-511 serial\n",
		"dev/ttyUSB0":      "",
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	where := treeIn(root)
	first, err := where.list(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wake, err := where.watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan Change)
	go watchPorts(ctx, first, where.list, wake, changes)
	next := func(want string) {
		t.Helper()
		select {
		case c := <-changes:
			got := fmt.Sprint(filepath.Base(c.Name), " ", c.Removed, " ", filepath.Base(c.Stable))
			if got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no change; want %q", want)
		}
	}
	dev := func(name string) string { return filepath.Join(root, "dev", name) }
	next("ttyUSB0 false .")
	must(t, os.WriteFile(dev("ttyUSB1"), nil, 0o600))
	next("ttyUSB1 false .")
	must(t, os.MkdirAll(dev("serial/by-id"), 0o700))
	must(t, os.Symlink("../../ttyUSB1", dev("serial/by-id/usb-FTDI")))
	next("ttyUSB1 false usb-FTDI")
	must(t, os.Remove(dev("ttyUSB1")))
	next("ttyUSB1 true usb-FTDI")
	cancel()
	if c, open := <-changes; open {
		t.Errorf("after the end: %+v", c)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestListThisMachine(t *testing.T) {
	if _, err := os.Stat("/sys/class/tty"); err != nil {
		t.Skipf("no sysfs here: %v", err)
	}
	ports, err := List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		if _, err := os.Lstat(p.Name); err != nil {
			t.Errorf("%s is listed: %v", p.Name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled List: %v", err)
	}
}

func TestCompareNames(t *testing.T) {
	sorted := []string{"/dev/ttyACM0", "/dev/ttyS2", "/dev/ttyS10", "/dev/ttyUSB", "/dev/ttyUSB0", "/dev/ttyUSB99999999999999999999", "COM3", "COM10"}
	order := [][2]string{{sorted[0], sorted[1]}, {sorted[1], sorted[2]}, {sorted[2], sorted[3]}, {sorted[4], sorted[5]}, {sorted[6], sorted[7]}}
	for _, o := range order {
		if compareNames(o[0], o[1]) >= 0 || compareNames(o[1], o[0]) <= 0 || compareNames(o[0], o[0]) != 0 {
			t.Errorf("%s does not come before %s", o[0], o[1])
		}
	}
}
