package modem

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// startIaxmodem runs iaxmodem, a modem in software by other people, and
// returns a port on its terminal. It looks for its configuration under
// /etc/iaxmodem, wherefore the path to a temporary one leads out of there. It
// is configured with no exchange that it could reach.
func startIaxmodem(t *testing.T) *port.Serial {
	t.Helper()
	program := peertest.Program(t, "iaxmodem")
	dir := t.TempDir()
	config, device := filepath.Join(dir, "config"), filepath.Join(dir, "tty")
	text := "device " + device + "\nowner " + owner(t) + "\nmode 600\nport 0\nrefresh 0\nserver 127.0.0.1\npeername none\nsecret none\ncodec slinear\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel("/etc/iaxmodem", config)
	if err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(program, name))
	return openWhenThere(t, device)
}

// owner names the user and the group of this process.
func owner(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return u.Username + ":" + g.Name
}

// start runs a program until the end of the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, out.String())
		}
	})
}

// openWhenThere opens a device as soon as the program that makes it has.
func openWhenThere(t *testing.T, device string) *port.Serial {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		p, err := port.Open(t.Context(), device, nil)
		if err == nil {
			t.Cleanup(func() { p.Close() })
			return p
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestIaxmodem(t *testing.T) {
	peertest.Heavy(t, "iaxmodem takes its time to start and to dial, some 12 s")
	t.Parallel()
	p := startIaxmodem(t)
	cfg := &Config{DialTimeout: 2 * time.Second}
	_, err := script.Run(t.Context(), p, withModem(cfg, func(ctx context.Context, m *Modem) error {
		if err := m.Init(ctx, "ATZ", "ATE1V1Q0X4", "AT&C1&D2"); err != nil {
			return err
		}
		for _, notation := range []string{"ATE1V1", "ATE0V1", "ATE1V0", "ATE0V0"} {
			if err := m.Init(ctx, notation); err != nil {
				return err
			}
			checkAnswer(ctx, t, m, "ATI3", "soft-switch.org")
			checkAnswer(ctx, t, m, "AT+FCLASS=?", "0,1,1.0")
			checkAnswer(ctx, t, m, "ATS3?", "013")
			if _, err := m.Command(ctx, "AT+FCLASS=9"); !errors.Is(err, ras.ErrFromDevice) {
				t.Errorf("%s: AT+FCLASS=9: %v, want the modem's refusal", notation, err)
			}
		}
		if err := m.Init(ctx, "ATE1V1"); err != nil {
			return err
		}
		id, err := m.Identify(ctx)
		if err != nil || !slices.ContainsFunc(id.Info, func(l string) bool { return strings.Contains(l, "soft-switch") }) {
			t.Errorf("identity %+v, %v; want the maker's site", id, err)
		}
		start := time.Now()
		r, err := m.Dial(ctx, "555-1234")
		t.Logf("dialled: %+v, %v, after %v", r, err, time.Since(start))
		if err == nil || OutcomeOf(err) == Connect {
			t.Errorf("dialled nobody: %+v, %v; want a failure", r, err)
		}
		rep, err := m.HangUp(ctx)
		if err != nil || rep.Method != ATH {
			t.Errorf("hang-up: %+v, %v; want ATH, for want of modem lines", rep, err)
		}
		checkAnswer(ctx, t, m, "ATI3", "soft-switch.org")
		return nil
	}), nil)
	if err != nil {
		t.Error(err)
	}
}

// checkAnswer sends a command and looks for a text in the answer.
func checkAnswer(ctx context.Context, t *testing.T, m *Modem, command, want string) {
	t.Helper()
	r, err := m.Command(ctx, command)
	if err != nil || len(r.Lines) != 1 || !strings.Contains(r.Lines[0], want) {
		t.Errorf("%s: %q, %v; want one line with %q", command, r.Lines, err, want)
	}
}

func TestIaxmodemDialer(t *testing.T) {
	t.Parallel()
	p := startIaxmodem(t)
	d := &Dialer{Config: &Config{DialTimeout: time.Second}, Numbers: []string{"5551234", "5555678"}, Redial: Redial{Pause: -1, Stop: []Outcome{}}}
	_, err := script.Run(t.Context(), p, d, nil)
	t.Logf("it said: %v", err)
	var de *DialError
	if !errors.As(err, &de) || len(de.Attempts) != 2 {
		t.Errorf("error %v, want two failed attempts", err)
	}
}
