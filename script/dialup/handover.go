package dialup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/pty"
)

// stopGrace is how long a program that was signalled to end may run before it is
// killed.
const stopGrace = 5 * time.Second

// Handover runs cmd with the line as its standard input and output and waits for
// it: pppd, kermit, a shell script. An argument "{}" of cmd becomes the path of the
// line. Standard error is the caller's to set. Reads and writes of the Conn that are
// under way fail, and others wait until Handover returns, as Detach and another
// Handover do. Deadlines that are set meanwhile apply after that.
//
// Where the port has a descriptor and no byte waits to be read, cmd gets the
// device itself, without a change of DTR. Otherwise it gets a pseudo-terminal, or
// pipes where the system has none, that gives it the waiting bytes first and is
// joined to the line. With the device itself, IdleTimeout does not run, since what
// passes is not seen.
//
// When ctx or the Conn ends, by a lost carrier for one, cmd gets SIGHUP (on
// Windows it is killed) and is killed 5 s later. On Linux this applies to the
// processes that cmd has started, too, unless one of them has left the others as a
// daemon does; elsewhere the caller can give cmd a process group of its own
// (SysProcAttr) and end that. cmd stays in the process group of the caller, so that it
// can read a password from the user's terminal.
//
// Afterwards the Conn can be used again, and HangUp and Close hang up as before; what
// cmd has received and not read is lost. The error is an *Error with cmd's *exec.ExitError, the context's error
// or why the Conn has ended.
func (c *Conn) Handover(ctx context.Context, cmd *exec.Cmd) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := c.Err()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return c.dial.entry.fail("hand over", err)
	}
	free, err := c.interrupt(ctx, errors.New("the line is handed over to another program"))
	if err != nil {
		return c.dial.entry.fail("hand over", err)
	}
	defer c.resume()
	if !free {
		return c.dial.entry.fail("hand over", errStuck)
	}
	c.mu.Lock()
	if c.err != nil { // in the meantime
		defer c.mu.Unlock()
		return c.dial.entry.fail("hand over", c.err)
	}
	c.stopHandover, c.handed = stop, true
	c.Port.SetDeadline(time.Time{})
	c.mu.Unlock()
	err = c.hand(ctx, cmd)
	c.touch()
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopHandover = nil
	if c.err != nil {
		err = errors.Join(c.err, err)
	}
	return c.dial.entry.fail("hand over", err)
}

// hand runs cmd on the line. The user's calls are kept out.
func (c *Conn) hand(ctx context.Context, cmd *exec.Cmd) error {
	if c.res.Waiting() == 0 && port.AbilitiesOf(c.raw)&port.AbilityDetach != 0 {
		if f, err := c.takeDevice(); err == nil {
			defer f.Close()
			c.blind.Store(true)
			defer c.blind.Store(false)
			return c.runOn(ctx, cmd, f, c.Name())
		}
	}
	pair, err := pty.Open(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return c.runOnPipes(ctx, cmd)
	}
	if err != nil {
		return err
	}
	defer pair.Close()
	f, err := pair.OpenFar()
	if err != nil {
		return err
	}
	defer f.Close()
	stop := c.join(pair.Port)
	defer stop()
	return c.runOn(ctx, cmd, f, pair.Name)
}

// takeDevice replaces the port of the Conn by one on the same descriptor, and
// returns a file of the device for another program, whose flags are its own.
func (c *Conn) takeDevice() (*os.File, error) {
	name := c.Name()
	f, err := c.detach()
	if err != nil {
		return nil, err
	}
	p, err := port.Stdio(f, f, &port.StdioConfig{Name: name})
	if err != nil {
		f.Close()
		c.end(err) // there is no port any more
		return nil, err
	}
	c.res.TakeUnread() // there is none; later runs are on another port
	c.mu.Lock()
	c.text = nil
	c.raw.Close()
	if c.file != nil { // of a Handover before this one
		c.file.Close()
	}
	c.line.set(p)
	c.raw, c.file = p, f
	if c.err == nil {
		c.watch()
	}
	c.mu.Unlock()
	again, err := os.OpenFile(fmt.Sprintf("/dev/fd/%d", f.Fd()), os.O_RDWR|noControllingTerminal, 0)
	if err != nil {
		return nil, err
	}
	return again, nil
}

// runOn runs cmd on f, which is the line or leads to it.
func (c *Conn) runOn(ctx context.Context, cmd *exec.Cmd, f *os.File, path string) error {
	cmd.Stdin, cmd.Stdout = f, f
	for i, arg := range cmd.Args {
		if i > 0 {
			cmd.Args[i] = strings.ReplaceAll(arg, "{}", path)
		}
	}
	if err := start(cmd); err != nil {
		return err
	}
	c.dial.log.Info("handed over", "program", cmd.Path, "line", path)
	f.Close() // the program has its copy, and is to see its end
	return await(ctx, cmd)
}

// start starts cmd. The error is an *exec.Error if there is no such program, or none
// that may be run: exec.Command looks up names, and a path fails only here.
func start(cmd *exec.Cmd) error {
	err := cmd.Start()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return &exec.Error{Name: cmd.Path, Err: err}
	}
	return err
}

// await waits for a program that has started, and ends it when ctx ends.
func await(ctx context.Context, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { // ends with the program, which is killed if it does not by itself
		err := cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil // the program has succeeded, and a child of it has its standard error
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	family := append(descendants(cmd.Process.Pid), cmd.Process)
	for _, p := range family {
		if runtime.GOOS == "windows" || hangUpProcess(p) != nil {
			p.Kill()
		}
	}
	kill := func() {
		all := family
		for _, p := range family {
			if lives(p) {
				all = slices.Concat(all, descendants(p.Pid)) // started since
			}
		}
		for _, p := range all {
			p.Kill()
		}
	}
	began := time.Now()
	defer time.AfterFunc(stopGrace, kill).Stop()
	err := <-done
	for slices.ContainsFunc(family, lives) {
		if time.Since(began) >= stopGrace {
			kill()
			break
		}
		wait.Sleep(context.Background(), familyEvery)
	}
	return errors.Join(context.Cause(ctx), err)
}

// familyEvery is how often the remaining processes of a program are checked.
const familyEvery = 20 * time.Millisecond

// runOnPipes runs cmd on pipes. They are not those of cmd, whose Wait closes them
// before they are read to the end.
func (c *Conn) runOnPipes(ctx context.Context, cmd *exec.Cmd) error {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		in.Close()
		return err
	}
	cmd.Stdin, cmd.Stdout = theirIn, theirOut
	err = start(cmd)
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return err
	}
	defer out.Close()
	stop := c.join(port.FromStream(struct {
		io.Reader
		io.WriteCloser
	}{out, in}, "program"))
	defer stop()
	return await(ctx, cmd)
}

// What a program has written last is copied until the program's side is closed or
// silent for flushQuiet, which a remaining child may make it, and for
// flushLimit at most.
const (
	flushQuiet = 250 * time.Millisecond
	flushLimit = 5 * time.Second
)

// join copies between the line and far until stop is called, which waits until
// what far has sent has been written to the line.
func (c *Conn) join(far port.Port) (stop func()) {
	var up, down sync.WaitGroup
	var ending atomic.Bool
	up.Go(func() {
		buf := make([]byte, 4096)
		for {
			if ending.Load() {
				far.SetReadDeadline(time.Now().Add(flushQuiet))
			}
			n, err := far.Read(buf)
			if n > 0 {
				c.touch()
				if _, err := c.Port.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	down.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.Port.Read(buf)
			if n > 0 {
				c.touch()
				if c.text != nil {
					c.text(buf[:n])
				}
				if _, err := far.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					c.end(err)
				}
				return
			}
		}
	})
	return func() {
		ending.Store(true)
		far.SetReadDeadline(time.Now().Add(flushQuiet))
		late := time.AfterFunc(flushLimit, func() {
			ending.Store(false)
			far.SetDeadline(past)
			c.Port.SetWriteDeadline(past)
		})
		up.Wait()
		late.Stop()
		far.SetDeadline(past)
		c.Port.SetReadDeadline(past)
		down.Wait()
		far.Close()
	}
}
