package port

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

// openDevice opens name in the order that Open promises. Nothing of the line
// is touched before the port is ours.
func openDevice(ctx context.Context, name string, cfg *Config) (systemPort, error) {
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

func openTTY(name string) (*ttyPort, error) {
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
	t.path, t.node, t.pseudo = name, nodeOf(&st), isPseudo(fd, uint64(st.Rdev))
	if t.ctl, err = f.SyscallConn(); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// setUp makes an open device ours and the line what cfg wants. What it changes
// is put back by t.undo.
func (t *ttyPort) setUp(ctx context.Context, cfg *Config) error {
	found, err := t.settings()
	if err != nil {
		// Not every driver of other devices answers with ENOTTY.
		if termios.Refused(err) || err == unix.EBADFD {
			err = unix.ENOTTY
		}
		return explainOpen(t.path, err)
	}
	if err := t.claim(); err != nil {
		return explainOpen(t.path, err)
	}
	mask, values := levels(cfg.DTRAtClose, cfg.RTSAtClose)
	t.undo = append(t.undo, func() { t.writeLines(mask, values) })

	if !cfg.KeepSettings {
		if cfg.HangupOnClose != Leave {
			// It decides what the last close does, which is after this.
			setBits(&found.Cflag, unix.HUPCL, cfg.HangupOnClose == Assert)
		}
		t.undo = append(t.undo, func() {
			t.rawIoctl(func(fd int) error { return termios.Set(fd, found) })
		})
	}
	t.flowXON, t.flowXOFF = cmp.Or(cfg.XON, xon), cmp.Or(cfg.XOFF, xoff)
	if cfg.Marks {
		t.marks = new(marks)
	}
	if err := t.firstSettings(cfg); err != nil {
		return explainOpen(t.path, err)
	}
	if cfg.LowLatency {
		t.setLowLatency(cfg.KeepSettings)
	}

	if cfg.RS485 != nil {
		if err := t.setRS485(cfg.RS485); err != nil {
			return err
		}
	}

	// A program that stopped the output with tcflow(3) and left would make every
	// write wait for ever.
	t.rawIoctl(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCXONC, unix.TCOON) })

	t.closeTimeout = cfg.CloseTimeout
	if err := t.writeLines(levels(cfg.DTR, cfg.RTS)); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	t.countFromHere()
	t.carrier, err = followCarrier(ctx, cfg.Carrier, t, t.carrierFell)
	return err
}

// firstSettings puts the line in raw mode and sets what cfg asks for. A flow
// control that cfg leaves open stays, but for XON/XOFF: it would take bytes out
// of the stream. A line that is hung up (rate B0) gets a rate.
func (t *ttyPort) firstSettings(cfg *Config) error {
	mode := cfg.Mode
	if now, err := t.Mode(); err == nil && now.Baud == 0 && mode.Baud == 0 {
		if tio, err := t.settings(); err == nil && tio.Cflag&unix.CBAUD == unix.B0 {
			mode.Baud = 9600
		}
	}
	return t.changeSettings(mode, func(tio *unix.Termios) {
		termios.MakeRaw(tio)
		setBits(&tio.Iflag, unix.PARMRK|unix.INPCK, cfg.Marks)
		setBits(&tio.Cflag, unix.CLOCAL, !cfg.KernelHangup)
		if cfg.HangupOnClose != Leave {
			setBits(&tio.Cflag, unix.HUPCL, cfg.HangupOnClose == Assert)
		}
	})
}

// setLowLatency asks the driver for it and lets Close take it back, unless the
// flag was set already or is to stay.
func (t *ttyPort) setLowLatency(stay bool) {
	var found serialInfo
	if t.rawIoctl(func(fd int) error { return getSerialInfo(fd, &found) }) != nil || found.flags&asyncLowLatency != 0 {
		return
	}
	set := func(on bool) {
		t.rawIoctl(func(fd int) error {
			var info serialInfo // anew: the call sets every field, and the others are not ours
			if err := getSerialInfo(fd, &info); err != nil {
				return err
			}
			info.flags &^= asyncLowLatency
			if on {
				info.flags |= asyncLowLatency
			}
			return ioctlPointer(fd, unix.TIOCSSERIAL, unsafe.Pointer(&info))
		})
	}
	set(true)
	if !stay {
		t.undo = append(t.undo, func() { set(false) })
	}
}

// setRS485 lets the driver switch the direction of the line, and Close put back
// what was before.
func (t *ttyPort) setRS485(c *RS485) error {
	var found rs485
	want := c.kernel()
	err := t.rawIoctl(func(fd int) error {
		if err := ioctlPointer(fd, unix.TIOCGRS485, unsafe.Pointer(&found)); err != nil {
			return err
		}
		set := want
		return ioctlPointer(fd, unix.TIOCSRS485, unsafe.Pointer(&set))
	})
	if err != nil && termios.Refused(err) {
		return fmt.Errorf("this driver does not switch RS-485 lines: leave RS485 unset: %w", errors.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	t.undo = append(t.undo, func() {
		t.rawIoctl(func(fd int) error {
			set := found
			return ioctlPointer(fd, unix.TIOCSRS485, unsafe.Pointer(&set))
		})
	})
	return nil
}

// countFromHere makes the driver's counts of this moment the zero of Stats.
func (t *ttyPort) countFromHere() {
	t.control(func(fd int) error { return getCounts(fd, &t.counts) })
}

// claim takes the two locks of an open device. The first, flock(2), works
// among those who ask, root included; TIOCEXCL keeps away programs that do not
// ask, unless they are root's, which is why an earlier TIOCEXCL has to be
// looked for. TIOCGEXCL exists since Linux 3.8, and some emulators know
// neither; then flock alone has to do.
//
// A pseudo-terminal gets no TIOCEXCL, only respects it: there it would outlive
// a program that ends without Close, for as long as the peer is open.
func (t *ttyPort) claim() error {
	if err := t.rawIoctl(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		if err == unix.EWOULDBLOCK {
			return fmt.Errorf("%w: %s has it locked (flock); end that program first", ErrBusy, t.lockHolder())
		}
		return err
	}
	var exclusive uint32
	err := t.rawIoctl(func(fd int) (err error) {
		exclusive, err = unix.IoctlGetUint32(fd, unix.TIOCGEXCL)
		return err
	})
	if err == nil && exclusive != 0 {
		err = unix.EBUSY
	}
	if err != nil && !termios.Refused(err) {
		return err
	}
	t.undo = append(t.undo, func() {
		// Give both locks up by name: another process may have inherited the
		// descriptor and would keep them.
		if !t.pseudo {
			t.final(unix.TIOCNXCL, 0)
		}
		t.rawIoctl(func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
	})
	if t.pseudo {
		return nil
	}
	err = t.rawIoctl(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) })
	if err != nil && !termios.Refused(err) {
		return err
	}
	return nil
}

// lockHolder names the process that holds the flock, as far as it can be known.
func (t *ttyPort) lockHolder() string {
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

// adopt makes a ttyPort of in and out.
func adopt(in, out *os.File, cfg *StdioConfig) (systemPort, error) {
	t := newTTY(nil, nil)
	var err error
	if t.in, err = t.adoptFile(in, cfg); err != nil {
		return nil, err
	}
	t.out = t.in
	if out != in {
		t.out, err = t.adoptFile(out, cfg)
	}
	if err != nil {
		t.out = t.in
		t.release()
		return nil, err
	}
	t.countFromHere()
	return t, nil
}

// adoptFile returns a lineFile for the file f. What it changes is put back by
// t.undo.
func (t *ttyPort) adoptFile(f *os.File, cfg *StdioConfig) (lineFile, error) {
	l, err := openLine(f, cfg.Exclusive)
	if err != nil {
		return nil, err
	}
	if err := l.SetReadDeadline(time.Time{}); err != nil {
		l.Close()
		return nil, fmt.Errorf("%s is no line: use a terminal, a pipe or a socket: %w", f.Name(), err)
	}
	conn, err := l.SyscallConn()
	if err == nil {
		err = t.adoptTerminal(conn, cfg.Raw)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// adoptTerminal takes note of the first terminal among the files, and puts
// every one in raw mode if that is asked for.
func (t *ttyPort) adoptTerminal(conn syscall.RawConn, raw bool) error {
	var old *unix.Termios
	var st unix.Stat_t
	pseudo := false
	err := controlConn(conn, func(fd int) (err error) {
		if old, err = termios.Get(fd); err == nil {
			err = unix.Fstat(fd, &st)
		}
		pseudo = isPseudo(fd, uint64(st.Rdev))
		return err
	}, nil)
	if err == unix.ENOTTY {
		return nil
	}
	if err == nil && t.ctl == nil {
		t.ctl, t.pseudo = conn, pseudo
	}
	if !raw {
		return nil
	}
	if err == nil {
		tio := *old
		termios.MakeRaw(&tio)
		err = controlConn(conn, func(fd int) error { return termios.Set(fd, &tio) }, nil)
	}
	if err != nil {
		return fmt.Errorf("the terminal cannot be put in raw mode: %w", err)
	}
	t.closeTimeout = rawDrain
	t.undo = append(t.undo, func() {
		controlConn(conn, func(fd int) error { return termios.Set(fd, old) }, nil)
	})
	return nil
}

// rawDrain bounds the time that Close gives a terminal's output before it puts
// the settings back.
const rawDrain = 500 * time.Millisecond

// closeBound is the time that the kernel gets to close a device before its wait
// is interrupted. A driver that cannot discard its output would wait for it for up
// to 30 seconds (closing_wait of setserial(8)).
const closeBound = 200 * time.Millisecond

// Close ends every call first and does what takes time after it.
func (t *ttyPort) Close() error {
	if !t.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	t.end()
	t.keepEnded()
	t.watch.halt()
	if t.carrier != nil {
		t.carrier.stop()
	}
	t.finish()
	return t.release()
}

// finish gives the written bytes their time, if any, and leaves the line as
// Config specifies.
func (t *ttyPort) finish() {
	if t.ctl == nil {
		return
	}
	t.awaitWriters()
	sent := false // whether all bytes left within the limit
	if t.closeTimeout > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), t.closeTimeout)
		defer cancel()
		sent = drainQueue(ctx, t.queue, t.perByte()) == nil && t.awaitTransmitter(ctx) == nil
	}
	if t.path == "" {
		return
	}
	if t.breaking.Load() > 0 {
		t.final(unix.TIOCCBRK, 0)
	}
	if !sent && !t.pseudo { // there it would take bytes from the peer
		t.final(unix.TCFLSH, unix.TCOFLUSH)
	}
}

// release undoes what was done to the descriptors and closes them.
func (t *ttyPort) release() error {
	t.closing.Store(true)
	t.end()
	for _, f := range slices.Backward(t.undo) {
		f()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	// The last close of a device may wait for its output. Without a descriptor
	// that is closed after all others, the last one may be made by a read or
	// write that is on its way out, on a thread of its own where nothing
	// interrupts it.
	last := -1
	if t.ctl != nil {
		t.rawIoctl(func(from int) (err error) {
			last, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
			return err
		})
	}
	err := interruptible(ctx, t.in.Close)
	if t.out != t.in {
		if oerr := interruptible(ctx, t.out.Close); err == nil {
			err = oerr
		}
	}
	if last >= 0 {
		interruptible(ctx, func() error { return unix.Close(last) })
	}
	t.lock.release()
	return err
}
