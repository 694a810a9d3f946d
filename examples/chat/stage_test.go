//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port/pty"
)

const (
	reference = "/usr/sbin/chat"
	patience  = 40 * time.Second      // for one run
	quiet     = 60 * time.Millisecond // after which nothing more is on its way
)

// needReference skips the test where the chat of the ppp package is missing.
func needReference(t testing.TB) {
	t.Helper()
	peertest.Program(t, reference)
}

// build makes the program and returns its path.
func build(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "chat")
	if out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return name
}

// play is what a program is to do, and what its peer does.
type play struct {
	args   []string       // @REPORT, @FILE and @SUB stand for files of the run
	file   string         // contents of @FILE, as script or for a send
	sub    string         // contents of @SUB, for a send
	crlf   bool           // this program gets the file with CR LF, chat(8) with LF
	full   bool           // the standard error is on a full disk
	strip  bool           // the high bits of what is left unread do not count
	env    []string       // further environment
	first  string         // what the far end says before the program starts
	replys []string       // what it says after each carriage return
	signal syscall.Signal // sent to the program after the last of them
	hangup bool           // the far end hangs up then
}

// seen is everything that can be seen of a run, times left out.
type seen struct {
	status int
	sent   string // bytes that the far end received
	left   string // bytes that the program left unread
	stderr string
	report string
	broken string // what is wrong with the terminal's settings
}

// perform runs a program on a kernel terminal.
func perform(ctx context.Context, t testing.TB, program string, p *play) (out seen, err error) {
	pair, err := pty.Open(ctx)
	if err != nil {
		return out, err
	}
	defer pair.Close()
	keeper, err := os.OpenFile(pair.Name, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return out, err
	}
	defer keeper.Close()
	before, err := settings(keeper)
	if err != nil {
		return out, err
	}

	dir := t.TempDir()
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd, err := command(ctx, dir, program, p)
	if err != nil {
		return out, err
	}
	cmd.Stderr = &stderr
	if p.full {
		disk, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			return out, err
		}
		defer disk.Close()
		cmd.Stderr = disk
	}
	far := &farEnd{line: pair.Port, play: p, hangUp: func() { pair.Close() }}
	if _, err := io.WriteString(pair.Port, p.first); err != nil {
		return out, err
	}
	if err := start(cmd, pair.Name); err != nil {
		return out, err
	}
	far.signal = func() { cmd.Process.Signal(p.signal) }
	var talk sync.WaitGroup
	talk.Go(far.talk)
	werr := cmd.Wait()
	if ctx.Err() != nil {
		werr = ctx.Err()
	}
	far.finish()
	talk.Wait()
	out.status, err = exitCode(werr)
	out.sent = far.heard.String()
	if !p.hangup {
		out.left = rest(keeper)
		out.broken = changed(keeper, before)
	}
	out.stderr = tidy(stderr.String(), dir, program)
	report, _ := os.ReadFile(filepath.Join(dir, "report"))
	out.report = tidy(string(report), dir, program)
	return out, err
}

// command prepares the program and the files of the run.
func command(ctx context.Context, dir, program string, p *play) (*exec.Cmd, error) {
	file := filepath.Join(dir, "file")
	names := strings.NewReplacer("@REPORT", filepath.Join(dir, "report"), "@FILE", file, "@SUB", filepath.Join(dir, "sub"))
	text := names.Replace(p.file)
	if p.crlf && program != reference {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "sub"), []byte(p.sub), 0o600))
	if err != nil {
		return nil, err
	}
	args := make([]string, len(p.args))
	for i, a := range p.args {
		args[i] = names.Replace(a)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(append(os.Environ(), "TZ=UTC", "LC_ALL=C"), p.env...)
	return cmd, nil
}

// start starts the program on the terminal as its standard input and output.
func start(cmd *exec.Cmd, terminal string) error {
	tty, err := os.OpenFile(terminal, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	cmd.Stdin, cmd.Stdout = tty, tty
	return cmd.Start()
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// farEnd talks to a program.
type farEnd struct {
	line interface {
		io.ReadWriter
		SetReadDeadline(time.Time) error
	}
	play   *play
	signal func()
	hangUp func()
	heard  bytes.Buffer
	lines  int
	mu     sync.Mutex
	ended  bool
}

// talk hears the program and answers each carriage return.
func (f *farEnd) talk() {
	b := make([]byte, 512)
	for again := true; ; {
		n, err := f.line.Read(b)
		for _, c := range b[:n] {
			f.heard.WriteByte(c)
			if c == '\r' {
				f.answer()
			}
		}
		switch {
		case err != nil && again && errors.Is(err, os.ErrDeadlineExceeded):
			// On a busy machine the deadline can pass before bytes that are there
			// were looked at: a read with a new one examines them first.
			again = false
			f.push()
		case err != nil:
			return
		case n > 0:
			again = true
			f.push()
		}
	}
}

// push gives the program's last words their time.
func (f *farEnd) push() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		f.line.SetReadDeadline(time.Now().Add(quiet))
	}
}

// finish ends the talk when nothing more comes.
func (f *farEnd) finish() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.push()
}

func (f *farEnd) answer() {
	if f.lines < len(f.play.replys) {
		io.WriteString(f.line, f.play.replys[f.lines])
	}
	f.lines++
	if f.lines != len(f.play.replys) {
		return
	}
	if f.play.signal != 0 {
		time.AfterFunc(10*quiet, f.signal)
	}
	if f.play.hangup {
		time.AfterFunc(10*quiet, f.hangUp)
	}
}

// rest reads what the program left.
func rest(keeper *os.File) string {
	var out []byte
	b := make([]byte, 4096)
	for again := true; ; {
		keeper.SetReadDeadline(time.Now().Add(quiet))
		n, err := keeper.Read(b)
		out = append(out, b[:n]...)
		if err != nil && !again {
			return string(out)
		}
		again = n > 0 // see farEnd.talk
	}
}

func settings(f *os.File) (tio unix.Termios, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return tio, err
	}
	cerr := conn.Control(func(fd uintptr) {
		var p *unix.Termios
		if p, err = unix.IoctlGetTermios(int(fd), unix.TCGETS); err == nil {
			tio = *p
		}
	})
	return tio, errors.Join(err, cerr)
}

func changed(keeper *os.File, before unix.Termios) string {
	after, err := settings(keeper)
	switch {
	case err != nil:
		return err.Error()
	case after != before:
		return "the terminal's settings were not put back"
	}
	return ""
}

var stamp = regexp.MustCompile(`[A-Z][a-z]{2} [0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} `)

// tidy replaces what differs from run to run.
func tidy(s, dir, program string) string {
	s = strings.ReplaceAll(s, dir, "DIR")
	s = strings.ReplaceAll(s, program, "chat")
	return stamp.ReplaceAllString(s, "STAMP ")
}
