package dll

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

func supported() error { return nil }

var getExitCodeThread = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetExitCodeThread")

// systemText returns the text that Windows has for a code.
func systemText(c ras.Code) error { return windows.Errno(c) }

// loadLibrary loads the DLL and returns the address of its
// RasCustomScriptExecute. The DLLs that it needs are searched for beside it first.
func loadLibrary(path string) (uintptr, error) {
	h, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	if err != nil {
		cause := fmt.Errorf("%s: %w", path, err)
		switch err {
		case windows.ERROR_MOD_NOT_FOUND:
			if missing := missingImports(path, systemHas); len(missing) > 0 {
				cause = fmt.Errorf("%s needs %s, which is neither beside it nor in Windows: %w", path, strings.Join(missing, ", "), err)
			}
		case windows.ERROR_PROC_NOT_FOUND:
			cause = fmt.Errorf("%s needs a function that one of the DLLs it imports does not have (another version of it is installed): %w", path, err)
		case windows.ERROR_DLL_INIT_FAILED:
			cause = fmt.Errorf("%s: its DllMain refused to be loaded: %w", path, err)
		case windows.ERROR_NOACCESS:
			cause = fmt.Errorf("%s: its DllMain crashed with an access violation: %w", path, err)
		}
		return 0, &ras.Error{Op: opLoad, Code: ras.ErrModNotFound, Err: cause}
	}
	proc, err := windows.GetProcAddress(h, entryPoint)
	if err != nil {
		return 0, &ras.Error{Op: opLoad, Code: ras.ErrProcNotFound, Err: fmt.Errorf("%s: %w", path, err)}
	}
	return proc, nil
}

// systemHas reports whether a DLL of that name is where Windows searches for DLLs.
func systemHas(name string) bool {
	h, err := windows.LoadLibraryEx(name, 0, windows.LOAD_LIBRARY_AS_DATAFILE)
	if err == nil {
		windows.FreeLibrary(h)
	}
	return err == nil
}

// invoke is an invoker: it loads the DLL and calls its RasCustomScriptExecute on
// a thread that does nothing else.
func invoke(ctx context.Context, j *job, b *bridge) (*result, error) {
	a, err := newArguments(j, b)
	if err != nil {
		return nil, err
	}
	type end struct {
		code ras.Code
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		runtime.LockOSThread()
		self, err := windows.OpenThread(windows.SYNCHRONIZE|windows.THREAD_QUERY_LIMITED_INFORMATION, false, windows.GetCurrentThreadId())
		if err != nil {
			ended <- end{err: &ras.Error{Op: entryPoint, Code: ras.ErrUnknown, Err: err}}
			return
		}
		go func() { // a DLL may end the thread that it was called on
			windows.WaitForSingleObject(self, windows.INFINITE)
			var code uint32
			getExitCodeThread.Call(uintptr(self), uintptr(unsafe.Pointer(&code)))
			ended <- end{err: &ras.Error{Op: entryPoint, Code: ras.ErrUnknown,
				Err: fmt.Errorf("%s ended its thread with exit code %d instead of returning", j.path, code)}}
		}()
		proc, err := loadLibrary(j.path)
		if err != nil {
			ended <- end{err: err}
			select {} // the thread must not end, which would be reported as well
		}
		code, _, _ := syscall.SyscallN(proc, uintptr(j.port), a.phonebook, a.entry,
			a.procs[cbGet], a.procs[cbFree], a.procs[cbSend], a.procs[cbReceive], a.procs[cbRetrieve],
			uintptr(j.window), a.dialParams, a.extensions)
		ended <- end{code: ras.Code(uint32(code))}
		select {}
	}()
	stop := context.AfterFunc(ctx, cancelWindows)
	defer stop()
	e := <-ended
	if e.err != nil {
		return nil, e.err
	}
	res := &result{code: e.code}
	image, err := rasabi.ViewDialParams(a.params, rasabi.Native)
	if err != nil { // the DLL has changed dwSize, which means nothing for the rest
		image = rasabi.NewDialParams(rasabi.Native, j.header.version())
		copy(image.Bytes()[4:], a.params[4:])
	}
	err = res.read(image)
	clear(a.params)
	return res, err
}

// arguments are the structures and texts that a DLL gets, in memory that it may
// write to, and the callbacks.
type arguments struct {
	phonebook, entry, dialParams, extensions uintptr

	params []byte // the memory at dialParams
	procs  [callbacks]uintptr
}

func newArguments(j *job, b *bridge) (*arguments, error) {
	image, err := j.image()
	if err != nil {
		return nil, err
	}
	defer clear(image.Bytes())
	phonebook, entry, err := j.texts()
	if err != nil {
		return nil, err
	}
	a := &arguments{procs: functions(b)}
	ext := rasabi.NewExtensions(rasabi.Native, uint64(a.procs[cbSetComm]))
	for _, part := range []struct {
		addr *uintptr
		b    []byte
	}{{&a.phonebook, phonebook}, {&a.entry, entry}, {&a.extensions, ext.Bytes()}, {&a.dialParams, image.Bytes()}} {
		if len(part.b) == 0 {
			continue // NULL
		}
		addr, mem, err := b.sys.alloc(len(part.b))
		if err != nil {
			return nil, &ras.Error{Op: entryPoint, Code: ras.ErrNotEnoughMemory, Err: err}
		}
		copy(mem, part.b)
		*part.addr, a.params = addr, mem
	}
	return a, nil
}

// functions makes the C functions of the callbacks. Their arguments are numbers,
// never Go pointers.
func functions(b *bridge) [callbacks]uintptr {
	return [callbacks]uintptr{
		cbGet:  syscall.NewCallback(func(ppBuffer, pdwSize uintptr) uintptr { return uintptr(b.getBuffer(ppBuffer, pdwSize)) }),
		cbFree: syscall.NewCallback(func(pBuffer uintptr) uintptr { return uintptr(b.freeBuffer(pBuffer)) }),
		cbSend: syscall.NewCallback(func(hPort, pBuffer, dwSize uintptr) uintptr {
			return uintptr(b.sendBuffer(hPort, pBuffer, uint32(dwSize)))
		}),
		cbReceive: syscall.NewCallback(func(hPort, pBuffer, pdwSize, dwTimeOut, hEvent uintptr) uintptr {
			return uintptr(b.receiveBuffer(hPort, pBuffer, pdwSize, uint32(dwTimeOut), hEvent))
		}),
		cbRetrieve: syscall.NewCallback(func(hPort, pBuffer, pdwSize uintptr) uintptr {
			return uintptr(b.retrieveBuffer(hPort, pBuffer, pdwSize))
		}),
		cbSetComm: syscall.NewCallback(func(hPort, pSettings, pvReserved uintptr) uintptr {
			return uintptr(b.setCommSettings(hPort, pSettings, pvReserved))
		}),
	}
}
