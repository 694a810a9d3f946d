package port

import (
	"context"
	"errors"
	"os"

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
	t.closeLimit = cfg.CloseLimit
	t.closeMask, t.closeTo = levels(cfg.DTRAtClose, cfg.RTSAtClose)
	if err := t.writeLines(levels(cfg.DTR, cfg.RTS)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	t.countFromHere()
	return t.followCarrier(ctx, cfg.Carrier)
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

func (t *tty) followCarrier(ctx context.Context, policy CarrierPolicy) error {
	if policy == CarrierIgnore {
		return nil
	}
	_, err := t.Lines()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err == nil && policy == CarrierRequire {
		err = awaitCarrier(ctx, t)
	}
	if err == nil {
		t.carrier = watchCarrier(t.Lines, policy == CarrierRequire, t.carrierFell)
	}
	return err
}

// carrierFell frees all reads and writes for good.
func (t *tty) carrierFell() {
	t.lost.Store(true)
	t.keepEnded()
}
