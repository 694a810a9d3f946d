package dll

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/rasline/rasline/ras"
)

// quarantine is how many freed regions stay reserved, untouchable, before the
// oldest is given back and its address can be used again.
const quarantine = 64

// processMemory is the system of a run: memory outside the Go heap.
type processMemory struct {
	strict bool

	mu    sync.Mutex         // guards what follows
	live  map[uintptr]region // by the address that was handed out
	freed []region           // the oldest first
}

// region is a piece of address space: its usable pages and the guard page
// behind them. The bytes between the end of the memory handed out and the guard
// page hold slackByte.
type region struct {
	base, usable uintptr
	slack        int
}

const slackByte = 0xFD

func (r region) release() { windows.VirtualFree(r.base, 0, windows.MEM_RELEASE) }

func newProcessMemory(strict bool) system {
	return &processMemory{strict: strict, live: make(map[uintptr]region)}
}

func (p *processMemory) alloc(size int) (uintptr, []byte, error) {
	page := os.Getpagesize()
	r := region{usable: uintptr((size + page - 1) / page * page)}
	var err error
	r.base, err = windows.VirtualAlloc(0, r.usable+uintptr(page), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return 0, nil, fmt.Errorf("VirtualAlloc: %w", err)
	}
	if _, err := windows.VirtualAlloc(r.base, r.usable, windows.MEM_COMMIT, windows.PAGE_READWRITE); err != nil {
		r.release()
		return 0, nil, fmt.Errorf("VirtualAlloc: %w", err)
	}
	addr := r.base + r.usable - uintptr(size)
	if !p.strict {
		addr &^= 15
	}
	r.slack = int(r.base + r.usable - addr - uintptr(size))
	for i := range p.slackAt(addr, r) {
		p.slackAt(addr, r)[i] = slackByte
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[addr] = r
	return addr, memoryAt(addr, size), nil
}

func (p *processMemory) slackAt(addr uintptr, r region) []byte {
	return memoryAt(r.base+r.usable-uintptr(r.slack), r.slack)
}

func (p *processMemory) intact(addr uintptr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.slackAt(addr, p.live[addr]) {
		if c != slackByte {
			return false
		}
	}
	return true
}

// memoryAt returns memory that Windows has allocated, and that therefore the
// garbage collector neither moves nor frees.
func memoryAt(addr uintptr, size int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size)
}

// free decommits the pages and keeps the addresses reserved.
func (p *processMemory) free(addr uintptr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.live[addr]
	if !ok {
		return
	}
	delete(p.live, addr)
	windows.VirtualFree(r.base, r.usable, windows.MEM_DECOMMIT)
	p.freed = append(p.freed, r)
	if len(p.freed) > quarantine {
		p.freed[0].release()
		p.freed = append(p.freed[:0], p.freed[1:]...)
	}
}

// load and store go through the kernel, which refuses an address that is not
// mapped, where a plain access would end the process. WriteProcessMemory lifts
// the protection of read-only pages, constants and code, so that is checked
// before.

func (p *processMemory) load(addr uintptr, b []byte) error {
	return windows.ReadProcessMemory(windows.CurrentProcess(), addr, &b[0], uintptr(len(b)), nil)
}

func (p *processMemory) store(addr uintptr, b []byte) error {
	if !p.writable(addr, len(b)) {
		return windows.ERROR_NOACCESS
	}
	return windows.WriteProcessMemory(windows.CurrentProcess(), addr, &b[0], uintptr(len(b)), nil)
}

// memoryInformation is MEMORY_BASIC_INFORMATION. That of package windows has a
// field that 32-bit Windows lacks.
type memoryInformation struct {
	BaseAddress, AllocationBase uintptr
	AllocationProtect           uint32
	RegionSize                  uintptr
	State, Protect, Type        uint32
}

var virtualQuery = windows.NewLazySystemDLL("kernel32.dll").NewProc("VirtualQuery")

func (p *processMemory) writable(addr uintptr, n int) bool {
	const writes = windows.PAGE_READWRITE | windows.PAGE_WRITECOPY | windows.PAGE_EXECUTE_READWRITE | windows.PAGE_EXECUTE_WRITECOPY
	end := addr + uintptr(n)
	if end < addr {
		return false
	}
	for addr < end {
		var info memoryInformation
		n, _, _ := virtualQuery.Call(addr, uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info))
		if n == 0 || info.State != windows.MEM_COMMIT || info.Protect&writes == 0 || info.Protect&windows.PAGE_GUARD != 0 {
			return false
		}
		addr = info.BaseAddress + info.RegionSize
	}
	return true
}

// eventHandle is a duplicate of an event handle of the DLL's.
type eventHandle windows.Handle

// event implements system. The duplicate names the same event for as long as we
// keep it, whatever the DLL does to its own handle.
func (p *processMemory) event(handle uintptr) (signal, error) {
	self := windows.CurrentProcess()
	var dup windows.Handle
	err := windows.DuplicateHandle(self, windows.Handle(handle), self, &dup, 0, false, windows.DUPLICATE_SAME_ACCESS)
	if err == nil {
		if err = windows.ResetEvent(dup); err != nil {
			windows.CloseHandle(dup)
		}
	}
	if err != nil {
		return nil, &ras.Error{Op: callbackNames[cbReceive], Code: ras.ErrInvalidHandle, Err: err}
	}
	return eventHandle(dup), nil
}

func (e eventHandle) set() {
	windows.SetEvent(windows.Handle(e))
	windows.CloseHandle(windows.Handle(e))
}

func (e eventHandle) drop() { windows.CloseHandle(windows.Handle(e)) }
