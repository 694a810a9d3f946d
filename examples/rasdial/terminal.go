package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// userTerminal is what -terminal gives the script: the user's keyboard and
// screen. A keyboard that is a terminal gives one key at a time and does not
// echo, since the peer does.
type userTerminal struct {
	port.Port
	screen  *screen
	queried atomic.Int64 // when the peer last asked the terminal something, in ns
	restore func()       // may be called more than once
	release func() error // closes the controlling terminal
}

// openTerminal opens it: the standard streams, or the controlling terminal when
// those are the line. It returns nil without -terminal. The keyboard is as it was
// when ctx ends or the terminal is closed.
func (d *dialer) openTerminal(ctx context.Context) (*userTerminal, error) {
	if !d.opts.terminal {
		return nil, nil
	}
	t := &userTerminal{screen: d.screen, restore: func() {}, release: func() error { return nil }}
	in, out := d.std.in, d.std.out
	if d.opts.port == "-" {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("-terminal: standard input is the line, and there is no other terminal: %w", err)
		}
		in, out, t.release = tty, tty, tty.Close
	}
	var err error
	if t.Port, err = openStreams(in, out); err != nil {
		t.release()
		return nil, fmt.Errorf("-terminal: %w", err)
	}
	if restore, err := oneKeyAtATime(in, true); err == nil {
		t.restore = sync.OnceFunc(restore)
		context.AfterFunc(ctx, t.restore)
	}
	return t, nil
}

func openStreams(in, out *os.File) (port.Port, error) {
	p, err := port.Stdio(in, out, &port.StdioConfig{Name: "terminal"})
	if errors.Is(err, errors.ErrUnsupported) {
		return plainTerminal{in, out}, nil
	}
	return p, err
}

// answerTime is how long a terminal may take to answer what the peer asked it.
const answerTime = 300 * time.Millisecond

// Write shows what the peer sends. A terminal answers some of it, ENQ and
// sequences of ESC, as if the user had typed.
func (t *userTerminal) Write(b []byte) (int, error) {
	if bytes.ContainsAny(b, "\x05\x1b\x9b") {
		t.queried.Store(time.Now().UnixNano())
	}
	return t.screen.pass(t.Port, b)
}

// Close puts the keyboard back. What the terminal has answered to the peer is
// discarded, so that it is not left for the user's shell.
func (t *userTerminal) Close() error {
	if asked := t.queried.Load(); asked != 0 {
		time.Sleep(time.Until(time.Unix(0, asked).Add(answerTime)))
	}
	err := t.Port.Close()
	t.restore()
	return errors.Join(err, t.release())
}

// plainTerminal is a terminal without deadlines.
type plainTerminal struct {
	io.Reader
	io.Writer
}

func (plainTerminal) Close() error                     { return nil }
func (plainTerminal) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (plainTerminal) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (plainTerminal) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// askPassword asks the user for a password on the terminal that standard input
// is. It reports whether it is one; the error is that of a ctx that ended.
func (d *dialer) askPassword(ctx context.Context) (password string, asked bool, err error) {
	if d.opts.port == "-" {
		return "", false, nil
	}
	in := d.std.in
	restore, err := oneKeyAtATime(in, false)
	if err != nil {
		return "", false, nil
	}
	defer restore()
	d.screen.printf("Password for %s: ", d.opts.params.UserName)
	typed := make(chan string, 1)
	go func() { // stays in the read if ctx ends; the program ends then
		var line []byte
		for b := make([]byte, 1); ; {
			n, err := in.Read(b)
			if n == 1 && b[0] == '\n' || err != nil {
				typed <- strings.TrimSuffix(string(line), "\r")
				return
			}
			line = append(line, b[:n]...)
		}
	}()
	select {
	case password = <-typed:
		return password, true, nil
	case <-ctx.Done():
		d.screen.printf("\n")
		return "", false, ras.ContextError(ctx)
	}
}
