//go:build cgo

package dllexport

// #include "glue_windows.h"
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

func supported() error { return nil }

// The C side calls these three through pointers: functions that cgo exports
// would be exports of the DLL, which is to have one.
func init() {
	C.rasline_ready(C.uintptr_t(windows.NewCallback(startRun)), C.uintptr_t(windows.NewCallback(cancelRun)), C.uintptr_t(windows.NewCallback(finishRun)))
}

// startRun starts the script and returns the number of the run. a lives until
// finishRun.
func startRun(a *C.rasline_args) uintptr {
	r := start(func(ctx context.Context) ras.Code {
		return execute(ctx, a)
	}, func() {
		windows.SetEvent(windows.Handle(uintptr(unsafe.Pointer(a.done))))
	})
	return uintptr(cgo.NewHandle(r))
}

func cancelRun(run uintptr) uintptr {
	cgo.Handle(run).Value().(*running).cancel()
	return 0
}

// finishRun waits for a run and returns what the host gets.
func finishRun(run uintptr) uintptr {
	h := cgo.Handle(run)
	defer h.Delete()
	return uintptr(h.Value().(*running).finish())
}

func execute(ctx context.Context, a *C.rasline_args) ras.Code {
	r := currentRegistration()
	params, err := viewParams(a)
	if err != nil {
		r.log.Error("the host's parameters are not RASDIALPARAMSW", "error", err)
		return ras.ErrInvalidParameter
	}
	return r.run(ctx, &invocation{
		host:      (*pointers)(a),
		port:      ras.Handle(uintptr(unsafe.Pointer(a.port))),
		phonebook: textAt(a.phonebook),
		entry:     textAt(a.entry),
		params:    params,
		userName:  windowsUser,
	})
}

// viewParams returns the host's structure, whose first field specifies its size.
func viewParams(a *C.rasline_args) (rasabi.DialParams, error) {
	if a.params == nil {
		return rasabi.DialParams{}, &rasabi.SizeError{Struct: "RASDIALPARAMSW"}
	}
	size := *(*uint32)(unsafe.Pointer(a.params))
	size = min(size, uint32(rasabi.DialParamsSize(rasabi.Native, rasabi.Windows8)))
	return rasabi.ViewDialParams(unsafe.Slice((*byte)(unsafe.Pointer(a.params)), max(size, 4)), rasabi.Native)
}

func textAt(p C.LPCWSTR) string { return windows.UTF16PtrToString((*uint16)(unsafe.Pointer(p))) }

// windowsUser returns the name of the user whose process this is, or nothing.
func windowsUser() string {
	var b [257]uint16
	n := uint32(len(b))
	proc := windows.NewLazySystemDLL("advapi32.dll").NewProc("GetUserNameW")
	if proc.Find() != nil {
		return ""
	}
	if ok, _, _ := proc.Call(uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n))); ok == 0 {
		return ""
	}
	return windows.UTF16ToString(b[:])
}

func modulePath() string {
	m := C.rasline_module(C.GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT)
	if m == C.GetModuleHandleW(nil) {
		return "" // the module is a program
	}
	b := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetModuleFileName(windows.Handle(uintptr(unsafe.Pointer(m))), &b[0], uint32(len(b)))
	if err != nil {
		return ""
	}
	return windows.UTF16ToString(b[:n])
}

// pointers is the host's function pointers.
type pointers C.rasline_args

func (p *pointers) args() *C.rasline_args { return (*C.rasline_args)(p) }

func pointerTo(mem []byte) C.PBYTE { return C.PBYTE(unsafe.Pointer(unsafe.SliceData(mem))) }

func (p *pointers) getBuffer(size uint32) ([]byte, ras.Code) {
	var mem C.PBYTE
	n := C.DWORD(size)
	code := ras.Code(C.rasline_get(p.args(), &mem, &n))
	if code != ras.Success || mem == nil {
		return nil, code
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(mem)), n), code
}

func (p *pointers) freeBuffer(mem []byte) ras.Code {
	return ras.Code(C.rasline_free(p.args(), pointerTo(mem)))
}

func (p *pointers) sendBuffer(mem []byte, n uint32) ras.Code {
	return ras.Code(C.rasline_send(p.args(), pointerTo(mem), C.DWORD(n)))
}

func (p *pointers) receiveBuffer(mem []byte, ms uint32, ev hostEvent) ras.Code {
	n := C.DWORD(len(mem))
	h := C.uintptr_t(ev.(*event).handle)
	return ras.Code(C.rasline_receive(p.args(), pointerTo(mem), &n, C.DWORD(ms), h))
}

func (p *pointers) retrieveBuffer(mem []byte) (uint32, ras.Code) {
	n := C.DWORD(len(mem))
	code := ras.Code(C.rasline_retrieve(p.args(), pointerTo(mem), &n))
	return uint32(n), code
}

func (p *pointers) setCommSettings(c rasabi.CommSettings) ras.Code {
	return ras.Code(C.rasline_set_comm(p.args(), unsafe.Pointer(&c)))
}

func (p *pointers) newEvent() (hostEvent, error) { return newEvent() }

func currentRegistration() registration {
	if r := registered.Load(); r != nil {
		return *r
	}
	return registration{}
}
