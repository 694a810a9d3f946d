package guest

import (
	"os"
	"path/filepath"
	"testing"
)

// The two ends of the USB cable inside the guest: an adapter on the kernel's
// emulated bus (dummy_hcd), and the gadget that is plugged into it.
const (
	acm    = "/dev/ttyACM0"
	gadget = "/dev/ttyGS0"
)

const (
	gadgetDir        = "/sys/kernel/config/usb_gadget/serial"
	gadgetController = gadgetDir + "/UDC"
)

// plugGadget returns when the gadget is plugged in and both ends have their
// devices. It stays for the tests that follow.
func plugGadget(t *testing.T) {
	t.Helper()
	if !exists(gadgetDir) {
		makeGadget(t)
	}
	if !exists(acm) {
		must(t, os.WriteFile(gadgetController, []byte("dummy_udc.0"), 0o644))
	}
	eventually(t, acm, func() bool { return exists(acm) && exists(gadget) })
}

// pullGadget pulls it, if it is there.
func pullGadget(t *testing.T) {
	t.Helper()
	if !exists(acm) {
		return
	}
	must(t, os.WriteFile(gadgetController, []byte("\n"), 0o644))
}

// awaitPulled returns when the device of a gadget that was pulled is gone. The
// ports on it must be closed.
func awaitPulled(t *testing.T) {
	t.Helper()
	eventually(t, "the end of "+acm, func() bool { return !exists(acm) })
}

// makeGadget describes a USB device with one CDC-ACM function, as the kernel's
// gadget_configfs.rst describes.
func makeGadget(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"", "strings/0x409", "configs/c.1", "functions/acm.0"} {
		must(t, os.MkdirAll(filepath.Join(gadgetDir, dir), 0o755))
	}
	for file, text := range map[string]string{
		"idVendor": "0x1d6b", "idProduct": "0x0104",
		"strings/0x409/product": "rasline test modem", "strings/0x409/serialnumber": "0001",
	} {
		must(t, os.WriteFile(filepath.Join(gadgetDir, file), []byte(text), 0o644))
	}
	must(t, os.Symlink(filepath.Join(gadgetDir, "functions/acm.0"), filepath.Join(gadgetDir, "configs/c.1/acm.0")))
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
