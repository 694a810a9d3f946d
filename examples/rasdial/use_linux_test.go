package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/scripttest"
)

// interactAtATerminal logs in and lets the user talk to the peer until Ctrl-],
// which hangs up and restores the terminal.
func interactAtATerminal(t *testing.T) {
	pair, m := modemPort(t, &scripttest.LoginConfig{User: "joe", Password: password, Frame: []byte("~\xff}#\r\nprompt> ")})
	pw := file(t, "pw", password)
	s := newScreenOf(t)
	s.run("rasdial -port " + pair + " -dial 5550100 -user joe -password-file " + pw + " -interact")
	s.await("prompt>")
	s.keys("hello")
	s.press("C-]")
	s.await("RASCS_Disconnected")
	s.awaitPrompt()
	if m.Connected() {
		t.Error("the call is up")
	}
	s.keys("stty -a | grep -o ' icanon'")
	s.press("Enter")
	s.await("\n icanon")
	if s.shows(password) {
		t.Errorf("the password shows:\n%s", s.text())
	}
}

// TestPersist dials again after the command of -exec has ended, until it is
// stopped.
func TestPersist(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		out := file(t, "out", "")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for strings.Count(read(t, out), "x") < 2 && ctx.Err() == nil {
				<-time.After(50 * time.Millisecond)
			}
			cancel()
		}()
		r := rasdial(t, ctx, "-persist", "-shell", "-exec", "printf x >>"+out)
		r.expect(t, exitFailed, "error 631 ERROR_USER_DISCONNECTION")
		up, down := strings.Count(r.stderr, "RASCS_Connected "), strings.Count(r.stderr, "RASCS_Disconnected ")
		if up < 2 || down != up {
			t.Errorf("%d connections, of which %d were hung up", up, down)
		}
	})
}

// TestKilled kills the program at every moment of a call. The last close of the
// line drops DTR, so no call is left, and the next program gets the line.
func TestKilled(t *testing.T) {
	t.Parallel()
	peertest.Emulated(t, "starts many processes, whose times an emulator stretches")
	if testing.Short() {
		t.Skip("starts many processes and dials in real time")
	}
	var all sync.WaitGroup
	for stop := 200 * time.Millisecond; stop <= 3*time.Second; stop += 400 * time.Millisecond {
		all.Go(func() {
			pair, err := pty.Open(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			m := scripttest.NewModem(pair.Port, &scripttest.ModemConfig{Dial: func(context.Context, string) scripttest.Answer {
				in, out := virtual.Pair()
				scripttest.NewLogin(out, &scripttest.LoginConfig{Silent: scripttest.StagePassword})
				return scripttest.Answer{Far: in, After: time.Second}
			}})
			defer m.Close()
			cmd := peertest.Self(t.Context(), "-port", pair.Name, "-dial", "2", "-user", "joe", "-no-password")
			cmd.Env = append(cmd.Environ(), asProgram+"=1")
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			<-time.After(stop)
			cmd.Process.Kill()
			cmd.Wait()
			awaitEnd(t, m)
			if r := rasdial(t, t.Context(), "-port", pair.Name, "-timeout", "2s"); r.status == exitNotOpen {
				t.Errorf("killed after %v: the line is not free: %s", stop, r.last())
			}
		})
	}
	all.Wait()
}

// TestInterruptedCommand ends the command of -exec by a Ctrl-C that reaches it before
// this program: the user has stopped the run.
func TestInterruptedCommand(t *testing.T) {
	onFakeTime(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(4600*time.Millisecond, cancel)
		r := rasdial(t, ctx, "-exec", "sh -c 'kill -INT $$'") // at 4.1 s; the hang-up ends at 5.1 s
		r.expect(t, exitFailed, "error 631 ERROR_USER_DISCONNECTION.*sh: signal: interrupt")
	})
}
