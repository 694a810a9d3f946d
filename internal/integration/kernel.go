package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// KernelEnv is the variable that names the directory of an unpacked kernel.
const KernelEnv = "RASLINE_GUEST_KERNEL"

// Kernel is a kernel as Debian packages it.
type Kernel struct {
	Image   string // path of the bootable image
	Modules string // directory of its modules, .../lib/modules/VERSION
}

// FindKernel returns the first kernel in the places that the package comment
// lists, the last by name if a place has several. The error describes how to get
// one.
func FindKernel() (*Kernel, error) {
	places := []string{os.Getenv(KernelEnv)}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "rasline", "linux"))
	}
	places = append(places, "/")
	for _, root := range places {
		if root == "" {
			continue
		}
		if k := kernelIn(root); k != nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no Debian kernel in %s: run internal/integration/fetch-kernel or install linux-image-amd64",
		strings.TrimPrefix(strings.Join(places, ", "), ", "))
}

// kernelIn returns the last kernel in a directory that can be read and has PPP, or
// nil.
func kernelIn(root string) *Kernel {
	images, _ := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	for i := len(images) - 1; i >= 0; i-- {
		version := strings.TrimPrefix(filepath.Base(images[i]), "vmlinuz-")
		for _, lib := range []string{"lib", filepath.Join("usr", "lib")} {
			k := &Kernel{images[i], filepath.Join(root, lib, "modules", version)}
			ppp, _ := filepath.Glob(filepath.Join(k.Modules, "kernel", "drivers", "net", "ppp", "ppp_async.ko*"))
			if len(ppp) == 0 {
				continue
			}
			if f, err := os.Open(k.Image); err == nil { // only root may read some
				f.Close()
				return k
			}
		}
	}
	return nil
}
