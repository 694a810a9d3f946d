package port

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// claim takes the two locks of an open device. The first, flock(2), works
// among those who ask, root included; TIOCEXCL keeps away programs that do not
// ask, unless they are root's, which is why an earlier TIOCEXCL has to be
// looked for.
//
// A pseudo-terminal gets no TIOCEXCL, only respects it: there it would outlive
// a program that ends without Close, for as long as the far end is open.
func (t *tty) claim() error {
	if err := t.rawIoctl(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		if err == unix.EWOULDBLOCK {
			return fmt.Errorf("%w: %s has it locked (flock); end that program first", ErrBusy, t.lockHolder())
		}
		return err
	}
	exclusive := 0
	if err := t.rawIoctl(func(fd int) (err error) {
		exclusive, err = unix.IoctlGetInt(fd, unix.TIOCGEXCL)
		return err
	}); err != nil {
		return err
	}
	if exclusive != 0 {
		return unix.EBUSY
	}
	t.undo = append(t.undo, t.unclaim)
	if t.pseudo {
		return nil
	}
	return t.rawIoctl(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) })
}

// unclaim gives both locks up by name: another process may have inherited the
// descriptor and would keep them.
func (t *tty) unclaim() {
	if !t.pseudo {
		t.final(unix.TIOCNXCL, 0)
	}
	t.rawIoctl(func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
}

// rawIoctl is control without the sorting out of errors.
func (t *tty) rawIoctl(f func(fd int) error) error { return controlConn(t.ctl, f, keep) }

// lockHolder names the process that holds the flock, as far as it can be known.
func (t *tty) lockHolder() string {
	var st unix.Stat_t
	if t.rawIoctl(func(fd int) error { return unix.Fstat(fd, &st) }) != nil {
		return "another program"
	}
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		return "another program"
	}
	return processName(flockHolder(table, uint64(st.Dev), st.Ino))
}

// flockHolder returns the process that holds an flock on the inode, or 0. The
// table is that of proc_locks(5): number, kind, ADVISORY, access, process,
// major:minor:inode, start, end.
func flockHolder(table []byte, dev, inode uint64) int {
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), inode)
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != want {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
