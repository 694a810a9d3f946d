package dll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/ras"
)

// childEnv is set in the environment of a child process only. It names the
// inherited ends of the two pipes.
const childEnv = "RASLINE_DLL_CHILD"

func (d *DLL) runIsolated(ctx context.Context, j *job, l *line) (*result, error) {
	program := d.cfg.Program
	if program == "" {
		if !mainCalled.Load() {
			return nil, &ras.Error{Op: entryPoint, Code: ras.ErrNotSupported,
				Err: errors.New("no child process to run the DLL in: call dll.Main first in main, or set Config.InProcess")}
		}
		self, err := os.Executable()
		if err != nil {
			return nil, childError(err)
		}
		program = self
	}
	p, err := startChild(program)
	if err != nil {
		return nil, childError(err)
	}
	return d.supervise(ctx, p, j, l)
}

func childError(err error) error {
	return &ras.Error{Op: entryPoint, Code: ras.ErrUnknown, Err: fmt.Errorf("start the child process: %w", err)}
}

// childProcess is a process that runs a DLL.
type childProcess struct {
	cmd      *exec.Cmd
	out, in  *os.File // its messages, and ours to it
	messages tail
}

// startChild starts the program with the ends of two pipes that nobody else
// has. Standard output leads nowhere, since DLLs print; standard error is kept
// for what the Go runtime says about a crash.
func startChild(program string) (*childProcess, error) {
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childOut.Close()
	childIn, in, err := os.Pipe()
	if err != nil {
		out.Close()
		return nil, err
	}
	defer childIn.Close()
	p := &childProcess{cmd: exec.Command(program), out: out, in: in}
	handles := []syscall.Handle{syscall.Handle(childIn.Fd()), syscall.Handle(childOut.Fd())}
	for _, h := range handles {
		err = errors.Join(err, inherit(h, true))
	}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d,%d", childEnv, handles[0], handles[1]))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{AdditionalInheritedHandles: handles, HideWindow: true}
	p.cmd.Stderr = &p.messages
	p.cmd.WaitDelay = time.Second
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		out.Close()
		in.Close()
		return nil, err
	}
	return p, nil
}

func inherit(h syscall.Handle, on bool) error {
	var flag uint32
	if on {
		flag = windows.HANDLE_FLAG_INHERIT
	}
	return windows.SetHandleInformation(windows.Handle(h), windows.HANDLE_FLAG_INHERIT, flag)
}

func (p *childProcess) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *childProcess) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *childProcess) kill()                       { p.cmd.Process.Kill() }

func (p *childProcess) wait() exitStatus {
	p.cmd.Wait()
	p.in.Close()
	p.out.Close()
	code := uint32(p.cmd.ProcessState.ExitCode())
	return exitStatus{code: code, exception: exceptionOf(code, p.messages.b)}
}

// childMain plays the child process if this process is one.
func childMain() {
	spec, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	os.Unsetenv(childEnv)
	var in, out uintptr
	if _, err := fmt.Sscanf(spec, "%d,%d", &in, &out); err != nil {
		fmt.Fprintf(os.Stderr, "dll: %s is set to %q, which no parent process did\n", childEnv, spec)
		os.Exit(2)
	}
	for _, h := range []uintptr{in, out} {
		inherit(syscall.Handle(h), false) // not for what the DLL may start
	}
	lib := new(library)
	err := runChild(os.NewFile(in, "from parent"), os.NewFile(out, "to parent"), lib.invoke, func() { os.Exit(1) })
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}
