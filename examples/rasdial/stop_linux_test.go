package main

import (
	"bufio"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// Ctrl-C ends the call of a real process on a real terminal, while it is dialled
// and while it talks, on modems that have no lines and understand +++ alone.
func TestInterruptedOnATerminal(t *testing.T) {
	t.Parallel()
	peertest.Emulated(t, "starts many processes, whose times an emulator stretches")
	if testing.Short() {
		t.Skip("starts many processes and dials in real time")
	}
	var all sync.WaitGroup
	for _, name := range []string{"hayes", "tcpser"} {
		interrupted := func(stop time.Duration) {
			for try := 1; interrupt(t, name, stop, try == escapeTries); try++ {
			}
		}
		for stop := 500 * time.Millisecond; stop < 3*time.Second; stop += 250 * time.Millisecond {
			all.Go(func() { interrupted(stop) })
		}
		all.Go(func() { interrupted(untilConnected) })
	}
	all.Wait()
}

// TestStandardErrorEndsFirst has Ctrl-C end what reads standard error before the call
// is hung up, as it does in rasdial … 2>&1 | tee log.
func TestStandardErrorEndsFirst(t *testing.T) {
	t.Parallel()
	peertest.Emulated(t, "starts a process")
	for try := 1; endStandardError(t, try == escapeTries); try++ {
	}
}

// endStandardError reports whether the modem has missed the escape, unless that is
// the last try.
func endStandardError(t *testing.T, last bool) (again bool) {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, _ := scripttest.PersonalityOf("hayes")
	m := scripttest.NewModem(pair.Port, &scripttest.ModemConfig{
		Personality: p, Profile: "&D0", // the last close of the terminal is no help
		Dial: func(context.Context, string) scripttest.Answer {
			in, out := virtual.Pair()
			scripttest.NewLogin(out, &scripttest.LoginConfig{Silent: scripttest.StageConnect})
			return scripttest.Answer{Far: in}
		},
	})
	defer m.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := peertest.Self(t.Context(), "-port", pair.Name, "-dial", "2", "-user", "joe", "-no-password")
	cmd.Env = append(cmd.Environ(), asProgram+"=1")
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for states := bufio.NewScanner(r); states.Scan() && !strings.Contains(states.Text(), "logging in"); {
	}
	r.Close()
	cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	again = cmd.ProcessState.ExitCode() == exitFailed && m.Connected() && !last
	if !again && (cmd.ProcessState.ExitCode() != exitFailed || m.Connected()) {
		t.Errorf("%v, connected %v\n%s", err, m.Connected(), m.Transcript())
	}
	return again
}

// untilConnected has interrupt wait for the call instead.
const untilConnected = -1

// escapeTries is how often a call is made. A modem without lines is hung up by +++
// between pauses of a second, which it misses where the machine stretches them. The
// program reports that; one that did not send it would fail each time.
const escapeTries = 5

// interrupt reports whether the modem has missed the escape, unless that is the last
// try.
func interrupt(t *testing.T, name string, stop time.Duration, last bool) (again bool) {
	pair, err := pty.Open(t.Context())
	if err != nil {
		t.Error(err)
		return false
	}
	p, _ := scripttest.PersonalityOf(name)
	m := scripttest.NewModem(pair.Port, &scripttest.ModemConfig{
		Personality: p, Profile: "&D0", // the last close of the terminal is no help
		Dial: func(context.Context, string) scripttest.Answer {
			in, out := virtual.Pair()
			scripttest.NewLogin(out, &scripttest.LoginConfig{Silent: scripttest.StageConnect})
			return scripttest.Answer{Far: in, After: time.Second}
		},
	})
	defer m.Close()
	cmd := peertest.Self(t.Context(), "-port", pair.Name, "-dial", "2", "-user", "joe", "-no-password", "-init", "ATE1")
	cmd.Env = append(cmd.Environ(), asProgram+"=1")
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	if stop == untilConnected {
		for end := time.Now().Add(time.Minute); !m.Connected() && time.Now().Before(end); {
			<-time.After(10 * time.Millisecond)
		}
	} else {
		<-time.After(stop)
	}
	dialled := strings.Contains(string(m.Transcript().Received()), "ATDT2\r")
	talks := m.Connected()
	cmd.Process.Signal(os.Interrupt)
	err = cmd.Wait()
	if m.Connected() && strings.Contains(out.String(), "cannot hang up") && !last {
		return true
	}
	if m.Connected() || dialled && !strings.Contains(out.String(), "RASCS_Disconnected") {
		t.Errorf("%s, stopped after %v (dialled %v, connected %v): connected %v, %v\n%s\n%s", name, stop, dialled, talks, m.Connected(), err, out.String(), m.Transcript())
	}
	if stop == untilConnected && (!dialled || !talks) {
		t.Errorf("%s: dialled %v, connected %v after %v\n%s", name, dialled, talks, stop, m.Transcript())
	}
	return false
}
