package port

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	got, err := listIn(t.Context(), filepath.Join(root, "sys"), filepath.Join(root, "dev"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Info{
		"ttyS0": {Description: "serial", Driver: "serial"},
		"ttyUSB10": {
			Description: "FTDI FT232R USB UART", Driver: "ftdi_sio", USB: true, VID: "0403", PID: "6001",
			Product: "FT232R USB UART", SerialNumber: "A50285BI",
		},
		"ttyUSB9": {Description: "ch341-uart", Driver: "ch341-uart", USB: true, VID: "1a86", PID: "7523"},
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
