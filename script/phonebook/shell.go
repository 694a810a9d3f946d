package phonebook

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
)

// shellCommand runs a command by /bin/sh on a pseudo-terminal that is joined to the
// line.
type shellCommand struct {
	command string
	env     []string
	secrets []ras.Secret
	stderr  io.Writer
}

// Execute sends all that the command writes, and gives back to the call what the
// command has not read. When ctx or the line ends, the command is killed.
func (s *shellCommand) Execute(ctx context.Context, call *ras.Call) error {
	d := script.NewDialog(call, nil)
	defer d.Close()
	for _, secret := range s.secrets {
		d.Hide(secret)
	}
	pair, err := pty.Open(ctx)
	if err != nil {
		return err
	}
	defer pair.Close()
	f, err := pair.OpenFar()
	if err != nil {
		return err
	}
	defer f.Close()
	unread, err := pair.OpenFar() // keeps what the command does not read
	if err != nil {
		return err
	}
	defer unread.Close()
	cmd := exec.Command("/bin/sh", "-c", s.command)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, s.stderr
	if s.stderr == nil {
		cmd.Stderr = os.Stderr
	}
	cmd.WaitDelay = time.Second // for a remaining child that has standard error
	if err := cmd.Start(); err != nil {
		return err
	}
	t := &terminal{port: pair.Port}
	exit := make(chan error, 1)
	go func() { // ends with the command
		err := cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		exit <- err
		t.mu.Lock()
		defer t.mu.Unlock()
		t.until = time.Now().Add(flushLimit)
		t.port.SetDeadline(time.Now().Add(quiet))
	}()
	// Frees a write to a command that reads nothing, too.
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	if err := d.Interact(ctx, t, &script.InteractConfig{Escape: -1}); err != nil {
		cmd.Process.Kill()
		<-exit
		return err
	}
	d.Close()
	if err := <-exit; err != nil {
		return &ras.Error{Op: "shell", Code: ras.ErrUnknown, Err: err}
	}
	return call.Unread(t.left(unread))
}

// terminal is the near end of a command's pseudo-terminal. It ends when the command
// has, and what the command has left in it was read.
type terminal struct {
	port port.Port

	mu    sync.Mutex // guards what follows
	until time.Time  // when reading ends at the latest; zero: the command runs
	rest  []byte     // for the command, and not accepted by the pseudo-terminal yet
}

// What a command has written is in the pseudo-terminal when it ends, so a short
// silence is the end of it. A child that it has started may continue.
const (
	quiet      = 20 * time.Millisecond
	flushLimit = 30 * time.Second
)

func (t *terminal) Read(b []byte) (int, error) {
	t.mu.Lock()
	if now := time.Now(); now.Before(t.until) {
		t.port.SetReadDeadline(now.Add(quiet))
	}
	t.mu.Unlock()
	n, err := t.port.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

func (t *terminal) Write(b []byte) (int, error) {
	n, err := t.port.Write(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, b[n:]...)
	return len(b), nil
}

// left returns what the command has not read.
func (t *terminal) left(far *os.File) []byte {
	far.SetReadDeadline(time.Now().Add(quiet))
	b, _ := io.ReadAll(far) // until the deadline
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(b, t.rest...)
}
