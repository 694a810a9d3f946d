package dialup_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// endsChild is set in the program that TestNothingIsLeft ends: the state in which
// it waits for that, how it ends, the port and the directory of its lock file.
const endsChild = "RASLINE_TEST_ENDS"

// TestNothingIsLeft ends a dial over a pseudo-terminal in every state and in every
// way. Afterwards no call is up, no goroutine runs, and no lock file is left; or, of
// a program that was killed or has crashed, a stale one, which the next program
// replaces.
func TestNothingIsLeft(t *testing.T) {
	if as := os.Getenv(endsChild); as != "" {
		endAsTold(t, strings.Split(as, " "))
		return
	}
	if testing.Short() {
		t.Skip("dials more than a hundred times in real time")
	}
	before := runtime.NumGoroutine()
	var all sync.WaitGroup // they wait for modems most of the time
	for _, step := range dialSteps {
		for way, end := range map[string]func(l *lockedLine, cancel context.CancelFunc){
			"cancel":  func(_ *lockedLine, cancel context.CancelFunc) { cancel() },
			"panic":   func(*lockedLine, context.CancelFunc) { panic("broken") },
			"carrier": func(l *lockedLine, _ context.CancelFunc) { l.modem.Drop() },
		} {
			all.Go(func() {
				t.Run(step.name+" "+way, func(t *testing.T) { newLockedLine(t).end(t, step, end) })
			})
		}
		for _, way := range []string{"kill", "crash"} {
			all.Go(func() {
				t.Run(step.name+" "+way, func(t *testing.T) { newLockedLine(t).endProgram(t, step, way) })
			})
		}
	}
	all.Wait()
	wantGoroutines(t, before)
}

// wantGoroutines waits until no more than n goroutines are left. Those that end by
// themselves, such as functions of a context that has ended, may need a while to
// get a processor.
func wantGoroutines(t *testing.T, n int) {
	t.Helper()
	for deadline := time.After(10 * time.Second); runtime.NumGoroutine() > n; {
		select {
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after\n%s", n, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		case <-time.After(time.Millisecond):
		}
	}
}

// lockedLine is a modem at a pseudo-terminal, with a directory for the lock file of
// the program that opens it.
type lockedLine struct {
	modem *scripttest.Modem
	name  string
	locks string
}

func newLockedLine(t *testing.T) *lockedLine {
	t.Helper()
	pair, err := pty.Open(t.Context())
	must(t, err)
	l := &lockedLine{name: pair.Name, locks: t.TempDir()}
	// S12 is a little less than the Guard of the entry: 180 ms.
	l.modem = scripttest.NewModem(pair.Port, &scripttest.ModemConfig{Profile: "S12=9", Dial: func(ctx context.Context, _ string) scripttest.Answer {
		near, far := virtual.Pair()
		host := scripttest.NewLogin(far, nil)
		context.AfterFunc(ctx, func() { host.Close() })
		return scripttest.Answer{Far: near, After: 100 * time.Millisecond}
	}})
	t.Cleanup(func() { l.modem.Close() })
	return l
}

// entry is an entry that makes a lock file.
func (l *lockedLine) entry() *dialup.Entry {
	e := entry()
	e.Port = l.name
	e.PortConfig = &portname.Config{Port: &port.Config{LockDir: l.locks}}
	e.Dialer = &modem.Dialer{Config: &modem.Config{Guard: 200 * time.Millisecond, Settle: -1}}
	e.Script = script.Login(&script.LoginConfig{Settle: 50 * time.Millisecond})
	return e
}

// lock returns the process that the lock file names, or 0 if there is no file.
func (l *lockedLine) lock(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(l.locks)
	must(t, err)
	if len(list) > 1 {
		t.Errorf("the lock directory has %v", list)
	}
	text, err := os.ReadFile(filepath.Join(l.locks, "LCK.."+strings.ReplaceAll(strings.TrimPrefix(l.name, "/dev/"), "/", "_")))
	if errors.Is(err, fs.ErrNotExist) && len(list) == 0 {
		return 0
	}
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	return pid
}

// wantNoCall waits until the modem has seen the end of the terminal.
func (l *lockedLine) wantNoCall(t *testing.T) {
	t.Helper()
	for deadline := time.After(30 * time.Second); l.modem.Connected(); {
		select {
		case <-deadline:
			t.Fatal("the call is up")
		case <-time.After(time.Millisecond):
		}
	}
}

// end ends a dial of this program.
func (l *lockedLine) end(t *testing.T, step dialStep, end func(*lockedLine, context.CancelFunc)) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	onState, reached := step.once(func() {
		if pid := l.lock(t); (pid == os.Getpid()) != (step.state != ras.StateOpenPort) {
			t.Errorf("the lock file names %d in this state", pid)
		}
		end(l, cancel)
	})
	conn, err := dialOrPanic(ctx, l.entry(), &dialup.Config{OnState: onState})
	if !reached() {
		t.Fatalf("the state was not reached: %v", err)
	}
	if err == nil {
		must(t, conn.Close())
	}
	l.wantNoCall(t)
	if pid := l.lock(t); pid != 0 {
		t.Errorf("a lock file is left, of %d", pid)
	}
}

// endProgram ends a program that dials, and opens the line again after it: with
// another program, which is this one, and with the same.
func (l *lockedLine) endProgram(t *testing.T, step dialStep, way string) {
	wantStale := func() {
		t.Helper()
		dead := l.dialElsewhere(t, step, way)
		l.wantNoCall(t)
		if step.state == ras.StateOpenPort {
			dead = 0 // it has made none yet
		}
		if pid := l.lock(t); pid != dead {
			t.Fatalf("the lock file names %d, want %d", pid, dead)
		}
	}
	wantStale()
	p, err := port.Open(t.Context(), l.name, l.entry().PortConfig.Port)
	must(t, err)
	if pid := l.lock(t); pid != os.Getpid() {
		t.Errorf("the lock file names %d after the next open, by %d", pid, os.Getpid())
	}
	must(t, p.Close())
	if pid := l.lock(t); pid != 0 {
		t.Errorf("the next program has left a lock file, of %d", pid)
	}
	wantStale()
	l.dialElsewhere(t, dialStep{}, "ends")
	l.wantNoCall(t)
	if pid := l.lock(t); pid != 0 {
		t.Errorf("the same program has left a lock file, of %d", pid)
	}
}

// dialElsewhere runs a program that dials, to the end if way is "ends", and returns
// its process number.
func (l *lockedLine) dialElsewhere(t *testing.T, step dialStep, way string) int {
	t.Helper()
	cmd := peertest.Self(t.Context(), "-test.run=^TestNothingIsLeft$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s %s %s", endsChild, step.state, step.nth, way, l.name, l.locks))
	out, err := cmd.StdoutPipe()
	must(t, err)
	var text strings.Builder
	cmd.Stderr = &text
	must(t, cmd.Start())
	reached := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() != "reached" {
			fmt.Fprintln(&text, lines.Text())
			continue
		}
		reached = true
		if way == "kill" {
			cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	if !reached || (err == nil) != (way == "ends") {
		t.Fatalf("the program ended with %v, its state reached: %v\n%s", err, reached, text.String())
	}
	return cmd.Process.Pid
}

// endAsTold is the program that dialElsewhere runs.
func endAsTold(t *testing.T, as []string) {
	state, err := strconv.Atoi(as[0])
	must(t, err)
	nth, err := strconv.Atoi(as[1])
	must(t, err)
	way := as[2]
	l := &lockedLine{name: as[3], locks: as[4]}
	onState, _ := dialStep{"", ras.ConnState(state), nth}.once(func() {
		fmt.Println("reached")
		if way == "crash" {
			go panic("crash")
		}
		<-time.After(time.Minute) // until the program is ended
	})
	if way == "ends" {
		onState = nil
	}
	c, err := dialup.Dial(t.Context(), l.entry(), &dialup.Config{OnState: onState})
	must(t, err)
	must(t, c.Close())
	fmt.Println("reached")
}
