package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Emulator is the program that runs the guest.
const Emulator = "qemu-system-x86_64"

// commandLine makes the kernel talk from its first moment, find all four UARTs,
// and end the machine where it cannot continue.
const commandLine = "console=ttyS0,115200 earlyprintk=serial,ttyS0,115200 8250.nr_uarts=4 panic=-1"

// consoleKept bounds what is kept of the console.
const consoleKept = 64 << 10

// Machine is a running guest. Close must be called.
type Machine struct {
	Control net.Conn // the fourth UART
	Monitor *Monitor

	console net.Conn
	usb     net.Conn // the other end of the USB adapter's line; it echoes
	readers sync.WaitGroup
	cancel  context.CancelFunc
	done    chan struct{} // closed when the emulator has ended
	err     error         // why it ended; written before done is closed
	stderr  bytes.Buffer  // the emulator's; complete when done is closed
	log     consoleLog
}

// Boot starts a machine with a kernel and an initramfs ("" for none). Accel is
// the argument of qemu's -accel: "kvm" or "tcg". The machine ends with ctx, with
// this process, and when the guest powers it off.
func Boot(ctx context.Context, k *Kernel, initramfs, accel string) (*Machine, error) {
	ctx, cancel := context.WithCancel(ctx)
	m := &Machine{cancel: cancel, done: make(chan struct{})}
	m.log.news = make(chan struct{})
	w := new(wiring)
	m.console = w.host("console")
	m.Control = w.host("control")
	m.usb = w.host("usb")
	m.Monitor = newMonitor(w.host("monitor"))
	// Make a line between two devices of the emulator.
	fa, fb := w.pair()
	if w.err == nil {
		w.give("line1", fa)
		w.give("line2", fb)
	}
	defer w.close()
	if w.err != nil {
		cancel()
		m.hangUp()
		return nil, w.err
	}
	args := append(w.args, "-kernel", k.Image, "-append", commandLine, "-accel", accel)
	if initramfs != "" {
		args = append(args, "-initrd", initramfs)
	}
	cmd := exec.CommandContext(ctx, Emulator, append(args, hardware...)...)
	cmd.ExtraFiles = w.files
	cmd.Stderr = &m.stderr
	if err := m.start(cmd); err != nil {
		cancel()
		m.hangUp()
		return nil, err
	}
	m.readers.Go(func() { m.log.follow(m.console) })
	m.readers.Go(func() { io.Copy(m.usb, m.usb) })
	return m, nil
}

// adapter is the USB adapter on the monitor.
var adapter = map[string]any{"driver": "usb-serial", "id": "adapter", "bus": "xhci.0", "chardev": "usb", "always-plugged": true}

// Pull pulls the USB adapter.
func (m *Machine) Pull(ctx context.Context) error {
	if err := m.Monitor.Run(ctx, "device_del", map[string]any{"id": "adapter"}); err != nil {
		return err
	}
	return m.Monitor.Await(ctx, "DEVICE_DELETED")
}

// Plug plugs the USB adapter in again.
func (m *Machine) Plug(ctx context.Context) error {
	return m.Monitor.Run(ctx, "device_add", adapter)
}

// hardware is the machine but for its lines. The UARTs have an interrupt each:
// qemu loses some where they share one, as the third and fourth do on a PC.
var hardware = []string{
	"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-m", "512", "-smp", "1",
	"-device", "isa-serial,chardev=console,index=0",
	"-device", "isa-serial,chardev=line1,index=1",
	"-device", "isa-serial,chardev=line2,index=2,irq=5",
	"-device", "isa-serial,chardev=control,index=3,irq=7",
	"-mon", "chardev=monitor,mode=control",
	"-device", "qemu-xhci,id=xhci",
	"-device", "usb-serial,id=adapter,bus=xhci.0,chardev=usb,always-plugged=on",
}

// start starts the emulator on a thread that exists as long as it does: the
// kernel regards the end of that thread as the end of the parent, and the
// emulator must not outlive this process however that ends.
func (m *Machine) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			m.err = cmd.Wait()
			close(m.done)
		}
	}()
	return <-started
}

// Console returns the end of what the kernel printed.
func (m *Machine) Console() string { return m.log.String() }

// Err waits for the end of the machine and returns what was wrong with it: nil
// if the guest turned it off.
func (m *Machine) Err() error {
	<-m.done
	if m.err != nil {
		return fmt.Errorf("%s: %w\n%s", Emulator, m.err, m.stderr.Bytes())
	}
	return nil
}

// Close ends the machine and returns when it has ended.
func (m *Machine) Close() error {
	m.cancel()
	<-m.done
	m.hangUp()
	m.readers.Wait()
	return nil
}

func (m *Machine) hangUp() {
	for _, c := range []net.Conn{m.console, m.Control, m.usb, m.Monitor.conn} {
		if c != nil {
			c.Close()
		}
	}
}

// wiring makes the sockets that carry the machine's lines. They have no names,
// so there is nothing to clash with and nothing to remove.
type wiring struct {
	args  []string   // for the emulator
	files []*os.File // its descriptors, from 3 on
	err   error
}

// host makes a line between the emulator and this process.
func (w *wiring) host(id string) net.Conn {
	ours, theirs := w.pair()
	if w.err != nil {
		return nil
	}
	w.give(id, theirs)
	defer ours.Close()
	conn, err := net.FileConn(ours)
	w.err = err
	return conn
}

func (w *wiring) pair() (a, b *os.File) {
	if w.err != nil {
		return nil, nil
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.err = err
		return nil, nil
	}
	return os.NewFile(uintptr(fds[0]), "line"), os.NewFile(uintptr(fds[1]), "line")
}

func (w *wiring) give(id string, f *os.File) {
	w.args = append(w.args, "-chardev", fmt.Sprintf("socket,id=%s,fd=%d", id, 3+len(w.files)))
	w.files = append(w.files, f)
}

// close closes the emulator's ends.
func (w *wiring) close() {
	for _, f := range w.files {
		f.Close()
	}
}

// consoleLog keeps the end of what a console prints.
type consoleLog struct {
	mu   sync.Mutex // guards what follows
	text []byte
	news chan struct{} // closed and replaced at each arrival
	over bool
}

func (l *consoleLog) follow(r net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		l.mu.Lock()
		l.text = append(l.text, buf[:n]...)
		if over := len(l.text) - consoleKept; over > 0 {
			l.text = append(l.text[:0], l.text[over:]...)
		}
		l.over = err != nil
		close(l.news)
		l.news = make(chan struct{})
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *consoleLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// await returns when text is on the console.
func (l *consoleLog) await(ctx context.Context, text string) error {
	for {
		l.mu.Lock()
		found, over, news := bytes.Contains(l.text, []byte(text)), l.over, l.news
		l.mu.Unlock()
		switch {
		case found:
			return nil
		case over:
			return errors.New("the machine ended")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// trialLimit bounds the trial of KVM. A kernel prints within a second there.
const trialLimit = 5 * time.Second

// Accelerator returns "kvm" if a kernel boots under KVM, else "tcg". A
// /dev/kvm that can be opened does not prove it: some virtual machines have one
// that runs only kernels made for it.
func Accelerator(ctx context.Context, k *Kernel) string {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg"
	}
	f.Close()
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	m, err := Boot(ctx, k, "", "kvm")
	if err != nil {
		return "tcg"
	}
	defer m.Close()
	if m.log.await(ctx, "Linux version") != nil {
		return "tcg"
	}
	return "kvm"
}
