package port_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/internal/winetest"
	"github.com/rasline/rasline/port"
)

// holdEnv makes the test program open a port, say how that went, and hold the
// port until its standard input ends.
const holdEnv = "RASLINE_TEST_HOLD"

func TestMain(m *testing.M) {
	if name := os.Getenv(holdEnv); name != "" {
		_, err := port.Open(context.Background(), name, &port.Config{LockDir: os.Getenv(holdEnv + "_LOCKS")})
		fmt.Println(err)
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	peertest.Parallel(16)
	winetest.Main(m)
}

// hold opens name in another process and returns what Open said there, and how
// to end that process.
func hold(t *testing.T, name, locks string) (pid int, said string, kill func()) {
	t.Helper()
	cmd := peertest.Self(t.Context())
	cmd.Env = append(os.Environ(), holdEnv+"="+name, holdEnv+"_LOCKS="+locks)
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	kill = func() { cmd.Process.Kill(); in.Close(); cmd.Wait() }
	t.Cleanup(kill)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, strings.TrimSpace(said), kill
}

func TestBusyNamesTheOtherProcess(t *testing.T) {
	p := newPTY(t)
	pid, said, kill := hold(t, p.Name, "")
	if said != "<nil>" {
		t.Fatal(said)
	}
	_, err := port.Open(t.Context(), p.Name, nil)
	wantOp(t, err, "open", port.ErrBusy)
	if !strings.Contains(err.Error(), "process "+strconv.Itoa(pid)) {
		t.Errorf("error %q does not name process %d", err, pid)
	}
	kill()
	openSerial(t, p.Name, nil)
	if _, said, _ := hold(t, p.Name, ""); !strings.Contains(said, "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the other process was told %q, want the number of this one", said)
	}
}

func TestBusyInOneProcess(t *testing.T) {
	p := newPTY(t)
	s := openSerial(t, p.Name, &port.Config{Mode: port.Mode{Baud: 300}})
	_, err := port.Open(t.Context(), p.Name, &port.Config{Mode: port.Mode{Baud: 9600}})
	wantOp(t, err, "open", port.ErrBusy)
	if m, err := s.Mode(); err != nil || m.Baud != 300 {
		t.Errorf("the failed Open changed the mode to %v, %v", m, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openSerial(t, p.Name, nil)
}

func TestExclusiveMode(t *testing.T) {
	peertest.Emulated(t, "it knows no exclusive mode")
	p := newPTY(t)
	other := openTerminal(t, p.Name)
	exclusive := func() (n uint32) {
		onFD(t, other, func(fd int) (err error) { n, err = unix.IoctlGetUint32(fd, unix.TIOCGEXCL); return err })
		return n
	}
	set := func(req uint) {
		onFD(t, other, func(fd int) error { return unix.IoctlSetInt(fd, req, 0) })
	}
	set(unix.TIOCEXCL)
	_, err := port.Open(t.Context(), p.Name, nil)
	wantOp(t, err, "open", port.ErrBusy)
	if exclusive() == 0 {
		t.Error("the failed Open took the other's exclusive mode away")
	}
	set(unix.TIOCNXCL)
	release, err := port.Claim(p.Name)
	if err != nil {
		t.Fatal(err)
	}
	if exclusive() == 0 {
		t.Error("a claimed device is not in exclusive mode")
	}
	release()
	if exclusive() != 0 {
		t.Error("Close left exclusive mode on although others have the device open")
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can play another user")
	}
	p := newPTY(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	_, err := port.Open(t.Context(), p.Name, nil)
	unix.Setfsuid(0)
	wantOp(t, err, "open", fs.ErrPermission)
	if !strings.Contains(err.Error(), "ask its owner") && !strings.Contains(err.Error(), "join the group") {
		t.Errorf("error %q does not say what to do", err)
	}
}

func TestLockFileOfAPort(t *testing.T) {
	p, dir := newPTY(t), t.TempDir()
	cfg := &port.Config{LockDir: dir}
	file := filepath.Join(dir, "LCK..pts_"+filepath.Base(p.Name))
	exists := func() bool { _, err := os.Stat(file); return err == nil }

	s := openSerial(t, p.Name, cfg)
	if !exists() {
		t.Fatalf("no lock file %s", file)
	}
	s.Close()
	if exists() {
		t.Error("Close left the lock file")
	}

	bad := *cfg
	bad.Mode.DataBits = 7 // which a pseudo-terminal refuses
	if _, err := port.Open(t.Context(), p.Name, &bad); err == nil {
		t.Error("a pseudo-terminal took 7 data bits")
	}
	if exists() {
		t.Error("an Open that failed left the lock file")
	}

	pid, said, kill := hold(t, p.Name, dir)
	if said != "<nil>" {
		t.Fatal(said)
	}
	_, err := port.Open(t.Context(), p.Name, cfg)
	wantOp(t, err, "open", port.ErrBusy)
	if !strings.Contains(err.Error(), strconv.Itoa(pid)) || !strings.Contains(err.Error(), file) {
		t.Errorf("error %q does not name %d and %s", err, pid, file)
	}
	kill()
	if !exists() {
		t.Fatal("the killed process removed its lock file?")
	}
	openSerial(t, p.Name, cfg) // the file is stale now
}
