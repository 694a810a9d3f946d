package dll

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
)

// slotCount is how many DLLs can run in this process at once; the next one
// waits. Go never frees a callback, so a fixed set is made, each slot at its
// first use. A slot tells runs apart, since RasGetBuffer and RasFreeBuffer
// carry no port handle.
const slotCount = 16

// slot is one set of C function pointers and the run that they serve now.
type slot struct {
	once    sync.Once
	current atomic.Pointer[bridge]
	procs   [callbacks]uintptr
}

// slots holds the free ones. They come round in turn, so that a function
// pointer that a DLL kept from an earlier run most likely belongs to nobody.
var slots = sync.OnceValue(func() chan *slot {
	free := make(chan *slot, slotCount)
	for range slotCount {
		free <- new(slot)
	}
	return free
})

// acquireSlot returns a slot whose callbacks go to b until release.
func acquireSlot(ctx context.Context, b *bridge) (*slot, error) {
	select {
	case s := <-slots():
		s.once.Do(s.make)
		s.current.Store(b)
		return s, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// release makes the slot's callbacks answer that the run is over.
func (s *slot) release() {
	s.current.Store(nil)
	slots() <- s
}

// make makes the C functions. Their arguments are numbers, never Go pointers.
func (s *slot) make() {
	s.procs = [callbacks]uintptr{
		cbGet: syscall.NewCallback(func(ppBuffer, pdwSize uintptr) uintptr {
			return s.answer(cbGet, func(b *bridge) uint32 { return b.getBuffer(ppBuffer, pdwSize) })
		}),
		cbFree: syscall.NewCallback(func(pBuffer uintptr) uintptr {
			return s.answer(cbFree, func(b *bridge) uint32 { return b.freeBuffer(pBuffer) })
		}),
		cbSend: syscall.NewCallback(func(hPort, pBuffer, dwSize uintptr) uintptr {
			return s.answer(cbSend, func(b *bridge) uint32 { return b.sendBuffer(hPort, pBuffer, uint32(dwSize)) })
		}),
		cbReceive: syscall.NewCallback(func(hPort, pBuffer, pdwSize, dwTimeOut, hEvent uintptr) uintptr {
			return s.answer(cbReceive, func(b *bridge) uint32 {
				return b.receiveBuffer(hPort, pBuffer, pdwSize, uint32(dwTimeOut), hEvent)
			})
		}),
		cbRetrieve: syscall.NewCallback(func(hPort, pBuffer, pdwSize uintptr) uintptr {
			return s.answer(cbRetrieve, func(b *bridge) uint32 { return b.retrieveBuffer(hPort, pBuffer, pdwSize) })
		}),
		cbSetComm: syscall.NewCallback(func(hPort, pSettings, pvReserved uintptr) uintptr {
			return s.answer(cbSetComm, func(b *bridge) uint32 { return b.setCommSettings(hPort, pSettings, pvReserved) })
		}),
	}
}

func (s *slot) answer(c callback, f func(*bridge) uint32) uintptr {
	b := s.current.Load()
	if b == nil {
		return uintptr(afterwards(c))
	}
	return uintptr(f(b))
}
