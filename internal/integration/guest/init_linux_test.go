package guest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// runGuest is the guest's init: it makes the system, runs the tests with the
// host as standard input and output, and turns the machine off.
func runGuest() {
	err := makeSystem()
	if err == nil {
		err = runTests()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func makeSystem() error {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/tmp"},
	} {
		os.MkdirAll(m.dir, 0o755)
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	if err := unix.Mount("configfs", "/sys/kernel/config", "configfs", 0, ""); err != nil {
		return fmt.Errorf("mount configfs: %w", err)
	}
	return exec.Command("/bin/ip", "link", "set", "lo", "up").Run()
}

func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		conn, err := f.SyscallConn()
		if err != nil {
			return err
		}
		conn.Control(func(fd uintptr) { err = unix.FinitModule(int(fd), "", 0) })
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

// runTests runs this program again, as a child, so that the tests have nothing
// to do with being the first process.
func runTests() error {
	if err := exec.Command("/bin/stty", "-F", "/dev/ttyS3", "raw", "-echo", "115200").Run(); err != nil {
		return fmt.Errorf("stty: %w", err)
	}
	line, err := os.OpenFile("/dev/ttyS3", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	only, _ := os.ReadFile("/etc/run")
	cmd := exec.Command("/init", "-test.v=test2json", "-test.timeout=8m", "-test.run="+strings.TrimSpace(string(only)))
	cmd.Env = append(os.Environ(), inGuestEnv+"=1", "PATH=/bin:/usr/sbin", "HOME=/", "GOTRACEBACK=all")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, line
	err = cmd.Run()
	fmt.Fprintf(line, "\n%s=== EXIT %d\n", mark, cmd.ProcessState.ExitCode())
	line.Close() // waits for the line to leave
	return err
}
