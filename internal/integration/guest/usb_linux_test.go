package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/scp"
)

// endless talks to the echo at the adapter's other end and then waits for what
// never comes.
const endless = `proc main
  transmit "hello^M"
  waitfor "hello^M"
  waitfor "kingdom come"
endproc
`

// journal collects what is logged or printed.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) has(text string) func() bool {
	return func() bool { return strings.Contains(j.String(), text) }
}

// adapterPort returns where the USB adapter is now, as a new one may get
// another number.
func adapterPort(t *testing.T) string {
	t.Helper()
	var name string
	eventually(t, "a USB adapter", func() bool {
		infos, err := port.List(context.Background())
		must(t, err)
		for _, i := range infos {
			if i.Driver == "ftdi_sio" {
				name = i.Name
			}
		}
		return name != ""
	})
	return name
}

// pull has the host pull the adapter, for the length of the test at most.
func pull(t *testing.T) {
	t.Helper()
	ask(t, "pull")
	t.Cleanup(func() {
		if names, _ := filepath.Glob("/dev/ttyUSB*"); len(names) == 0 {
			ask(t, "plug")
			adapterPort(t)
		}
	})
}

// TestPulledInAWait pulls the adapter while a script waits for a text.
func TestPulledInAWait(t *testing.T) {
	inGuest(t)
	goroutines := runtime.NumGoroutine()
	prog, err := scp.Parse("endless.scp", []byte(endless))
	must(t, err)
	log := new(journal)
	e := prog.Executor(&scp.Config{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	s := open(t, adapterPort(t), nil)
	var ended time.Time
	run := start(func() error {
		_, err := script.Run(t.Context(), s, e, nil)
		ended = time.Now()
		return err
	})
	eventually(t, "the endless wait", func() bool {
		return log.has("received")() && bytes.Contains(stacks(), []byte("port.(*Serial).Read("))
	})
	lines := waitLines(t, t.Context(), s, port.Inputs)

	began := time.Now()
	pull(t)
	err = result(t, "the script", run)
	wantErr(t, "the script", err, ras.ErrHardwareFailure)
	wantErr(t, "the script", err, port.ErrRemoved)
	t.Logf("the script ended %v after the host was asked to pull: %v", ended.Sub(began), err)
	wantErr(t, "WaitLines", result(t, "WaitLines", lines.err), port.ErrRemoved)
	noThread(t)
	allRemoved(t, s)

	must(t, s.Close())
	wantErr(t, "second Close", s.Close(), net.ErrClosed)
	eventually(t, fmt.Sprintf("a return to %d goroutines", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines })
	t.Logf("%d goroutines before, %d after", goroutines, runtime.NumGoroutine())

	ask(t, "plug")
	echoes(t, adapterPort(t))
}

// allRemoved makes each call on a port whose device is gone.
func allRemoved(t *testing.T, s *port.Serial) {
	t.Helper()
	ctx := within(t, patience)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"read", func() error { _, err := s.Read(make([]byte, 1)); return err }},
		{"write", func() error { _, err := s.Write([]byte("x")); return err }},
		{"mode", func() error { _, err := s.Mode(); return err }},
		{"set mode", func() error { return s.SetMode(port.Mode{Baud: 9600}) }},
		{"lines", func() error { _, err := s.Lines(); return err }},
		{"set lines", func() error { return s.SetLines(port.DTR, 0) }},
		{"wait lines", func() error { _, err := s.WaitLines(ctx, port.DCD); return err }},
		{"send break", func() error { return s.SendBreak(ctx, time.Millisecond) }},
		{"drain", func() error { return s.Drain(ctx) }},
		{"discard", func() error { return s.Discard(port.Input | port.Output) }},
		{"stats", func() error { _, err := s.Stats(); return err }},
	} {
		wantErr(t, c.name+" without a device", result(t, c.name, start(c.call)), port.ErrRemoved)
	}
}

// echoes opens an adapter and sees that its line works.
func echoes(t *testing.T, name string) *port.Serial {
	t.Helper()
	s := open(t, name, nil)
	echo(t, s)
	return s
}

// echo has the peer of the adapter's line repeat a text.
func echo(t *testing.T, s *port.Serial) {
	t.Helper()
	say(t, s, "still there?\r")
	readAll(t, s, []byte("still there?\r"))
}

// TestPluggedWhileOpen plugs the adapter in again before the port that lost it
// is closed.
func TestPluggedWhileOpen(t *testing.T) {
	inGuest(t)
	s := echoes(t, adapterPort(t))
	pull(t)
	ask(t, "plug")
	fresh := echoes(t, adapterPort(t))
	allRemoved(t, s)
	t.Logf("the new one is %s", fresh.Name())
	must(t, s.Close())
	must(t, fresh.Close())
	ask(t, "pull") // so that the next one has the first number again
	eventually(t, "an adapter less", func() bool { return !exists(fresh.Name()) })
	ask(t, "plug")
	if name := adapterPort(t); name != adapter {
		t.Errorf("the adapter came back as %s, want %s", name, adapter)
	}
}

// TestPulledUnderRasdial does the same to the program that people run.
func TestPulledUnderRasdial(t *testing.T) {
	inGuest(t)
	name := filepath.Join(t.TempDir(), "endless.scp")
	writeFile(t, name, endless)
	log := new(journal)
	cmd := exec.CommandContext(within(t, patience), "/bin/rasdial", "-v", "-port", adapterPort(t), "-script", name)
	cmd.Stderr = log
	must(t, cmd.Start())
	waited := start(cmd.Wait)
	eventually(t, "the endless wait", log.has(`< "hello`))
	began := time.Now()
	pull(t)
	err := result(t, "rasdial", waited)
	t.Logf("rasdial ended %v after the host was asked to pull, and said:\n%s", time.Since(began), log)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("rasdial ended with %v, want exit status 1", err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	want := fmt.Sprintf("rasdial: error %d %s: ", uint32(ras.ErrHardwareFailure), ras.ErrHardwareFailure.Name())
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		t.Errorf("last line %q, want one that begins with %q", last, want)
	}
}

// TestPulledGadget pulls a device of another driver while calls are blocked.
func TestPulledGadget(t *testing.T) {
	inGuest(t)
	plugGadget(t)
	s := open(t, acm, &port.Config{Carrier: port.CarrierWatch})
	lines := waitLines(t, t.Context(), s, port.Inputs)
	reading := start(func() error {
		_, err := s.Read(make([]byte, 1))
		return err
	})
	writing := start(func() error {
		_, err := s.Write(make([]byte, 1<<20)) // more than all queues hold
		return err
	})
	d := rawOpen(t, acm)
	eventually(t, "a full queue", func() bool {
		n, err := unix.IoctlGetInt(d.fd, unix.TIOCOUTQ)
		return err == nil && n > 1000
	})
	draining := start(func() error { return s.Drain(context.Background()) })
	began := time.Now()
	pullGadget(t)
	for name, end := range map[string]<-chan error{"Read": reading, "Write": writing, "WaitLines": lines.err} {
		wantErr(t, name, result(t, name, end), port.ErrRemoved)
	}
	// The driver's queue is empty for a moment before the line is hung up, and
	// nothing informs Drain, nor tcdrain(3), that it was thrown away.
	if err := result(t, "Drain", draining); err != nil {
		wantErr(t, "Drain", err, port.ErrRemoved)
	}
	t.Logf("all four ended within %v", time.Since(began))
	allRemoved(t, s)
	d.close()
	must(t, s.Close())
	awaitPulled(t)
}
