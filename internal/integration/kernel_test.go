package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rasline/rasline/internal/peertest"
)

// place makes files in a directory.
func place(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindKernel(t *testing.T) {
	const ppp = "kernel/drivers/net/ppp/ppp_async.ko"
	tests := []struct {
		name    string
		files   []string
		version string // of the kernel that is found; empty for none
	}{
		{"one", []string{"boot/vmlinuz-1", "lib/modules/1/" + ppp}, "1"},
		{"compressed", []string{"boot/vmlinuz-1", "lib/modules/1/" + ppp + ".xz"}, "1"},
		{"merged /usr", []string{"boot/vmlinuz-1", "usr/lib/modules/1/" + ppp}, "1"},
		{"the last", []string{"boot/vmlinuz-1", "lib/modules/1/" + ppp, "boot/vmlinuz-2", "lib/modules/2/" + ppp}, "2"},
		{"the last with PPP", []string{"boot/vmlinuz-1", "lib/modules/1/" + ppp, "boot/vmlinuz-2", "lib/modules/2/x.ko"}, "1"},
		{"no modules", []string{"boot/vmlinuz-1"}, ""},
		{"no image", []string{"lib/modules/1/" + ppp}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			place(t, dir, tt.files...)
			k := kernelIn(dir)
			switch {
			case k == nil && tt.version != "":
				t.Errorf("no kernel found, want version %s", tt.version)
			case k != nil && filepath.Base(k.Modules) != tt.version:
				t.Errorf("found %+v, want version %q", k, tt.version)
			}
		})
	}
}

func TestFindKernelPrefersTheVariable(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, "boot/vmlinuz-mine", "lib/modules/mine/kernel/drivers/net/ppp/ppp_async.ko")
	t.Setenv(KernelEnv, dir)
	k, err := FindKernel()
	if err != nil || !strings.HasPrefix(k.Image, dir) {
		t.Errorf("found %+v, %v, want one in %s", k, err, dir)
	}
}

func TestModuleName(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"kernel/drivers/usb/host/xhci-hcd.ko", "xhci_hcd"},
		{"xhci-pci.ko.zst", "xhci_pci"},
		{"cdc_acm", "cdc_acm"},
	} {
		if got := moduleName(tt.path); got != tt.want {
			t.Errorf("moduleName(%q) = %q, want %q", tt.path, got, tt.want)
		}
	}
}

func TestLoadSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte("kernel/lib/crc-ccitt.ko\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	place(t, dir, "kernel/broken.ko", "kernel/odd.ko.rar")
	k := &Kernel{Modules: dir}
	if list, err := k.Load("crc-ccitt"); err != nil || len(list) != 0 {
		t.Errorf("a builtin module: %v, %v, want nothing to load", list, err)
	}
	for name, want := range map[string]string{"absent": "no module absent", "broken": "broken.ko", "odd": "unknown kind"} {
		if _, err := k.Load(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("load %s: %v, want %q in it", name, err, want)
		}
	}
}

// TestLoadOrder loads what the guest needs from a real kernel.
func TestLoadOrder(t *testing.T) {
	k, err := FindKernel()
	peertest.Need(t, err)
	list, err := k.Load(modules...)
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[string]int)
	for i, m := range list {
		at[m.Name] = i
		if !bytes.HasPrefix(m.Data, []byte("\x7fELF")) {
			t.Errorf("%s is not decompressed", m.Name)
		}
	}
	for _, order := range [][2]string{{"slhc", "ppp_generic"}, {"ppp_generic", "ppp_async"}, {"usbserial", "ftdi_sio"}, {"xhci_hcd", "xhci_pci"}} {
		if at[order[0]] > at[order[1]] {
			t.Errorf("%s comes after %s, which needs it", order[0], order[1])
		}
	}
}

func FuzzDependencies(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, module []byte) {
		if needs, err := dependencies(module); err != nil && needs != nil {
			t.Errorf("names %q beside the error %v", needs, err)
		}
	})
}
