package dialup_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/dialup"
)

// descriptors returns how many files this program has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// TestHandoverIsAlone lets nothing that the user calls meanwhile touch the line
// that another program has: deadlines, a second Handover, Detach.
func TestHandoverIsAlone(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "x") // which needs a pseudo-terminal that is joined to the line
	first, second, detached := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		first <- c.Handover(t.Context(), shell(`echo started; read -r x; echo "got $x"`))
	}()
	p.wantLine(t, "started")
	must(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
	must(t, c.SetWriteDeadline(time.Now().Add(-time.Second)))
	go func() { second <- c.Handover(t.Context(), shell(`echo second`)) }()
	go func() {
		must(t, <-second)
		_, _, err := c.Detach()
		detached <- err
	}()
	<-time.After(50 * time.Millisecond)
	io.WriteString(p, "hello\n")
	p.wantLine(t, "got xhello")
	must(t, <-first)
	p.wantLine(t, "second")
	must(t, <-detached)
}

// TestHandoverKeepsDeadlines puts the deadlines that were set meanwhile in force.
func TestHandoverKeepsDeadlines(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "")
	done := make(chan error, 1)
	go func() { done <- c.Handover(t.Context(), shell(`echo started; read -r x`)) }()
	p.wantLine(t, "started")
	must(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
	io.WriteString(p, "\n")
	must(t, <-done)
	_, err := c.Read(make([]byte, 1))
	wantErr(t, "Read", err, os.ErrDeadlineExceeded)
	must(t, c.SetReadDeadline(time.Time{}))
	io.WriteString(p, "y")
	if got, err := readAll(c, 1); got != "y" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestHandoversEnd ends two of them, one of which waits for the other, by Close,
// and one that waits by its own context.
func TestHandoversEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("waits the 5 s after which a program is killed")
	}
	t.Parallel()
	p := newPeer(t)
	c := greeted(t, p, "x")
	done := make(chan error, 3)
	go func() { done <- c.Handover(t.Context(), shell(`echo started; trap "" HUP; exec sleep 60`)) }()
	p.wantLine(t, "started")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- c.Handover(ctx, shell(`echo never`)) }()
	go func() { <-time.After(20 * time.Millisecond); cancel() }()
	wantErr(t, "a Handover that waits", <-done, context.Canceled)
	go func() { done <- c.Handover(t.Context(), shell(`echo never`)) }()
	<-time.After(20 * time.Millisecond)
	began := time.Now()
	c.Close()
	for range 2 {
		wantErr(t, "Handover", <-done, net.ErrClosed)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestHandoversLeak acquires no descriptor that Close does not release, nor more for
// each further program.
func TestHandoversLeak(t *testing.T) {
	p := newPeer(t)
	before := descriptors(t)
	c := greeted(t, p, "")
	var one int
	for i := range 10 {
		must(t, c.Handover(t.Context(), shell(`:`)))
		if i == 0 {
			one = descriptors(t)
		}
	}
	if n := descriptors(t); n > one {
		t.Errorf("%d descriptors after one program, %d after ten", one, n)
	}
	must(t, c.Close())
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
}

// TestHandoverAfterTheEnd starts no program for a context that has ended.
func TestHandoverAfterTheEnd(t *testing.T) {
	c := greeted(t, newPeer(t), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := shell("exec sleep 60")
	wantErr(t, "Handover", c.Handover(ctx, cmd), context.Canceled)
	if cmd.Process != nil {
		t.Error("the program was started")
	}
}

// TestConcurrentUse calls everything that a Conn has at the same time.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", "x"} {
		p := newPeer(t)
		c := greeted(t, p, more)
		ctx, cancel := context.WithCancel(t.Context())
		var calls, end sync.WaitGroup
		loop := func(f func()) {
			calls.Go(func() {
				for ctx.Err() == nil {
					f()
				}
			})
		}
		go io.Copy(io.Discard, p)
		loop(func() { c.SetReadDeadline(time.Now().Add(time.Millisecond)); c.Read(make([]byte, 10)) })
		loop(func() { c.Write([]byte("x")) })
		loop(func() { c.SetDeadline(time.Now().Add(time.Millisecond)) })
		loop(func() { c.Lines(); c.Mode(); c.Stats(); c.Queued(); c.Discard(port.Input) })
		loop(func() { c.Name(); c.Abilities(); c.Err(); c.Result().Waiting() })
		for range 2 {
			calls.Go(func() {
				for range 5 {
					if err := c.Handover(t.Context(), shell(`exec true`)); err != nil && c.Err() == nil {
						t.Errorf("Handover: %v", err)
					}
				}
			})
		}
		<-time.After(200 * time.Millisecond)
		for range 2 {
			end.Go(func() { c.HangUp(ctx) })
			end.Go(func() { c.Close() })
			end.Go(func() {
				if f, _, err := c.Detach(); err == nil {
					f.Close()
				}
			})
		}
		end.Wait()
		cancel()
		calls.Wait()
		if err := c.Err(); !errors.Is(err, net.ErrClosed) && !errors.Is(err, dialup.ErrDetached) {
			t.Errorf("ended with %v", err)
		}
	}
}

// TestAfterTheEnd fails every call with a reason, and changes none.
func TestAfterTheEnd(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "x")
	must(t, c.Close())
	for name, err := range map[string]error{
		"Read":     func() error { _, err := c.Read(make([]byte, 1)); return err }(),
		"Write":    func() error { _, err := c.Write([]byte("x")); return err }(),
		"Deadline": c.SetDeadline(time.Now()),
		"Handover": c.Handover(t.Context(), shell("echo never")),
		"Detach":   func() error { _, _, err := c.Detach(); return err }(),
		"Lines":    func() error { _, err := c.Lines(); return err }(),
		"Drain":    c.Drain(t.Context()),
	} {
		if name != "Lines" || !errors.Is(err, errors.ErrUnsupported) {
			wantErr(t, name, err, net.ErrClosed)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q has several lines", name, err)
		}
	}
	_, err := c.HangUp(t.Context())
	must(t, err)
	must(t, c.Close())
}

// TestPipesLoseNothing gets all that a program writes before it ends.
func TestPipesLoseNothing(t *testing.T) {
	p := newPeer(t)
	c := greeted(t, p, "")
	before := descriptors(t)
	for range 20 {
		done := make(chan error, 1)
		go func() {
			done <- dialup.RunOnPipes(c, t.Context(), shell(`echo begin; read -r x; printf %020000d 7; echo "[$x]"`))
		}()
		p.wantLine(t, "begin")
		io.WriteString(p, "hello\n")
		p.wantLine(t, strings.Repeat("0", 19999)+"7[hello]")
		must(t, <-done)
		must(t, c.SetDeadline(time.Time{}))
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
}
