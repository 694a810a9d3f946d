package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
)

// The guest's serial devices.
const (
	uart    = "/dev/ttyS1"
	farUART = "/dev/ttyS2"
	adapter = "/dev/ttyUSB0"
)

// patience is the limit for what should take next to no time. The guest's
// processor may be an emulated one on a busy machine.
const patience = 30 * time.Second

// open opens a port for the length of the test.
func open(t *testing.T, name string, cfg *port.Config) *port.Serial {
	t.Helper()
	s, err := port.Open(t.Context(), name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// mode returns a config that sets the line as s specifies.
func mode(t *testing.T, s string) *port.Config {
	t.Helper()
	m, err := port.ParseMode(s)
	if err != nil {
		t.Fatal(err)
	}
	return &port.Config{Mode: m}
}

// openPair opens the two joined UARTs with the same settings. What an earlier
// test left between them is gone.
func openPair(t *testing.T, settings string) (near, far *port.Serial) {
	t.Helper()
	near, far = open(t, uart, mode(t, settings)), open(t, farUART, mode(t, settings))
	sweep(t, near, far)
	sweep(t, far, near)
	return near, far
}

// sweep sends a text through the line and drops all that comes before it.
func sweep(t *testing.T, from, to *port.Serial) {
	t.Helper()
	say(t, from, "--sweep--")
	readThrough(t, to, []byte("--sweep--"))
}

// readThrough reads to the end of text and returns what came before it.
func readThrough(t *testing.T, s *port.Serial, text []byte) (before []byte) {
	t.Helper()
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, text); got = append(got, b...) {
		if _, err := s.Read(b); err != nil {
			t.Fatalf("%s: %v before %q came; got %q", s.Name(), err, text, got)
		}
	}
	must(t, s.SetReadDeadline(time.Time{}))
	return got[:len(got)-len(text)]
}

// within returns a context for what should take next to no time.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails the test unless err matches want.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s did not come about in %v\n%s", what, patience, stacks())
		}
	}
}

// result receives what a goroutine sends, and fails the test with all stacks if
// that does not come.
func result[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not end in %v\n%s", what, patience, stacks())
		panic("unreachable")
	}
}

// start runs f in a goroutine of its own and returns where its error comes.
func start(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}

// threadsIn counts this process's threads that sit in an ioctl with the given
// request.
func threadsIn(request int) (n int) {
	files, _ := filepath.Glob("/proc/self/task/*/syscall")
	want := fmt.Sprintf("%d 0x%%x 0x%x ", unix.SYS_IOCTL, request)
	for _, name := range files {
		text, err := os.ReadFile(name)
		var fd int
		if k, _ := fmt.Sscanf(string(text), want, &fd); err == nil && k == 1 {
			n++
		}
	}
	return n
}

// Bits of the modem control register in asm-generic/termios.h that package unix
// lacks.
const (
	tiocmOut1 = 0x2000
	tiocmOut2 = 0x4000
	tiocmLoop = 0x8000
)

// device is a terminal opened behind the driver's back, for what port has no
// call for. Root may do that in spite of TIOCEXCL.
type device struct {
	t  *testing.T
	fd int
}

func rawOpen(t *testing.T, name string) *device {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	d := &device{t, fd}
	t.Cleanup(d.close)
	return d
}

func (d *device) close() {
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
}

// set sets and clears bits of the modem control register, tiocmLoop among
// them.
func (d *device) set(bits, clear int) {
	d.t.Helper()
	must(d.t, unix.IoctlSetPointerInt(d.fd, unix.TIOCMBIS, bits))
	must(d.t, unix.IoctlSetPointerInt(d.fd, unix.TIOCMBIC, clear))
}

// loop joins a UART's outputs to its inputs, inside it (RTS to CTS, DTR to DSR,
// OUT1 to RI, OUT2 to DCD, and the transmitter to the receiver) for the length
// of the test.
func loop(t *testing.T, name string) *device {
	t.Helper()
	t.Cleanup(func() {
		d := rawOpen(t, name)
		d.set(unix.TIOCM_RTS|unix.TIOCM_DTR|tiocmOut2, tiocmLoop|tiocmOut1)
		d.close()
	})
	d := rawOpen(t, name)
	d.set(tiocmLoop, 0)
	return d
}

// The registers of a 16550A that tests examine, and bits in them.
const (
	lineControl  = 3 // LCR
	modemControl = 4 // MCR

	lcrBreak = 0x40
	mcrDTR   = 0x01
	mcrRTS   = 0x02
)

// register reads a register of a UART, where no driver can hide it.
func register(t *testing.T, name string, offset int64) byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/sys/class/tty", filepath.Base(name), "port"))
	must(t, err)
	base, err := strconv.ParseInt(strings.TrimSpace(string(text)), 0, 64)
	must(t, err)
	f, err := os.Open("/dev/port")
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], base+offset)
	must(t, err)
	return b[0]
}
