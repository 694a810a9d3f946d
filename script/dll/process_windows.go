package dll

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/ras"
)

// childEnv is set in the environment of a child process only. It names the
// inherited ends of the two pipes.
const childEnv = "RASLINE_DLL_CHILD"

// startChild starts Config.Program, or this program again, as a child process.
func (d *DLL) startChild() (process, error) {
	program := d.cfg.Program
	if program == "" {
		if !mainCalled.Load() {
			return nil, &ras.Error{Op: entryPoint, Code: ras.ErrNotSupported,
				Err: errors.New("no child process to run the DLL in: call dll.Main first in main")}
		}
		self, err := os.Executable()
		if err != nil {
			return nil, childError(err)
		}
		program = self
	}
	p, err := startProcess(program)
	if err != nil {
		return nil, childError(err)
	}
	if p.job == 0 {
		d.cfg.Log.Warn("no job object for the child process: programs that the DLL starts are not ended with it", "error", p.jobErr)
	}
	return p, nil
}

func childError(err error) error {
	return &ras.Error{Op: entryPoint, Code: ras.ErrUnknown, Err: fmt.Errorf("start the child process: %w", err)}
}

// childProcess is a process that runs a DLL. It is in a job object, so that it
// and what it starts end when this process closes the job's handle, and when
// Windows does because this process was killed.
type childProcess struct {
	cmd      *exec.Cmd
	out, in  *os.File // its messages, and ours to it
	messages tail
	handle   windows.Handle // of the process; 0 without a job
	job      windows.Handle // 0: none could be made
	jobErr   error
}

// startProcess starts the program with the ends of two pipes that no other
// process has. Standard output is discarded, since DLLs print; standard error is
// kept for what the Go runtime prints about a crash. The process has no console,
// as the programs of Windows that load such DLLs have none, and STARTUPINFO does
// not hide the windows that the DLL opens.
func startProcess(program string) (*childProcess, error) {
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
	p.cmd.SysProcAttr = &syscall.SysProcAttr{AdditionalInheritedHandles: handles, CreationFlags: windows.DETACHED_PROCESS}
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
	// The child waits for its job before it loads the DLL, and so has started
	// nothing yet.
	p.job, p.handle, p.jobErr = jobFor(uint32(p.cmd.Process.Pid))
	return p, nil
}

// jobFor assigns a process to a new job object.
func jobFor(pid uint32) (job, process windows.Handle, err error) {
	job, err = windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, 0, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		process, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE|windows.SYNCHRONIZE, false, pid)
	}
	if err == nil {
		if err = windows.AssignProcessToJobObject(job, process); err != nil {
			windows.CloseHandle(process)
		}
	}
	if err != nil {
		windows.CloseHandle(job)
		return 0, 0, err
	}
	return job, process, nil
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

func (p *childProcess) kill() {
	p.cmd.Process.Kill()
}

func (p *childProcess) wait() exitStatus {
	if p.job != 0 {
		// What the DLL has started may have inherited standard error, which
		// cmd.Wait reads to its end.
		windows.WaitForSingleObject(p.handle, windows.INFINITE)
		windows.TerminateJobObject(p.job, 1)
	}
	p.cmd.Wait()
	if p.job != 0 {
		windows.CloseHandle(p.handle)
		windows.CloseHandle(p.job)
	}
	p.in.Close()
	p.out.Close()
	code := uint32(p.cmd.ProcessState.ExitCode())
	return exitStatus{code: code, exception: exceptionOf(code, p.messages.b)}
}

// childMain runs the child process if this process is one.
func childMain() {
	spec, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	os.Unsetenv(childEnv)
	var in, out uintptr
	if _, err := fmt.Sscanf(spec, "%d,%d", &in, &out); err != nil {
		fmt.Fprintf(os.Stderr, "dll: %s is set to %q, which no parent process has done\n", childEnv, spec)
		os.Exit(2)
	}
	for _, h := range []uintptr{in, out} {
		inherit(syscall.Handle(h), false) // not for what the DLL may start
	}
	// The loader lock, which a DLL may hold for ever, does not stop
	// TerminateProcess, as it would ExitProcess.
	die := func() { windows.TerminateProcess(windows.CurrentProcess(), 1) }
	if runChild(os.NewFile(in, "from parent"), os.NewFile(out, "to parent"), newProcessMemory, invoke, die) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}
