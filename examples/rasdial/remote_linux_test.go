package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/script/scripttest"
)

// remote is a host on a terminal that ser2net shares.
type remote struct {
	name    string // of the port, for -port
	host    *scripttest.Login
	ser2net *exec.Cmd
	device  string
}

func startRemote(t *testing.T, cfg *scripttest.LoginConfig) *remote {
	t.Helper()
	program := peertest.Program(t, "ser2net")
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	device, err := os.OpenFile(pair.Name, os.O_RDWR|syscall.O_NOCTTY, 0) // so that it never hangs up
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().(*net.TCPAddr)
		l.Close()
		config := file(t, "ser2net.yaml", fmt.Sprintf("%%YAML 1.1\n---\nconnection: &shared\n  accepter: telnet(rfc2217),tcp,127.0.0.1,%d\n  connector: serialdev,%s,115200n81,local\n", addr.Port, pair.Name))
		cmd := exec.Command(program, "-n", "-d", "-c", config, "-P", config+".pid")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		if answers(addr.String()) {
			host := scripttest.NewLogin(pair.Port, cfg)
			t.Cleanup(func() { host.Close() })
			return &remote{"rfc2217://" + addr.String(), host, cmd, pair.Name}
		}
	}
	t.Fatal("ser2net does not come up")
	return nil
}

// answers reports whether a server greets within a few seconds.
func answers(addr string) bool {
	limit := time.Now().Add(5 * time.Second)
	for time.Now().Before(limit) {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			continue
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, err = io.ReadFull(c, make([]byte, 3))
		c.Close()
		if err == nil {
			return true
		}
	}
	return false
}

// rasdial runs the program, again while ser2net is still busy with the
// connection that looked for it.
func (r *remote) rasdial(t *testing.T, args ...string) (res result) {
	t.Helper()
	for range 50 {
		if res = rasdial(t, t.Context(), args...); res.status != exitNotOpen {
			break
		}
	}
	return res
}

func TestLoginOverSer2net(t *testing.T) {
	t.Parallel()
	// The first connection, which only looks whether ser2net is there, must not
	// hear the banner, so the host waits to be woken.
	r := startRemote(t, &scripttest.LoginConfig{User: "joe", Password: password, Wake: "\r"})
	args := []string{"-port", r.name, "-mode", "57600,8N1", "-script", file(t, "login.scp", wakingSCP()),
		"-user", "joe", "-password-file", file(t, "pw", password), "-timeout", "60s", "-v"}
	record := filepath.Join(t.TempDir(), "ser2net.pcapng")
	if os.Getenv("RASLINE_RECORD") != "" { // for TestRecordedSer2net
		record = recordedSer2net
		os.Remove(record)
	}
	// ser2net restores the settings when the client has disconnected, so they are looked
	// at meanwhile.
	stty := peertest.Program(t, "stty")
	speeds := make(map[string]bool)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			out, err := exec.Command(stty, "-F", r.device, "speed").CombinedOutput()
			speeds[fmt.Sprint(strings.TrimSpace(string(out)), err)] = true
			select {
			case <-tick.C:
			case <-stop:
				tick.Stop()
				return
			}
		}
	}()
	// A run that does not get the port leaves a recording without a port.
	for range 50 {
		if res := rasdial(t, t.Context(), append(args, "-record", record)...); res.status != exitNotOpen {
			res.expect(t, exitOK, "joe logged in")
			break
		}
		os.Remove(record)
	}
	if _, data := notes(t, record); !strings.Contains(strings.Join(data, ""), "Welcome") {
		t.Errorf("the recording has %q", data)
	}
	close(stop)
	<-stopped
	if !speeds["57600<nil>"] {
		t.Errorf("stty on ser2net's device says %v; want 57600", speeds)
	}
}

// TestSer2netGoesAway ends ser2net in the middle of a wait.
func TestSer2netGoesAway(t *testing.T) {
	t.Parallel()
	r := startRemote(t, &scripttest.LoginConfig{Silent: scripttest.StageConnect})
	time.AfterFunc(2*time.Second, func() { r.ser2net.Process.Kill() })
	start := time.Now()
	args := []string{"-port", r.name + "?keepalive=6s", "-script", file(t, "wait.scp", "proc main\n  waitfor \"never\"\nendproc\n"), "-timeout", "60s"}
	r.rasdial(t, args...).expect(t, exitFailed, "^rasdial: error (629 ERROR_REMOTE_DISCONNECTION|829 ERROR_LINK_FAILURE): ")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("the script ended after %v", took)
	}
}

// child runs rasdial as a process of its own on the terminal at path, as pppd's
// connect option would.
func child(t *testing.T, line *os.File, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := peertest.Self(t.Context(), args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdin, cmd.Stdout = line, line
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, stderr
}

// terminal returns our end of a pseudo-terminal and the other end as a file that
// blocks, as programs inherit it.
func terminal(t *testing.T) (far port.Port, line *os.File) {
	t.Helper()
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pair.Close() })
	line, err = os.OpenFile(pair.Name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	return pair.Port, line
}

// TestNothingIsTakenPastTheMatch runs rasdial on a line that is handed on, and
// then reads what it has left.
func TestNothingIsTakenPastTheMatch(t *testing.T) {
	t.Parallel()
	pw := file(t, "pw", password)
	tests := []struct {
		name string
		args []string
	}{
		{"scp", []string{"-script", file(t, "l.scp", strings.Replace(scpLogin, `"~"`, `"Welcome.^M^J"`, 1))}},
		{"scp, recorded", []string{"-script", file(t, "r.scp", strings.Replace(scpLogin, `"~"`, `"Welcome.^M^J"`, 1)), "-record", filepath.Join(t.TempDir(), "r.pcapng")}},
		{"switchinf", []string{"-script", file(t, "s.inf", strings.Replace(infLogin, `"Welcome"`, `"Welcome.<cr><lf>"`, 1)), "-section", "Host"}},
		{"chat", []string{"-script", file(t, "l.chat", strings.Replace(chatLogin, "Welcome ''", `Welcome.\r\n`, 1))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			far, line := terminal(t)
			host := scripttest.NewLogin(far, &scripttest.LoginConfig{User: "joe", Password: password})
			defer host.Close()
			cmd, stderr := child(t, line, append(tt.args, "-port", "-", "-user", "joe", "-password-file", pw, "-timeout", "60s")...)
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			if got := leftOn(t, line); !bytes.HasSuffix(got, scripttest.PPPFrame()) {
				t.Errorf("the line holds %q after the script, want it to end with the whole frame %q", got, scripttest.PPPFrame())
			}
		})
	}
}

// leftOn reads what the peer has sent up to the end of its first frame.
func leftOn(t *testing.T, line *os.File) (got []byte) {
	t.Helper()
	p, err := port.Stdio(line, line, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 100)
	for !bytes.HasSuffix(got, scripttest.PPPFrame()) {
		n, err := p.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			break
		}
	}
	return got
}

// TestInterrupt sends the signal of Ctrl-C in the middle of a wait.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			far, line := terminal(t)
			cmd, stderr := child(t, line, "-port", "-")
			nudge := make([]byte, 1)
			far.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := far.Read(nudge); err != nil { // by now it waits
				t.Fatal(err)
			}
			cmd.Process.Signal(sig)
			start := time.Now()
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed {
				t.Errorf("exit status %d, want %d", code, exitFailed)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("ended %v after the signal", took)
			}
			if !strings.Contains(stderr.String(), "rasdial: error 631 ERROR_USER_DISCONNECTION: ") {
				t.Errorf("standard error: %q", stderr)
			}
			if nonblocking(t, line) {
				t.Error("the line was left non-blocking")
			}
		})
	}
}

func nonblocking(t *testing.T, f *os.File) (yes bool) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
		if errno != 0 {
			t.Error(errno)
		}
		yes = flags&syscall.O_NONBLOCK != 0
	})
	return yes
}
