package scp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// seat is a run with a user at a terminal: what the script sends is read from
// far, what the user sees from user.
type seat struct {
	far, user *virtual.Port
	done      chan struct{}
	err       error // after done
}

// sit starts commands. The terminal has deadlines unless plain is set.
func sit(t *testing.T, ctx context.Context, plain bool, commands string) *seat {
	t.Helper()
	prog, err := Parse("t.scp", []byte(body(commands)))
	if err != nil {
		t.Fatal(err)
	}
	near, far := virtual.Pair()
	screen, user := virtual.Pair()
	var terminal io.ReadWriter = screen
	if plain {
		terminal = struct{ io.ReadWriter }{screen}
	}
	s := &seat{far: far, user: user, done: make(chan struct{})}
	t.Cleanup(func() {
		for _, p := range []port.Port{near, far, screen, user} {
			p.Close()
		}
	})
	go func() {
		defer close(s.done)
		_, s.err = script.Run(ctx, near, prog, &script.Config{
			Terminal: terminal,
			Params:   &ras.DialParams{Password: "secret"},
		})
	}()
	return s
}

// got returns what has arrived at a port by the time everybody waits.
func got(t *testing.T, p *virtual.Port) string {
	t.Helper()
	synctest.Wait()
	p.SetReadDeadline(time.Now().Add(time.Nanosecond))
	b, _ := io.ReadAll(p)
	return string(b)
}

func expectGot(t *testing.T, p *virtual.Port, want string) {
	t.Helper()
	if b := got(t, p); b != want {
		t.Errorf("%v got %q, want %q", p, b, want)
	}
}

// ended waits for the end and checks the error.
func (s *seat) ended(t *testing.T, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case <-s.done:
	default:
		t.Fatalf("the script still runs, want it ended with %v", want)
	}
	if !errors.Is(s.err, want) {
		t.Errorf("the script ended with %v, want %v", s.err, want)
	}
}

func TestTerminalShowsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "waitfor \"ogin:\" until 50\ntransmit $PASSWORD\nwaitfor \"$\" until 50\ndelay 1")
		io.WriteString(s.far, "Welcome\r\nlo")
		expectGot(t, s.user, "Welcome\r\nlo")
		io.WriteString(s.far, "gin: ")
		expectGot(t, s.user, "gin: ")
		for _, b := range []byte("secret\r\n$ more") {
			s.far.Write([]byte{b})
			synctest.Wait()
		}
		expectGot(t, s.user, "***\r\n$")
		<-s.done
		s.ended(t, nil)
		expectGot(t, s.user, "")
	})
}

func TestTerminalShowsBytesAfterAnAddressOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "getip\nwaitfor \"x\" until 50")
		io.WriteString(s.far, "ip 1.2.3.4. ok x")
		<-s.done
		s.ended(t, nil)
		expectGot(t, s.user, "ip 1.2.3.4. ok x")
	})
}

func TestHaltWaitsForTheUser(t *testing.T) {
	for _, plain := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := sit(t, t.Context(), plain, "set screen keyboard off\nhalt")
			expectGot(t, s.user, "\r\nt.scp:3: the script has stopped. Press Enter to continue.\r\n")
			io.WriteString(s.user, "yes")
			synctest.Wait()
			select {
			case <-s.done:
				t.Fatal("the script went on before Enter")
			default:
			}
			io.WriteString(s.user, "\n")
			s.user.Close()
			s.ended(t, nil)
			expectGot(t, s.far, "")
		})
	}
}

func TestHaltLeavesTheLineAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		screen, user := virtual.Pair()
		prog, err := Parse("t.scp", []byte(body("halt")))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(far, "frame")
		time.AfterFunc(time.Second, func() { io.WriteString(user, "\r") })
		if _, err := script.Run(t.Context(), near, prog, &script.Config{Terminal: screen}); err != nil {
			t.Fatal(err)
		}
		expectGot(t, near, "frame")
		for _, p := range []port.Port{near, far, screen, user} {
			p.Close()
		}
	})
}

func TestHaltWithTheKeyboardOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "set screen keyboard on\nhalt")
		expectGot(t, s.user, "\r\nt.scp:3: the script has stopped. Keys go to the line; Ctrl-] continues.\r\n")
		io.WriteString(s.far, "login: ")
		expectGot(t, s.user, "login: ")
		io.WriteString(s.user, "guest\r\n")
		expectGot(t, s.far, "guest\r")
		for _, key := range []byte("x1") {
			s.user.Write([]byte{key})
			expectGot(t, s.far, string(key))
		}
		io.WriteString(s.user, "q\x1d dropped")
		s.ended(t, nil)
		expectGot(t, s.far, "q")
	})
}

// With the keyboard on, the user sees each prompt as it arrives, whatever the
// script does meanwhile, and what a delay has shown is still there for the next
// wait.
func TestPromptsAreShownImmediately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "set screen keyboard on\ndelay 5\nwaitfor \"PPP\" until 50\ndelay 1\ngetip\nwaitfor \"x\" until 5")
		for _, prompt := range []string{"Welcome\r\nlogin: ", "1) PPP 2) quit", " 10.0.0.7 z"} {
			io.WriteString(s.far, prompt)
			<-time.After(showAfter)
			expectGot(t, s.user, prompt)
		}
		s.user.Write([]byte("1"))
		expectGot(t, s.far, "1")
		<-time.After(7 * time.Second)
		expectGot(t, s.user, "")
		io.WriteString(s.far, " x")
		expectGot(t, s.user, " x")
		s.ended(t, nil)
	})
}

// A prompt that ends like the beginning of the password waits for a tenth of a
// second, not for more text.
func TestPromptLikeTheBeginningOfASecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "set screen keyboard on\nwaitfor \"x\" until 50")
		io.WriteString(s.far, "Enter s")
		expectGot(t, s.user, "Enter ")
		<-time.After(showAfter)
		expectGot(t, s.user, "s")
		io.WriteString(s.far, "x")
		s.ended(t, nil)
	})
}

// A line that is lost while a delay listens is the next command's failure.
func TestTheLineIsLostInADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "set screen keyboard on\ndelay 5\nwaitfor \"x\"")
		io.WriteString(s.far, "y")
		synctest.Wait()
		s.far.Close()
		<-s.done
		s.ended(t, port.ErrCarrierLost)
		if !strings.HasPrefix(s.err.Error(), "t.scp:4: waitfor") {
			t.Errorf("error %v, want it in line 4", s.err)
		}
	})
}

func TestHaltWhenTheTerminalEnds(t *testing.T) {
	for _, commands := range []string{"halt", "set screen keyboard on\nhalt"} {
		synctest.Test(t, func(t *testing.T) {
			s := sit(t, t.Context(), false, commands)
			synctest.Wait()
			s.user.Close()
			s.ended(t, ErrHalted)
			if !errors.Is(s.err, ras.ErrInteractiveMode) || ending(s.err) != "halted" {
				t.Errorf("error %v, want one that matches %v", s.err, ras.ErrInteractiveMode)
			}
		})
	}
}

func TestHaltEndsWithTheContextAndTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		quiet, talking := sit(t, ctx, false, "halt"), sit(t, ctx, false, "set screen keyboard on\nhalt")
		synctest.Wait()
		cancel()
		quiet.ended(t, context.Canceled)
		talking.ended(t, context.Canceled)
	})
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "set screen keyboard on\nhalt")
		synctest.Wait()
		s.far.Close()
		s.ended(t, port.ErrCarrierLost)
	})
}

func TestKeyboard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), false, "delay 1\nset screen keyboard on\ndelay 1\nset screen keyboard off\ndelay 1\nset screen keyboard on\nwaitfor \"x\"")
		io.WriteString(s.user, "early")
		expectGot(t, s.far, "")
		<-time.After(time.Second)
		expectGot(t, s.far, "early") // the terminal keeps what nobody has read
		io.WriteString(s.user, "a\nb\r\nc\rd")
		expectGot(t, s.far, "a\rb\rc\rd")
		<-time.After(time.Second)
		synctest.Wait()
		io.WriteString(s.user, "dropped")
		expectGot(t, s.far, "")
		<-time.After(time.Second)
		synctest.Wait()
		io.WriteString(s.user, strings.Repeat("z", 2000))
		expectGot(t, s.far, strings.Repeat("z", 2000))
		io.WriteString(s.far, "x")
		s.ended(t, nil)
	})
}

func TestTerminalIsFreedWhenTheScriptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		screen, user := virtual.Pair()
		prog, err := Parse("t.scp", []byte(body("set screen keyboard on\ndelay 1")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := script.Run(t.Context(), near, prog, &script.Config{Terminal: screen}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(user, "for the next")
		expectGot(t, screen, "for the next")
		for _, p := range []port.Port{near, far, screen, user} {
			p.Close()
		}
	})
}

func TestATerminalWithoutDeadlinesDropsWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sit(t, t.Context(), true, "set screen keyboard on\ndelay 1")
		<-s.done
		io.WriteString(s.user, "late")
		s.ended(t, nil)
		expectGot(t, s.far, "")
	})
}

// brokenScreen is a terminal whose screen fails and whose keyboard is silent.
type brokenScreen struct{ release chan struct{} }

func (b brokenScreen) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (b brokenScreen) Read([]byte) (int, error)  { <-b.release; return 0, io.EOF }

func TestABrokenScreenDoesNotEndTheScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer far.Close()
		defer near.Close()
		prog, err := Parse("t.scp", []byte(body("waitfor \"x\" until 5")))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(far, "abc\r\nx")
		if _, err := script.Run(t.Context(), near, prog, &script.Config{Terminal: brokenScreen{}}); err != nil {
			t.Errorf("error %v, want none", err)
		}
	})
}

func TestTheHostsTapSeesEveryByteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := virtual.Pair()
		defer far.Close()
		defer near.Close()
		prog, err := Parse("t.scp", []byte(body("getip\nwaitfor \"x\" until 5")))
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var seen bytes.Buffer
		e := prog.Executor(&Config{Dialog: &script.DialogConfig{Tap: func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			seen.Write(b)
		}}})
		io.WriteString(far, "ip 1.2.3.4.y x z")
		if _, err := script.Run(t.Context(), near, e, nil); err != nil {
			t.Fatal(err)
		}
		if want := "ip 1.2.3.4.y x"; seen.String() != want {
			t.Errorf("the tap saw %q, want %q", seen.String(), want)
		}
	})
}
