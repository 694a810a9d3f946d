package dll

import (
	"context"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

func supported() error { return nil }

// library is a DLL that this process has loaded.
type library struct {
	use sync.RWMutex // held for reading while the DLL runs

	mu      sync.Mutex
	handle  windows.Handle
	execute uintptr // RasCustomScriptExecute
}

// load loads the DLL if that has not been done. The DLLs that it needs are
// looked for beside it.
func (l *library) load(path string) (uintptr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.execute != 0 {
		return l.execute, nil
	}
	h, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	if err != nil {
		return 0, loadError(ras.ErrModNotFound, err)
	}
	proc, err := windows.GetProcAddress(h, entryPoint)
	if err != nil {
		windows.FreeLibrary(h)
		return 0, loadError(ras.ErrProcNotFound, err)
	}
	l.handle, l.execute = h, proc
	return proc, nil
}

func (l *library) unload() error {
	l.use.Lock()
	defer l.use.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.execute == 0 {
		return nil
	}
	h := l.handle
	l.handle, l.execute = 0, 0
	return windows.FreeLibrary(h)
}

func (d *DLL) runHere(ctx context.Context, j *job, l *line) (*result, error) {
	return d.here.invoke(ctx, j, l, traceTo(ctx, d.cfg.Log))
}

// invoke is an invoker: it calls the DLL's RasCustomScriptExecute.
func (lib *library) invoke(ctx context.Context, j *job, l *line, trace func(record)) (*result, error) {
	lib.use.RLock()
	defer lib.use.RUnlock()
	proc, err := lib.load(j.path)
	if err != nil {
		return nil, err
	}
	sys := newProcessMemory()
	b := newBridge(ctx, l, sys, trace)
	s, err := acquireSlot(ctx, b)
	if err != nil {
		b.close()
		return nil, err
	}
	a, err := newArguments(j, sys, s)
	res := new(result)
	if err == nil {
		res.code = a.call(ctx, proc, j, s)
		err = res.read(a.image)
		clear(a.params)
	}
	s.release()
	res.leaked = b.close()
	return res, err
}

// arguments are the structures and texts that a DLL gets, in memory that it may
// write to.
type arguments struct {
	phonebook, entry, dialParams, extensions uintptr

	params []byte // the memory at dialParams
	image  rasabi.DialParams
}

func newArguments(j *job, sys system, s *slot) (*arguments, error) {
	image, err := j.image()
	if err != nil {
		return nil, err
	}
	defer clear(image.Bytes())
	phonebook, entry, err := j.texts()
	if err != nil {
		return nil, err
	}
	a := new(arguments)
	ext := rasabi.NewExtensions(rasabi.Native, uint64(s.procs[cbSetComm]))
	for _, part := range []struct {
		addr *uintptr
		b    []byte
	}{{&a.phonebook, phonebook}, {&a.entry, entry}, {&a.extensions, ext.Bytes()}, {&a.dialParams, image.Bytes()}} {
		if len(part.b) == 0 {
			continue // NULL
		}
		addr, mem, err := sys.alloc(len(part.b))
		if err != nil {
			return nil, &ras.Error{Op: entryPoint, Code: ras.ErrNotEnoughMemory, Err: err}
		}
		copy(mem, part.b)
		*part.addr, a.params = addr, mem
	}
	return a, a.view()
}

// view makes image an image of the DLL's own copy, which was allocated last.
func (a *arguments) view() error {
	var err error
	a.image, err = rasabi.ViewDialParams(a.params, rasabi.Native)
	return err
}

// call blocks until the DLL returns. If ctx ends meanwhile, the DLL's windows
// are told.
func (a *arguments) call(ctx context.Context, proc uintptr, j *job, s *slot) ras.Code {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := windows.GetCurrentThreadId()
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		cancelWindows(thread)
	})
	code, _, _ := syscall.SyscallN(proc, uintptr(j.port), a.phonebook, a.entry,
		s.procs[cbGet], s.procs[cbFree], s.procs[cbSend], s.procs[cbReceive], s.procs[cbRetrieve],
		uintptr(j.window), a.dialParams, a.extensions)
	if !stop() {
		<-told
	}
	return ras.Code(uint32(code))
}
