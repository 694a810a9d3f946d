package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// modules are the kernel modules that the guest's tests need: PPP, the USB
// adapter, and a USB gadget that is connected to the same machine.
var modules = []string{"ppp_async", "xhci_pci", "ftdi_sio", "configfs", "dummy_hcd", "usb_f_acm", "cdc_acm"}

// tools are the host's programs that are copied to the guest, with their paths
// there.
var tools = map[string]string{"busybox": "/bin/busybox", "pppd": "/usr/sbin/pppd"}

// applets are the names under which the guest's programs call busybox.
var applets = []string{"sh", "stty", "ping", "ip", "ls", "cat", "dmesg"}

// Tool returns the path of one of the host's programs that can be read. Those in
// /usr/sbin are found although that is on no user's path.
func Tool(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path = filepath.Join(dir, name)
		if _, serr := os.Stat(path); serr == nil {
			err = nil
		}
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

// WriteInitramfs writes the guest's first and only file system to a file. The
// programs are our own: those of the host's files, by the path that each has in
// the guest. One of them must be /init. The texts are further files.
func WriteInitramfs(name string, k *Kernel, programs, texts map[string]string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a := NewArchive(f)
	list, err := k.Load(modules...)
	if err != nil {
		return err
	}
	for i, m := range list { // the order of the names is that of loading
		a.File(fmt.Sprintf("/modules/%02d-%s.ko", i, m.Name), 0o644, m.Data)
	}

	added := make(map[string]bool)
	for name, path := range tools {
		from, err := Tool(name)
		if err != nil {
			return err
		}
		a.Copy(path, from, 0o755)
		// The shared libraries of a program, its loader included, as ldd(1)
		// reports; a program that is linked statically has none.
		out, _ := exec.Command("ldd", from).Output()
		for _, lib := range strings.Fields(string(out)) {
			if strings.HasPrefix(lib, "/") && !added[lib] {
				a.Copy(lib, lib, 0o755)
				added[lib] = true
			}
		}
	}
	for _, name := range applets {
		a.Link("/bin/"+name, "busybox")
	}

	for path, from := range programs {
		a.Copy(path, from, 0o755)
	}
	for path, text := range texts {
		a.File(path, 0o644, []byte(text))
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/run", "/var/run", "/etc/ppp"} {
		a.Dir(dir)
	}
	a.File("/etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\n"))
	a.File("/etc/ppp/options", 0o644, nil)
	if err := a.Close(); err != nil {
		return err
	}
	return f.Close()
}
