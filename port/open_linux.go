package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// openDevice opens name in the order that Open promises. Nothing of the line
// is touched before the port is ours.
func openDevice(ctx context.Context, name string, cfg *Config) (device, error) {
	if err := checkNode(name); err != nil {
		return nil, err
	}
	lock, err := takeLockFile(cfg.LockDir, name)
	if err != nil {
		return nil, err
	}
	t, err := openTTY(name)
	if err != nil {
		lock.release()
		return nil, err
	}
	t.lock = lock
	if err := t.setUp(ctx, cfg); err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

func openTTY(name string) (*tty, error) {
	fd, err := ignoringEINTR(func() (int, error) {
		return unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, explainOpen(name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	t := newTTY(f, f)
	t.path, t.node, t.pseudo = name, nodeOf(&st), isPseudo(uint64(st.Rdev))
	if t.ctl, err = f.SyscallConn(); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// isPseudo reports whether rdev is either side of a pseudo-terminal, by the
// major numbers of the kernel's devices.txt.
func isPseudo(rdev uint64) bool {
	major, minor := unix.Major(rdev), unix.Minor(rdev)
	return major >= 128 && major <= 143 || major == 2 || major == 3 || major == 5 && minor == 2
}

// setUp makes an open device ours and the line what cfg wants.
func (t *tty) setUp(ctx context.Context, cfg *Config) error {
	if err := t.claim(); err != nil {
		return explainOpen(t.path, err)
	}
	if err := t.firstTermios(cfg); err != nil {
		return explainOpen(t.path, err)
	}
	if cfg.LowLatency {
		t.control(setLowLatency)
	}
	t.closeTimeout = cfg.CloseTimeout
	t.closeMask, t.closeTo = levels(cfg.DTRAtClose, cfg.RTSAtClose)
	if err := t.writeLines(levels(cfg.DTR, cfg.RTS)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	t.countFromHere()
	var err error
	t.carrier, err = followCarrier(ctx, cfg.Carrier, t, t.carrierFell)
	return err
}

// firstTermios puts the line in raw mode and sets what cfg asks for. A flow
// control that cfg leaves open stays, but for XON/XOFF: it would take bytes out
// of the stream.
func (t *tty) firstTermios(cfg *Config) error {
	return t.changeTermios(cfg.Mode, func(tio *unix.Termios) {
		makeRaw(tio)
		setBits(&tio.Cflag, unix.CLOCAL, !cfg.KernelHangup)
		if cfg.HangupOnClose != Leave {
			setBits(&tio.Cflag, unix.HUPCL, cfg.HangupOnClose == Assert)
		}
	})
}

// carrierFell frees all reads and writes for good.
func (t *tty) carrierFell() {
	t.lost.Store(true)
	t.keepEnded()
}

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
