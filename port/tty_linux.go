package port

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
	"github.com/rasline/rasline/internal/wait"
)

// ttyPort is the port of Linux: non-blocking descriptors on the runtime poller.
//
// Reading and writing take no lock but those inside os.File. What ends a port,
// Close or the loss of its carrier, sets its flag first and the file's
// deadlines to the past after it, and every setter of a deadline checks the
// flags after it; so a deadline set at the same time cannot revive the port.
//
//	event            open                 lost (carrier policy)        closing (Close)
//	Read             device               leftovers, ErrCarrierLost    net.ErrClosed
//	Write            device               ErrCarrierLost               net.ErrClosed
//	set a deadline   stored               stored, then past again      net.ErrClosed
//	carrier falls    lost                 -                            -
//	Close            closing              closing                      -
//	device hangs up  ErrCarrierLost, or ErrRemoved if the node goes before settled is set
//
// held and mute are independent of these.
type ttyPort struct {
	in, out lineFile        // the same for a device
	ctl     syscall.RawConn // of the terminal among them; nil if neither is one
	path    string          // of the device; "" for files that were open already
	node    nodeID          // what path led to at open
	pseudo  bool            // a pseudo-terminal, either side

	closing atomic.Bool
	lost    atomic.Bool // the carrier policy saw the carrier fall
	settled atomic.Bool // the device node had the time to go and stayed
	writeBy atomic.Int64

	life context.Context // ends with Close
	end  context.CancelFunc

	modeMu   sync.Mutex // makes read, change and write of termios one step
	statsMu  sync.Mutex // guards counts and total
	counts   icounter
	total    Stats
	breaking atomic.Int32 // breaks under way
	held     atomic.Bool  // one of them is SetBreak's
	marks    *marks       // nil unless Config.Marks
	flowXON  byte         // the characters of XON/XOFF
	flowXOFF byte
	lsr      func(fd int) (uint32, error) // lineStatus, but for tests
	mute     atomic.Bool                  // lsr is refused or never reports an empty transmitter
	watch    lineWatch
	carrier  *carrierWatch // nil without a policy

	closeTimeout time.Duration
	undo         []func() // run backwards by release: settings, then DTR and RTS, then the locks
	lock         *lockFile
}

func newTTY(in, out lineFile) *ttyPort {
	t := &ttyPort{in: in, out: out, watch: lineWatch{wait: waitForModem}, lsr: lineStatus, flowXON: xon, flowXOFF: xoff}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

func (t *ttyPort) Read(b []byte) (int, error) {
	if t.marks != nil {
		return t.marks.read(b, t.read)
	}
	return t.read(b)
}

func (t *ttyPort) read(b []byte) (int, error) {
	n, err := t.in.Read(b)
	if err == io.EOF {
		n, err = t.readAgain(b)
	}
	if err == nil {
		return n, nil
	}
	if err = t.failed(err); err == ErrCarrierLost && t.lost.Load() {
		// A carrier that fell does not take the bytes with it that arrived
		// before: read them without waiting, whatever the deadline is.
		if conn, cerr := t.in.SyscallConn(); cerr == nil {
			left := 0
			conn.Control(func(fd uintptr) {
				left, _ = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b) })
			})
			if left > 0 {
				return left, nil
			}
		}
	}
	return n, err
}

// readAgain reads after a read of no bytes, which is the end of the line unless
// it belongs to a terminal on which another process has set VMIN and VTIME to 0: there
// it means that nothing has arrived yet. Scripts leave terminals like that, and
// the settings are not ours alone, so they stay and the poller does the waiting.
func (t *ttyPort) readAgain(b []byte) (n int, err error) {
	conn, cerr := t.in.SyscallConn()
	if cerr != nil || len(b) == 0 {
		return 0, io.EOF
	}
	if _, shared := t.in.(*sharedLine); shared {
		return 0, io.EOF // it has checked that
	}
	cerr = conn.Read(func(fd uintptr) bool {
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), b) })
		if err == unix.EAGAIN {
			return false
		}
		if err != nil || n > 0 {
			return true
		}
		err = io.EOF
		return !readsNothing(int(fd))
	})
	if cerr != nil {
		err = os.ErrClosed // the poller's own error has no name
		if errors.Is(cerr, os.ErrDeadlineExceeded) {
			err = cerr
		}
	}
	return max(n, 0), err
}

func (t *ttyPort) Write(b []byte) (int, error) {
	n, err := t.out.Write(b)
	if err != nil {
		return n, t.failed(err)
	}
	return n, nil
}

// awaitWriters returns when no write is inside the kernel. The deadline that
// keepEnded set makes the raw write fail as soon as it has its turn.
func (t *ttyPort) awaitWriters() {
	if conn, err := t.out.SyscallConn(); err == nil {
		conn.Write(func(uintptr) bool { return true })
	}
}

func (t *ttyPort) SetDeadline(d time.Time) error {
	return cmp.Or(t.SetReadDeadline(d), t.SetWriteDeadline(d))
}

func (t *ttyPort) SetReadDeadline(d time.Time) error {
	err := t.in.SetReadDeadline(d)
	t.keepEnded()
	return t.afterClose(err)
}

func (t *ttyPort) SetWriteDeadline(d time.Time) error {
	setDeadlineIn(&t.writeBy, d)
	err := t.out.SetWriteDeadline(d)
	t.keepEnded()
	return t.afterClose(err)
}

func (t *ttyPort) afterClose(err error) error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	return err
}

// keepEnded frees reads and writes if the port has ended.
func (t *ttyPort) keepEnded() {
	if t.closing.Load() || t.lost.Load() {
		past := time.Unix(1, 0)
		t.in.SetReadDeadline(past)
		t.out.SetWriteDeadline(past)
	}
}

// carrierFell frees all reads and writes for good.
func (t *ttyPort) carrierFell() {
	t.lost.Store(true)
	t.keepEnded()
}

// bound returns a context that ends with ctx and with the port.
func (t *ttyPort) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// ended returns why a context made by bound is done.
func (t *ttyPort) ended(ctx context.Context) error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	return ctx.Err()
}

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

// gone distinguishes a hang-up from a device that was removed: both end the line
// alike, but the node of a device that was hung up stays. The node of a pseudo-terminal goes with its
// peer, and files that were open already have no node to check.
func (t *ttyPort) gone() error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	if t.path == "" || t.pseudo || t.settled.Load() {
		return ErrCarrierLost
	}
	err := settle(t.life.Done(), func() bool {
		var st unix.Stat_t
		return unix.Stat(t.path, &st) == nil && nodeOf(&st) == t.node
	})
	t.settled.Store(err == ErrCarrierLost)
	return err
}

// nodeID is what a device's name leads to. A device that is plugged in again gets
// a node of its own, if with the old numbers.
type nodeID struct{ dev, ino, rdev uint64 }

func nodeOf(st *unix.Stat_t) nodeID { return nodeID{uint64(st.Dev), uint64(st.Ino), uint64(st.Rdev)} }

// control runs f on the descriptor of the terminal and returns the cause of its
// error.
func (t *ttyPort) control(f func(fd int) error) error {
	if t.ctl == nil {
		return errNoTerminal
	}
	return controlConn(t.ctl, f, t.failed)
}

var errNoTerminal = fmt.Errorf("this is no terminal: only a serial device can do that: %w", errors.ErrUnsupported)

// rawIoctl is control whose error is the kernel's own.
func (t *ttyPort) rawIoctl(f func(fd int) error) error { return controlConn(t.ctl, f, nil) }

// final makes an ioctl whose failure Close could do nothing about.
func (t *ttyPort) final(req uint, arg int) {
	controlConn(t.ctl, func(fd int) error { return unix.IoctlSetInt(fd, req, arg) }, nil)
}

func (t *ttyPort) settings() (tio *unix.Termios, err error) {
	err = t.control(func(fd int) (err error) {
		tio, err = termios.Get(fd)
		return err
	})
	return tio, err
}

func (t *ttyPort) Mode() (Mode, error) {
	tio, err := t.settings()
	if err != nil {
		return Mode{}, err
	}
	return modeOf(tio), nil
}

// changeSettings changes the settings, sets those fields of m that are not zero
// and makes sure of them. If the driver refuses one, all is as it was.
func (t *ttyPort) changeSettings(m Mode, change func(*unix.Termios)) error {
	t.modeMu.Lock()
	defer t.modeMu.Unlock()
	old, err := t.settings()
	if err != nil {
		return err
	}
	tio := *old
	change(&tio)
	all := m.Merge(modeOf(&tio))
	if err := all.Validate(); err != nil {
		return err
	}
	if all.Flow == FlowDSRDTR {
		return fmt.Errorf("flow control dsrdtr is not supported on Linux: use rtscts: %w", errors.ErrUnsupported)
	}
	if m.Baud != 0 {
		termios.SetSpeed(&tio, m.Baud)
	}
	setMode(&tio, all)
	tio.Cc[unix.VSTART], tio.Cc[unix.VSTOP] = t.flowXON, t.flowXOFF
	if err := t.control(func(fd int) error { return termios.Set(fd, &tio) }); err != nil {
		return err
	}
	now, err := t.settings()
	if err != nil {
		return err
	}
	if field, asked, got := m.Mismatch(modeOf(now)); field != "" {
		t.control(func(fd int) error { return termios.Set(fd, old) })
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, asked, got, errors.ErrUnsupported)
	}
	return nil
}

func (t *ttyPort) Lines() (Lines, error) {
	// The kernel writes 32 bits; IoctlGetInt would have it write half of an int
	// of 64 bits, the wrong one on big-endian machines.
	var state uint32
	err := t.control(func(fd int) (err error) {
		state, err = unix.IoctlGetUint32(fd, unix.TIOCMGET)
		return err
	})
	return linesFrom(int(state)), noLines(err)
}

// writeLines asserts before it clears. It names single lines to the kernel, so
// that no change of the other one is undone.
func (t *ttyPort) writeLines(mask, values Lines) error {
	err := t.writeBits(unix.TIOCMBIS, mask&values)
	if err == nil {
		err = t.writeBits(unix.TIOCMBIC, mask&^values)
	}
	return noLines(err)
}

func (t *ttyPort) writeBits(req uint, l Lines) error {
	if l == 0 {
		return nil
	}
	return t.control(func(fd int) error { return unix.IoctlSetPointerInt(fd, req, l.tiocm()) })
}

// noLines explains that a driver does not know a line call.
func noLines(err error) error {
	if err != nil && termios.Refused(err) {
		return fmt.Errorf("this device has no modem lines: %w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// queue returns the number of bytes in the driver's output queue.
func (t *ttyPort) queue() (n int, err error) {
	err = t.control(func(fd int) (err error) {
		v, err := unix.IoctlGetUint32(fd, unix.TIOCOUTQ)
		n = int(v)
		return err
	})
	return n, err
}

// perByte returns the time that one character takes on the line.
func (t *ttyPort) perByte() time.Duration {
	m, err := t.Mode()
	if err != nil || m.Baud == 0 {
		return 0
	}
	return 10 * time.Second / time.Duration(m.Baud)
}

// awaitTransmitter waits for the last characters to leave the UART.
//
// TIOCSERGETLSR shows the transmitter's state, but not every driver has it, and
// some drivers of USB adapters have it and never report an empty transmitter:
// ftdi_sio answers from the last status packet, which need not carry that bit.
// So the call is believed when it reports an empty transmitter. When it has not
// done so although the line had the time to send all that a UART holds,
// tcdrain(3) decides, which asks the device. It is second because it also
// waits for what others write, and takes a thread.
func (t *ttyPort) awaitTransmitter(ctx context.Context) error {
	if !t.mute.Load() {
		// Twice a FIFO of 128 characters, the largest of the 8250 family, and some
		// time for the driver.
		left := 256*t.perByte() + 50*time.Millisecond
		for last := time.Now(); left > 0; {
			var status uint32
			err := t.control(func(fd int) (err error) {
				status, err = t.lsr(fd)
				return err
			})
			if err != nil && !termios.Refused(err) || err == nil && status&unix.TIOCSER_TEMT != 0 {
				return err
			}
			if err != nil {
				break
			}
			if err := wait.Sleep(ctx, minQueuePoll); err != nil {
				return err
			}
			now := time.Now()
			if !t.heldOff() {
				left -= now.Sub(last)
			}
			last = now
		}
	}
	err := t.waitingIoctl(ctx, unix.TCSBRK, 1)
	if err == nil {
		t.mute.Store(true)
	}
	return err
}

// heldOff reports whether the peer keeps the UART from sending by RTS/CTS.
func (t *ttyPort) heldOff() bool {
	m, err := t.Mode()
	if err != nil || m.Flow != FlowRTSCTS && m.Flow != FlowBoth {
		return false
	}
	l, err := t.Lines()
	return err == nil && !l.Has(CTS)
}

// waitingIoctl makes an ioctl before which the kernel waits for all output to
// leave. The end of ctx ends that wait.
func (t *ttyPort) waitingIoctl(ctx context.Context, req uint, arg int) error {
	return interruptible(ctx, func() error {
		return t.control(func(fd int) error {
			err := unix.IoctlSetInt(fd, req, arg)
			if err == unix.EINTR && ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		})
	})
}
