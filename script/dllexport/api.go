package dllexport

import (
	"context"
	"fmt"
	"sync"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// The names of the callbacks, for errors.
const (
	opGet      = "RasGetBuffer"
	opFree     = "RasFreeBuffer"
	opSend     = "RasSendBuffer"
	opReceive  = "RasReceiveBuffer"
	opRetrieve = "RasRetrieveBuffer"
	opSetComm  = "RasSetCommSettings"
)

// api is the ras.API of one run over the host's function pointers.
//
// The documentation leaves open what a host does when the limit of a receive
// passes: whether it signals, and what RasRetrieveBuffer then returns. So api
// keeps the limit itself as well, a little later than the host, and takes
// ERROR_REQUEST_TIMEOUT and 0 bytes for the same. A receive that the host still
// has posted then serves the next ReceiveBuffer.
type api struct {
	host   host
	port   ras.Handle
	ctx    context.Context // of the run
	cancel context.CancelFunc
	unhook func() bool    // forgets to call runEnded
	wg     sync.WaitGroup // waiters and clocks

	mu      sync.Mutex // guards what follows; not held while the host sends
	buffers map[*buffer]bool
	rx      receive
	unread  []byte // what the host returned beyond the requested size
	closed  bool
}

var _ ras.API = (*api)(nil)

// buffer is memory of the host's. Several buffers share the memory of a receive
// that the host keeps although the executor has given it up; see GetBuffer.
type buffer struct {
	mem    []byte // what the host granted
	data   []byte // its beginning, of the requested size
	shared *int   // how many buffers have mem
}

func (b *buffer) Bytes() []byte { return b.data }

func failure(op string, code ras.Code) error {
	if code == ras.Success {
		return nil
	}
	return &ras.Error{Op: op, Code: code}
}

// check makes the checks that are first in every call. a.mu is held.
func (a *api) check(op string, port ras.Handle, b ras.Buffer) (*buffer, error) {
	if a.closed || port != a.port {
		return nil, failure(op, ras.ErrInvalidPortHandle)
	}
	own, ok := b.(*buffer)
	if !ok || !a.buffers[own] {
		return nil, failure(op, ras.ErrBufferInvalid)
	}
	return own, nil
}

// ended returns the error of a call that needs the line when the run is over.
func (a *api) ended(op string) error {
	if a.ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ras.ContextError(a.ctx))
	}
	return nil
}

// GetBuffer implements ras.API.
func (a *api) GetBuffer(size int) (ras.Buffer, error) {
	if size <= 0 || size > ras.MaxBuffer {
		size = ras.MaxBuffer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, failure(opGet, ras.ErrOutOfBuffers)
	}
	mem, code := a.host.getBuffer(uint32(size))
	if code == ras.Success && len(mem) == 0 {
		code = ras.ErrOutOfBuffers
	}
	shared := new(int)
	if code == ras.ErrOutOfBuffers && a.rx.atHost && !a.rx.open() {
		// The host has none but that of the receive that it still has, which
		// the next receive continues with.
		mem, shared, code = a.rx.buf.mem, a.rx.buf.shared, ras.Success
	}
	if code != ras.Success {
		return nil, failure(opGet, code)
	}
	size = min(size, len(mem))
	b := &buffer{mem: mem, data: mem[:size:size], shared: shared}
	if *shared++; *shared > 1 {
		a.rx.buf = b
	} else {
		clear(mem)
	}
	a.buffers[b] = true
	return b, nil
}

// FreeBuffer implements ras.API.
func (a *api) FreeBuffer(b ras.Buffer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	own, err := a.check(opFree, a.port, b)
	switch {
	case err != nil:
		return err
	case a.rx.atHost && a.rx.buf == own:
		return failure(opFree, ras.ErrAsyncRequestPending)
	}
	if *own.shared == 1 {
		if code := a.host.freeBuffer(own.mem); code != ras.Success {
			return failure(opFree, code)
		}
	}
	*own.shared--
	delete(a.buffers, own)
	return nil
}

// SendBuffer implements ras.API.
func (a *api) SendBuffer(port ras.Handle, b ras.Buffer, n int) error {
	a.mu.Lock()
	own, err := a.check(opSend, port, b)
	switch {
	case err != nil:
	case n < 0:
		err = failure(opSend, ras.ErrInvalidParameter)
	case n > len(own.data):
		err = failure(opSend, ras.ErrBufferTooSmall)
	case a.rx.atHost && a.rx.buf == own:
		err = failure(opSend, ras.ErrAsyncRequestPending)
	default:
		err = a.ended(opSend)
	}
	a.mu.Unlock()
	if err != nil || n == 0 {
		return err
	}
	return failure(opSend, a.host.sendBuffer(own.mem, uint32(n)))
}

// SetCommSettings implements ras.API. Without the extension structure, which
// RAS gives since Windows 2000 SP2, it fails with ErrNotSupported.
func (a *api) SetCommSettings(port ras.Handle, s ras.CommSettings) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || port != a.port {
		return failure(opSetComm, ras.ErrInvalidPortHandle)
	}
	if _, err := s.Mode(); err != nil {
		return err
	}
	if err := a.ended(opSetComm); err != nil {
		return err
	}
	return failure(opSetComm, a.host.setCommSettings(rasabi.NewCommSettings(s.Parity, s.StopBits, s.ByteSize)))
}

// close ends the run and returns how many buffers it left unfreed, which the host
// gets back, and how many received bytes it did not use. A receive that the host
// still has stays there: its event is kept open, since the host may still signal
// it.
func (a *api) close() (leaked, unused int) {
	a.mu.Lock()
	a.closed = true
	a.rx.posted = false
	a.rx.stopClock()
	a.mu.Unlock()
	a.unhook()
	a.cancel()
	a.wg.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for b := range a.buffers {
		if a.rx.atHost && a.rx.buf.shared == b.shared {
			continue
		}
		if *b.shared--; *b.shared == 0 {
			a.host.freeBuffer(b.mem)
		}
		leaked++
	}
	if a.rx.event != nil {
		a.rx.event.close(a.rx.atHost)
	}
	return leaked, len(a.unread)
}
