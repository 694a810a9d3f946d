//go:build linux || darwin || freebsd || openbsd

package port

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkNode refuses what is no character device without opening it.
func checkNode(name string) error {
	fi, err := os.Stat(name)
	if err != nil {
		return explainOpen(name, err)
	}
	if fi.Mode()&fs.ModeCharDevice == 0 {
		return explainOpen(name, unix.ENOTTY)
	}
	return nil
}

// explainOpen adds what to do about err.
func explainOpen(name string, err error) error {
	switch {
	case errors.Is(err, ErrBusy), errors.Is(err, ErrRemoved):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no such device: check the name and that it is connected: %w", errnoOf(err))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not use it: %s: %w", permissionAdvice(name), errnoOf(err))
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: another program has it to itself (TIOCEXCL); end that program first", ErrBusy)
	case errors.Is(err, unix.ENOTTY):
		kind := ""
		if base := filepath.Base(name); strings.HasPrefix(base, "hidraw") || strings.HasPrefix(base, "hiddev") {
			kind = " but a HID device" // often taken for a serial port
		}
		return fmt.Errorf("this is no serial port%s: name one such as /dev/ttyS0 or /dev/ttyUSB0: %w", kind, unix.ENOTTY)
	case errors.Is(err, ErrCarrierLost), errors.Is(err, unix.EIO), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("there is no working hardware behind this name: try another: %w", err)
	}
	return err
}

// errnoOf returns the system's error inside err, if there is one.
func errnoOf(err error) error {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// permissionAdvice names the group that may use the device.
func permissionAdvice(name string) string {
	fi, err := os.Stat(name)
	if err != nil || fi.Mode().Perm()&0o060 != 0o060 {
		return "ask its owner or run as root"
	}
	group := "that owns it"
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		group = strconv.Itoa(int(st.Gid))
		if g, err := user.LookupGroupId(group); err == nil {
			group = g.Name
		}
	}
	return "join the group " + group + " and log in again"
}
