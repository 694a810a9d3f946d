package console

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

// Terminal is the user's keyboard and screen, for a script or for the peer. A
// keyboard that is a terminal gives one key at a time and does not echo, since the
// peer does.
type Terminal struct {
	port.Port
	screen  *Screen
	queried atomic.Int64 // when the peer last queried the terminal, in ns
	restore func()       // may be called more than once
	release func() error // closes the controlling terminal
}

// OpenTerminal opens in and out or, if they are nil, the controlling terminal. The
// keyboard is as it was when ctx ends or the terminal is closed.
func OpenTerminal(ctx context.Context, in, out *os.File, screen *Screen) (*Terminal, error) {
	t := &Terminal{screen: screen, restore: func() {}, release: func() error { return nil }}
	if in == nil {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("standard input is the line, and there is no other terminal: %w", err)
		}
		in, out, t.release = tty, tty, tty.Close
	}
	p, err := port.Stdio(in, out, &port.StdioConfig{Name: "terminal"})
	switch {
	case err == nil:
		t.Port = p
	case errors.Is(err, errors.ErrUnsupported):
		t.Port = plainTerminal{in, out}
	default:
		t.release()
		return nil, err
	}
	if restore, err := oneKeyAtATime(in, true); err == nil {
		t.restore = sync.OnceFunc(restore)
		context.AfterFunc(ctx, t.restore)
	}
	return t, nil
}

// answerTime is how long a terminal may need to answer a query of the peer.
const answerTime = 300 * time.Millisecond

// Write shows what the peer sends. A terminal answers some of it, ENQ and
// sequences of ESC, as if the user had typed.
func (t *Terminal) Write(b []byte) (int, error) {
	if bytes.ContainsAny(b, "\x05\x1b\x9b") {
		t.queried.Store(time.Now().UnixNano())
	}
	return t.screen.Pass(t.Port, b)
}

// Read reads what is typed. The end of a pipe in the place of a keyboard is io.EOF,
// with which a session ends as with the escape key.
func (t *Terminal) Read(b []byte) (int, error) {
	n, err := t.Port.Read(b)
	if errors.Is(err, port.ErrCarrierLost) {
		err = io.EOF
	}
	return n, err
}

// Close restores the keyboard. What the terminal has answered to the peer is
// discarded, so that it is not left for the user's shell.
func (t *Terminal) Close() error {
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

// ReadPassword shows the prompt and reads a line from in without an echo. It
// reports false if in is no terminal, or if it ends before the line does, as with
// Ctrl-D. The error is that of a ctx that ended.
func (s *Screen) ReadPassword(ctx context.Context, in *os.File, prompt string) (password string, asked bool, err error) {
	restore, err := oneKeyAtATime(in, false)
	if err != nil {
		return "", false, nil
	}
	defer restore()
	s.Printf("%s", prompt)
	typed := make(chan string, 1) // closed if no line was typed
	go func() {                   // stays in the read if ctx ends; the program ends then
		defer close(typed)
		var line []byte
		for b := make([]byte, 1); ; {
			n, err := in.Read(b)
			if n == 1 && b[0] == '\n' {
				typed <- strings.TrimSuffix(string(line), "\r")
			}
			if n == 1 && b[0] == '\n' || err != nil {
				return
			}
			line = append(line, b[:n]...)
		}
	}()
	select {
	case password, asked = <-typed:
		if !asked {
			s.Printf("\n")
		}
		return password, asked, nil
	case <-ctx.Done():
		s.Printf("\n")
		return "", false, context.Cause(ctx)
	}
}

const maxPasswordFile = 4096

// PasswordFile reads a password: the first line of a file, or of standard input if
// the name is "-".
func PasswordFile(name string) (ras.Secret, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return "", err
		}
		defer f.Close()
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPasswordFile))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(string(data), "\ufeff"), "\n") // some editors begin a file with the mark
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty", name)
	}
	return ras.Secret(line), nil
}
