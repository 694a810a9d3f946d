package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Serial is a serial device of this machine, or a terminal, pipe or socket
// taken over with Stdio. Its methods may be called from several goroutines at
// once, and their errors are *OpError.
//
// Reads and writes go straight to the kernel: a Serial keeps no byte back, and
// Read never takes more than the length of its buffer from the line.
type Serial struct {
	name string
	dev  systemPort
}

var (
	_ AbilityReporter = (*Serial)(nil)
	_ Named           = (*Serial)(nil)
	_ Detacher        = (*Serial)(nil)
)

// Open opens the serial device name, such as "/dev/ttyUSB0" or "COM3", for
// exclusive use and puts it in raw mode. A nil cfg means the zero Config.
//
// On Linux it takes, in this order, the UUCP lock file if Config asks for one,
// an flock(2) of the device and TIOCEXCL, and touches the line's settings only
// then. If another process holds one of them the error matches ErrBusy and names
// the process where that is known. The error matches fs.ErrNotExist if there
// is no such device, and fs.ErrPermission if this user may not open it. ctx
// bounds the wait for the carrier under CarrierRequire; nothing else in Open
// waits.
//
// A pseudo-terminal, or a device without modem lines, opens as well: the
// levels asked for in cfg do nothing there, the carrier policy is
// CarrierIgnore, and the line calls return errors.ErrUnsupported. A
// pseudo-terminal is locked by flock alone.
func Open(ctx context.Context, name string, cfg *Config) (*Serial, error) {
	if cfg == nil {
		cfg = new(Config)
	}
	s := &Serial{name: name}
	err := ctx.Err()
	if err == nil {
		err = cfg.Mode.Validate()
	}
	if err == nil {
		s.dev, err = openDevice(ctx, name, cfg)
	}
	if errors.Is(err, fs.ErrNotExist) && isURL(name) {
		err = fmt.Errorf("this is no device but the name of another kind of port: open it with package portname: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, s.fail("open", err)
	}
	return s, nil
}

// isURL reports whether name has a form that package portname opens.
func isURL(name string) bool {
	scheme, rest, ok := strings.Cut(name, ":")
	return ok && len(scheme) > 1 && rest != "" && !strings.ContainsAny(scheme, `/\.`)
}

// Name returns the name that the port was opened with.
func (s *Serial) Name() string { return s.name }

// Interruptible returns true: deadlines and Close free blocked calls.
func (s *Serial) Interruptible() bool { return true }

// Abilities returns what the device can do.
func (s *Serial) Abilities() Abilities {
	return AbilitiesOf(s.dev) &^ s.dev.lacks()
}

// Read reads what has arrived, at most len(b) bytes, and blocks if that is
// nothing. When the line is lost it returns ErrCarrierLost, or ErrRemoved if
// the device is removed. A received break reads as a NUL byte and a character
// with a wrong parity bit like any other, unless Config.Marks is set.
func (s *Serial) Read(b []byte) (int, error) {
	n, err := s.dev.Read(b)
	if err != nil {
		return n, s.fail("read", err)
	}
	return n, nil
}

// Write hands b to the driver and blocks while the driver's queue is full. It
// returns how many bytes the driver took; use Drain to know that they left.
func (s *Serial) Write(b []byte) (int, error) {
	n, err := s.dev.Write(b)
	if err != nil {
		return n, s.fail("write", err)
	}
	return n, nil
}

// Close releases the port. It frees every blocked call immediately, then waits for
// written bytes as Config.CloseTimeout specifies, discards the rest, puts back the
// settings that Open found (see Config.KeepSettings), sets DTR and RTS as Config
// specifies and releases the locks. It returns within about a quarter of
// a second more than CloseTimeout even if the peer holds the line off. A
// second Close returns net.ErrClosed.
func (s *Serial) Close() error { return s.wrap("close", s.dev.Close()) }

// SetDeadline sets the deadlines of reads and of writes, see SetReadDeadline
// and SetWriteDeadline.
func (s *Serial) SetDeadline(t time.Time) error {
	return s.wrap("set deadline", s.dev.SetDeadline(t))
}

// SetReadDeadline sets the time at which reads give up with
// os.ErrDeadlineExceeded, those that are blocked already included. The zero
// time means never.
func (s *Serial) SetReadDeadline(t time.Time) error {
	return s.wrap("set deadline", s.dev.SetReadDeadline(t))
}

// SetWriteDeadline sets the time at which writes, and SetMode while it waits
// for output to leave, give up with os.ErrDeadlineExceeded. The zero time means
// never.
func (s *Serial) SetWriteDeadline(t time.Time) error {
	return s.wrap("set deadline", s.dev.SetWriteDeadline(t))
}

// Mode returns the mode in force as the driver reports it. On systems other
// than Linux it is the mode that was set last.
func (s *Serial) Mode() (Mode, error) {
	m, err := s.dev.Mode()
	return m, s.wrap("mode", err)
}

// SetMode waits until earlier output has left, sets the fields of m that are
// not zero in one step, and reads back what the driver made of them. If the
// driver did not take one, the error names it and matches
// errors.ErrUnsupported, and the mode is as it was. A bit rate within two per
// cent counts as taken. The wait ends early at the write deadline and with
// Close.
//
// A pseudo-terminal takes any bit rate and has always 8 data bits and no
// parity.
func (s *Serial) SetMode(m Mode) error {
	err := m.Validate()
	if err == nil {
		err = s.dev.SetMode(m)
	}
	return s.wrap("set mode", err)
}

// Lines returns the modem lines that are asserted now.
func (s *Serial) Lines() (Lines, error) {
	l, err := s.dev.Lines()
	return l, s.wrap("lines", err)
}

// SetLines asserts the lines of mask that are set in values and clears the
// others of mask. Only DTR and RTS can be set; with anything else in mask
// nothing is. Under RTS/CTS flow control the driver moves RTS as well.
func (s *Serial) SetLines(mask, values Lines) error {
	return s.wrap("set lines", s.dev.SetLines(mask, values))
}

// WaitLines blocks until one of the lines in mask changes, counted from the
// call, and returns the lines after the change. Where the driver reports
// changes (TIOCMIWAIT on Linux) the wait costs one sleeping thread for all who
// wait on the port, and pulses are seen however short; elsewhere the lines are
// sampled every 20 ms. It ends early with the context's error, with
// net.ErrClosed, or when the line or the device has ended.
func (s *Serial) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	l, err := s.dev.WaitLines(ctx, mask)
	return l, s.wrap("wait lines", err)
}

// SendBreak holds the line in the spacing state for d, or for a quarter of a
// second if d is 0 or less, after earlier output has left. The line is back to
// marking on every way out; on systems other than Linux a break that has begun
// runs to its end even if ctx ends before.
func (s *Serial) SendBreak(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		d = DefaultBreak
	}
	return s.wrap("send break", s.dev.SendBreak(ctx, d))
}

// Drain blocks until all that was written has left the port, its transmitter
// included as far as the driver knows about that. It ends early with the context's error
// and with net.ErrClosed; the output is then still queued.
func (s *Serial) Drain(ctx context.Context) error {
	return s.wrap("drain", s.dev.Drain(ctx))
}

// Discard throws away what is queued in the given directions.
func (s *Serial) Discard(d Direction) error {
	err := d.Validate()
	if err == nil {
		err = s.dev.Discard(d)
	}
	return s.wrap("discard", err)
}

// Queued returns the number of bytes that can be read without waiting, and of
// those that the driver has not handed to the UART yet. Pipes and sockets taken
// over with Stdio know only what can be read.
func (s *Serial) Queued() (in, out int, err error) {
	in, out, err = s.dev.Queued()
	return in, out, s.wrap("queued", err)
}

// SetBreak puts the line in the spacing state, or back to marking. It does not
// wait for earlier output: call Drain first. A break that was begun ends with
// Close too. Serial devices on macOS, FreeBSD and OpenBSD, and pseudo-terminals,
// return errors.ErrUnsupported.
func (s *Serial) SetBreak(on bool) error { return s.wrap("set break", s.dev.SetBreak(on)) }

// Detach ends the port without closing the line and returns the descriptor, for
// another program such as pppd(8). Pending calls return net.ErrClosed, as all
// later ones do. Nothing that arrived is lost: what was not read stays in the
// kernel.
//
// The flock of the device stays with the descriptor, and DTR, HUPCL and the
// settings stay as they are. TIOCEXCL is lifted, so that the other program can
// open the device by its name, and a UUCP lock file is removed, so that it can
// make its own. Close the file once that program has its copy.
//
// A port of Stdio that has two files, and systems other than Linux, return
// errors.ErrUnsupported, and the port lives on.
func (s *Serial) Detach() (*os.File, error) {
	f, err := s.dev.Detach()
	return f, s.wrap("detach", err)
}

// SyscallConn returns the descriptor (a handle on Windows) for calls that this
// package does not make. Its Read and Write obey the port's deadlines on Linux.
// macOS, FreeBSD and OpenBSD return errors.ErrUnsupported.
func (s *Serial) SyscallConn() (syscall.RawConn, error) {
	c, err := s.dev.SyscallConn()
	return c, s.wrap("syscall", err)
}

// Stats returns what the driver counted since the port was opened
// (TIOCGICOUNT). The driver's counters have 32 bits: ask at least once every
// 4 GiB of traffic. Systems other than Linux and devices that do not count
// return errors.ErrUnsupported.
func (s *Serial) Stats() (Stats, error) {
	st, err := s.dev.Stats()
	return st, s.wrap("stats", err)
}

func (s *Serial) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return s.fail(op, err)
}

// fail makes the OpError of err. The file errors of package os would repeat the
// operation and the name twice, so only their causes are kept.
func (s *Serial) fail(op string, err error) error {
	var file *fs.PathError
	if errors.As(err, &file) && err == error(file) {
		err = file.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &OpError{Op: op, Port: s.name, Err: err}
}

// Stdio makes a port of files that are open already: terminals, pipes or
// sockets, most often os.Stdin and os.Stdout, which may be one and the same. It
// is how a program run by pppd's connect option or by inetd gets its line. A
// nil cfg means the zero StdioConfig.
//
// The port leaves in and out open, and changes no flag that they share with the
// program that started this one: it opens a terminal or pipe anew, and uses what
// cannot be opened anew without making it non-blocking. So deadlines, contexts
// and Close work whatever other programs do with the same files, and a program
// that is killed leaves nothing behind but the mode of a terminal, if Raw was
// set. Read never takes more than it is asked for, so that the next user of the
// files misses nothing. If one of the files is a terminal, the mode, the
// modem lines, breaks and Drain work as far as the device behind it does them;
// otherwise those calls return errors.ErrUnsupported. End of file is
// ErrCarrierLost.
//
// A file that cannot be opened anew and is no socket (the master of a
// pseudo-terminal; a terminal of another user, or in exclusive mode) costs more:
// each read and write is made on a thread of its own.
//
// Regular files and the null device cannot be waited for and are refused.
// Systems other than Linux return errors.ErrUnsupported.
func Stdio(in, out *os.File, cfg *StdioConfig) (*Serial, error) {
	if cfg == nil {
		cfg = new(StdioConfig)
	}
	s := &Serial{name: cfg.Name}
	if s.name == "" {
		s.name = "-"
	}
	err := fmt.Errorf("a file is missing: %w", os.ErrInvalid)
	if in != nil && out != nil {
		s.dev, err = adopt(in, out, cfg)
	}
	if err != nil {
		return nil, s.fail("open", err)
	}
	return s, nil
}
