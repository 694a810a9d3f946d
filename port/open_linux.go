package port

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
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

// isPseudo reports whether the terminal fd has no hardware: either side of a
// pseudo-terminal, or a virtual console. The names /dev/tty and /dev/console
// have numbers of their own and can lead to either, so the terminal itself is
// asked. Where the kernel does not know that call, they count as pseudo: what
// is not done to a pseudo-terminal does no harm on a serial port.
func isPseudo(fd int, rdev uint64) bool {
	if number, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV); err == nil {
		rdev = uint64(number)
	}
	return isPseudoNumber(rdev)
}

// isPseudoNumber goes by the major numbers of the kernel's devices.txt.
func isPseudoNumber(rdev uint64) bool {
	switch major, minor := unix.Major(rdev), unix.Minor(rdev); major {
	case 2, 3, 5:
		return true
	case 4:
		return minor < 64
	default:
		return major >= 128 && major <= 143
	}
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
			var info serialInfo
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

// carrierFell frees all reads and writes for good.
func (t *ttyPort) carrierFell() {
	t.lost.Store(true)
	t.keepEnded()
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

// rawIoctl is control whose error is the kernel's own.
func (t *ttyPort) rawIoctl(f func(fd int) error) error { return controlConn(t.ctl, f, nil) }

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

// closeBound is the time that the kernel gets to close a device before it is
// configured not to wait. A driver that cannot discard its output would wait for it for
// up to 30 seconds (closing_wait of setserial(8)).
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

// awaitWriters returns when no write is inside the kernel. The deadline that
// keepEnded set makes the raw write fail as soon as it has its turn.
func (t *ttyPort) awaitWriters() {
	if conn, err := t.out.SyscallConn(); err == nil {
		conn.Write(func(uintptr) bool { return true })
	}
}

// final makes an ioctl whose failure Close could do nothing about.
func (t *ttyPort) final(req uint, arg int) {
	controlConn(t.ctl, func(fd int) error { return unix.IoctlSetInt(fd, req, arg) }, nil)
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

var errNoTerminal = fmt.Errorf("this is no terminal: only a serial device can do that: %w", errors.ErrUnsupported)

// failed turns the error of a system call into the cause that the user sees.
// A line that was hung up reads as end of file and answers everything else with
// EIO; a USB driver that lost its device returns ENODEV or ENXIO as well.
func (t *ttyPort) failed(err error) error {
	switch {
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Distinguish the deadline that keepEnded set from one of the user's.
		switch {
		case t.closing.Load():
			return net.ErrClosed
		case t.lost.Load():
			return ErrCarrierLost
		}
		return os.ErrDeadlineExceeded
	case err == io.EOF, errors.Is(err, unix.EIO), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV),
		errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ESHUTDOWN):
		return t.gone()
	}
	return err
}

// gone distinguishes a hang-up from a device that was removed: both end the line alike,
// but the node of a device stays. The node of a pseudo-terminal goes with its
// peer, and files that were open already have no node to check.
func (t *ttyPort) gone() error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	if t.path == "" || t.pseudo || t.settled.Load() {
		return ErrCarrierLost
	}
	err := settle(t.life.Done(), t.nodeThere)
	t.settled.Store(err == ErrCarrierLost)
	return err
}

// nodeID is what a device's name leads to. A device that is plugged in again gets
// a node of its own, if with the old numbers.
type nodeID struct{ dev, ino, rdev uint64 }

func nodeOf(st *unix.Stat_t) nodeID { return nodeID{uint64(st.Dev), uint64(st.Ino), uint64(st.Rdev)} }

// nodeThere reports whether the path still leads to the device.
func (t *ttyPort) nodeThere() bool {
	var st unix.Stat_t
	return unix.Stat(t.path, &st) == nil && nodeOf(&st) == t.node
}
