package dialup_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/dialup"
)

// peer is the other end of a line that is a pseudo-terminal.
type peer struct {
	port.Port
	name string
	r    *bufio.Reader
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	pair, err := pty.Open(t.Context())
	must(t, err)
	t.Cleanup(func() { pair.Close() })
	pair.Port.SetDeadline(time.Now().Add(30 * time.Second)) // no test waits longer
	return &peer{pair.Port, pair.Name, bufio.NewReader(pair.Port)}
}

func (p *peer) wantLine(t *testing.T, want string) {
	t.Helper()
	for {
		got, err := p.r.ReadString('\n')
		if err != nil && errors.Is(err, port.ErrCarrierLost) && got == "" {
			continue // nothing has opened the terminal
		}
		if got != want+"\n" {
			t.Fatalf("the line got %q, %v; want %q", got, err, want)
		}
		return
	}
}

// greeted connects to the peer with a script that waits for a prompt.
func greeted(t *testing.T, p *peer, more string) *dialup.Conn {
	t.Helper()
	io.WriteString(p, "ready> "+more)
	c, err := dialup.Dial(t.Context(), &dialup.Entry{
		Name: "peer", Port: p.name,
		Script: script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
			_, err := script.NewDialog(call, nil).WaitFor(ctx, 10*time.Second, script.Text("ready> "))
			return err
		}),
	}, nil)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func shell(script string, args ...string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
}

// TestHandoverOfTheDevice gives a program the device itself.
func TestHandoverOfTheDevice(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "")
	done := make(chan error, 1)
	go func() {
		done <- c.Handover(t.Context(), shell(`tty; echo "$1"; read -r x; echo "got $x"`, "line {}"))
	}()
	p.wantLine(t, p.name)
	p.wantLine(t, "line "+p.name)
	io.WriteString(p, "hello\n")
	p.wantLine(t, "got hello")
	must(t, <-done)
	// The connection continues.
	io.WriteString(c, "again\n")
	p.wantLine(t, "again")
	io.WriteString(p, "more")
	if got, err := readAll(c, 4); got != "more" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	must(t, c.Close())
}

// TestHandoverOfWaitingBytes gives a program what the script has received first,
// and loses nothing of what it writes last.
func TestHandoverOfWaitingBytes(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "first\nsecond\n")
	if c.Result().Waiting() == 0 {
		t.Fatal("the script has left nothing")
	}
	big := filepath.Join(t.TempDir(), "big")
	must(t, os.WriteFile(big, []byte(strings.Repeat("0123456789abcde\n", 4096)), 0o600))
	done := make(chan error, 1)
	go func() {
		done <- c.Handover(t.Context(), shell(`read -r a; read -r b; echo "$b $a"; exec cat "$1"`, big))
	}()
	p.wantLine(t, "second first")
	for range 4096 {
		p.wantLine(t, "0123456789abcde")
	}
	must(t, <-done)
}

// TestHandoverFails reports what the program has made of it.
func TestHandoverFails(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "x")
	var exit *exec.ExitError
	if err := c.Handover(t.Context(), shell("exit 7")); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("Handover: %v", err)
	}
	if err := c.Handover(t.Context(), exec.Command("/nonexistent/pppd")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Handover of a missing program: %v", err)
	}
	if c.Err() != nil {
		t.Errorf("the connection has ended: %v", c.Err())
	}
}

// TestPersistNeedsItsProgram dials once for a program that cannot be run: each
// further dial would be a call for nothing.
func TestPersistNeedsItsProgram(t *testing.T) {
	for _, program := range []string{"/nonexistent/pppd", t.TempDir()} {
		p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		opens := 0
		err := dialup.Persist(ctx, &dialup.Entry{Port: p.name}, &dialup.Config{
			Open: func(ctx context.Context, name string, cfg *portname.Config) (port.Port, error) {
				if opens++; opens > 1 {
					cancel()
				}
				return portname.Open(ctx, name, cfg)
			},
		}, func(ctx context.Context, c *dialup.Conn) error { return c.Handover(ctx, exec.Command(program)) })
		cancel()
		if opens != 1 || !errors.As(err, new(*exec.Error)) {
			t.Errorf("Persist for %s: %d dials, %v", program, opens, err)
		}
	}
}

// TestHandoverEnds ends the program when the context or the connection ends.
func TestHandoverEnds(t *testing.T) {
	for _, waiting := range []string{"", "x"} {
		for _, tt := range []struct {
			name string
			end  func(c *dialup.Conn, cancel context.CancelFunc)
			want error
		}{
			{"cancel", func(c *dialup.Conn, cancel context.CancelFunc) { cancel() }, context.Canceled},
			{"close", func(c *dialup.Conn, cancel context.CancelFunc) { c.Close() }, os.ErrClosed},
		} {
			t.Run(tt.name+" "+waiting, func(t *testing.T) {
				t.Parallel()
				p := newPeer(t)
				c := greeted(t, p, waiting)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- c.Handover(ctx, shell(`echo started; while :; do sleep 60; done`)) }()
				p.wantLine(t, "started")
				began := time.Now()
				tt.end(c, cancel)
				err := <-done
				if tt.name == "cancel" {
					wantErr(t, "Handover", err, tt.want)
				} else if err == nil {
					t.Error("Handover reports nothing")
				}
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// TestHandoverEndsWhatTheProgramLeaves ends processes that ignore SIGHUP, which the
// program has started and which outlive it.
func TestHandoverEndsWhatTheProgramLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("waits the 5 s after which a program is killed")
	}
	t.Parallel()
	for name, script := range map[string]string{
		"a child of it":      `(trap '' HUP; while :; do sleep 60; done) & echo $!; wait`,
		"a child of a child": `sh -c "trap '' HUP; sh -c 'echo \$\$; while :; do sleep 60; done'; :" & wait`,
		"the program":        `trap '' HUP; echo $$; while :; do sleep 60; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			c := greeted(t, p, "")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- c.Handover(ctx, shell(script)) }()
			text, err := p.r.ReadString('\n')
			must(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(text))
			must(t, err)
			began := time.Now()
			cancel()
			wantErr(t, "Handover", <-done, context.Canceled)
			if took := time.Since(began); took < 4*time.Second || took > 20*time.Second {
				t.Errorf("took %v, want the 5 s that it has to end", took)
			}
			for deadline := time.After(10 * time.Second); ; {
				state := "Z"
				if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
					_, rest, _ := strings.Cut(string(stat), ") ")
					state = rest[:1]
				}
				if state == "Z" || state == "X" {
					break
				}
				select {
				case <-deadline:
					syscall.Kill(pid, syscall.SIGKILL)
					t.Fatalf("process %d is left, in state %s", pid, state)
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
}

// TestDetach gives the line away and touches it no more.
func TestDetach(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "first")
	f, first, err := c.Detach()
	must(t, err)
	defer f.Close()
	rest := make([]byte, 5-len(first))
	for n := 0; n < len(rest); {
		k, _ := f.Read(rest[n:])
		n += k
	}
	if got := string(first) + string(rest); got != "first" {
		t.Errorf("the bytes are %q", got)
	}
	<-c.Done()
	wantErr(t, "Err", c.Err(), dialup.ErrDetached)
	_, err = c.Read(make([]byte, 1))
	wantErr(t, "Read", err, dialup.ErrDetached)
	_, err = c.HangUp(t.Context())
	wantErr(t, "HangUp", err, dialup.ErrDetached)
	must(t, c.Close())
	if _, err := f.WriteString("still here\n"); err != nil {
		t.Error(err)
	}
	p.wantLine(t, "still here")
}
