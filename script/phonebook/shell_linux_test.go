package phonebook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/port/virtual"
	"github.com/rasline/rasline/script/dialup"
)

// dialShell dials an entry whose connect is a command of the shell, over a virtual
// line.
func dialShell(t *testing.T, command string, stderr io.Writer, peer func(far *virtual.Port)) (*dialup.Conn, error) {
	t.Helper()
	b := parse(t, "peer", "/dev/ttyS0\nlocal\nconnect '"+command+"'\n", nil)
	e, _, err := b.Entry(&EntryConfig{Shell: true, Stderr: stderr})
	if err != nil {
		t.Fatal(err)
	}
	near, far := virtual.Pair()
	t.Cleanup(func() { far.Close() })
	go peer(far)
	c, err := dialup.Dial(t.Context(), e, &dialup.Config{
		Open: func(context.Context, string, *portname.Config) (port.Port, error) { return near, nil },
	})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// TestShellLosesNothing sends all that a command writes before it ends, and leaves
// what it has not read to the connection.
func TestShellLosesNothing(t *testing.T) {
	for range 20 {
		got := make(chan string, 1)
		c, err := dialShell(t, `read -r x; printf %05000d 7; printf "[%s]" "$x"`, nil, func(far *virtual.Port) {
			far.Write([]byte("CONNECT 9600\n~\xff}#login: "))
			b := make([]byte, 5014)
			n, _ := io.ReadFull(far, b)
			got <- string(b[:n])
			far.Write([]byte("more"))
		})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		first := make([]byte, 15)
		if n, err := io.ReadFull(c, first); string(first) != "~\xff}#login: more" {
			t.Fatalf("the connection begins with %q, %v", first[:n], err)
		}
		select {
		case s := <-got:
			if s != strings.Repeat("0", 4999)+"7[CONNECT 9600]" {
				t.Fatalf("the command has sent %d bytes, %q at the end", len(s), s[max(0, len(s)-20):])
			}
		case <-time.After(10 * time.Second):
			t.Fatal("not all that the command has written was sent")
		}
	}
}

// TestShellEnds ends when the command does, whatever children it leaves, and when
// the dial is given up, whatever signals the command ignores.
func TestShellEnds(t *testing.T) {
	ends := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			f(t)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	ends("with a child", func(t *testing.T) {
		var stderr bytes.Buffer
		_, err := dialShell(t, `sleep 30 & echo $! >&2; exit 0`, &stderr, func(*virtual.Port) {})
		child, notNumber := strconv.Atoi(strings.TrimSpace(stderr.String()))
		if err != nil || notNumber != nil {
			t.Fatalf("%v, standard error %q", err, stderr.String())
		}
		syscall.Kill(child, syscall.SIGKILL)
	})
	ends("with a status", func(t *testing.T) {
		var exit *exec.ExitError
		if _, err := dialShell(t, `exit 3`, nil, func(*virtual.Port) {}); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("exit 3: %v", err)
		}
	})
	ends("after the peer", func(t *testing.T) {
		_, err := dialShell(t, `trap "" HUP INT TERM; exec sleep 30`, nil, func(far *virtual.Port) {
			<-time.After(50 * time.Millisecond)
			far.Close()
		})
		if !errors.Is(err, port.ErrCarrierLost) {
			t.Errorf("the peer has hung up: %v", err)
		}
	})
	ends("without reading", func(t *testing.T) {
		if testing.Short() {
			t.Skip("waits the 5 s after which a program is killed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		e, _, err := parse(t, "peer", "/dev/ttyS0\nconnect 'trap \"\" HUP; exec sleep 30'\n", nil).Entry(&EntryConfig{Shell: true})
		if err != nil {
			t.Fatal(err)
		}
		near, far := virtual.Pair()
		flood := make(chan struct{})
		go func() {
			defer close(flood)
			far.Write(make([]byte, 1<<20)) // more than the command's terminal accepts
		}()
		_, err = dialup.Dial(ctx, e, &dialup.Config{
			Open: func(context.Context, string, *portname.Config) (port.Port, error) { return near, nil },
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a command that reads nothing: %v", err)
		}
		far.Close()
		<-flood
	})
}
