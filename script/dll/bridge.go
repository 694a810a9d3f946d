package dll

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// bridge turns the C callbacks of one run into calls of a ras.API. Its methods
// named after callbacks take the C arguments as numbers and return the DWORD
// that the DLL gets; they may be called from any thread, at any time, and after
// the run too.
//
// The checks come in one order everywhere: the port handle, the buffer, the
// size, and then what only the API knows.
type bridge struct {
	ctx    context.Context // of the run; its end makes all callbacks fail
	cancel context.CancelCauseFunc
	line   *line
	sys    system
	trace  func(record) // nil: nobody reads it
	relay  *relay

	mu     sync.Mutex // guards what follows and the contents of all memory
	blocks map[uintptr]*block
	inside int // callbacks that are running
	closed bool
}

// block is a buffer that the DLL has: its memory, and the ras.Buffer behind it.
type block struct {
	addr uintptr
	mem  []byte
	buf  ras.Buffer
	use  turn // taken while buf's bytes are in use
}

func newBridge(ctx context.Context, l *line, sys system, trace func(record)) *bridge {
	ctx, cancel := context.WithCancelCause(ctx)
	return &bridge{
		ctx:    ctx,
		cancel: cancel,
		line:   l,
		sys:    sys,
		trace:  trace,
		relay:  newRelay(ctx, l.cancelReceive),
		blocks: make(map[uintptr]*block),
	}
}

// close ends the run: callbacks that come later are refused, a receive that is
// still posted is forgotten, and the memory goes when the last callback that is
// still running has left. It returns how many buffers the DLL did not free.
func (b *bridge) close() (leaked int) {
	b.mu.Lock()
	b.closed = true
	leaked = len(b.blocks)
	b.mu.Unlock()
	b.relay.stop(b.cancel)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside++
	b.leaveLocked()
	return leaked
}

func (b *bridge) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.inside++
	return true
}

func (b *bridge) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaveLocked()
}

func (b *bridge) leaveLocked() {
	if b.inside--; b.closed && b.inside == 0 {
		b.sys.release()
	}
}

// answer runs one callback and turns its error into the code that the DLL gets.
func (b *bridge) answer(r record, f func(r *record) error) uint32 {
	if !b.enter() {
		return uint32(afterwards(r.callback))
	}
	defer b.leave()
	r.code = ras.CodeOf(f(&r))
	if b.trace != nil {
		b.trace(r)
	}
	return uint32(r.code)
}

// afterwards is the answer to a callback that is used when its run is over.
func afterwards(c callback) ras.Code {
	if c == cbGet {
		return ras.ErrOutOfBuffers
	}
	return ras.ErrInvalidPortHandle
}

func (b *bridge) getBuffer(ppBuffer, pdwSize uintptr) uint32 {
	return b.answer(record{callback: cbGet}, func(r *record) error {
		want, err := b.loadSize(pdwSize)
		if err != nil || ppBuffer == 0 {
			return failure(cbGet, ras.ErrInvalidParameter)
		}
		blk, err := b.grant(int(min(want, ras.MaxBuffer)))
		if err != nil {
			return err
		}
		r.size = uint32(len(blk.mem))
		if b.storePointer(ppBuffer, blk.addr) != nil || b.storeSize(pdwSize, r.size) != nil {
			b.take(blk)
			return failure(cbGet, ras.ErrInvalidParameter)
		}
		return nil
	})
}

func (b *bridge) freeBuffer(pBuffer uintptr) uint32 {
	return b.answer(record{callback: cbFree}, func(*record) error {
		blk := b.find(pBuffer)
		if blk == nil {
			return failure(cbFree, ras.ErrBufferInvalid)
		}
		return b.take(blk)
	})
}

func (b *bridge) sendBuffer(hPort, pBuffer uintptr, dwSize uint32) uint32 {
	return b.answer(record{callback: cbSend, size: dwSize}, func(*record) error {
		blk, err := b.check(cbSend, hPort, pBuffer)
		switch {
		case err != nil:
			return err
		case uint64(dwSize) > uint64(len(blk.mem)):
			return failure(cbSend, ras.ErrBufferTooSmall)
		}
		if err := b.begin(cbSend, blk); err != nil {
			return err
		}
		defer blk.use.leave()
		if !b.copyOut(blk, int(dwSize)) {
			return failure(cbSend, ras.ErrBufferInvalid)
		}
		return b.line.send(b.ctx, blk.buf, int(dwSize))
	})
}

func (b *bridge) receiveBuffer(hPort, pBuffer, pdwSize uintptr, dwTimeOut uint32, hEvent uintptr) uint32 {
	return b.answer(record{callback: cbReceive, limit: dwTimeOut}, func(*record) error {
		blk, err := b.check(cbReceive, hPort, pBuffer)
		switch {
		case err != nil:
			return err
		case pdwSize != 0 && b.storeSize(pdwSize, 0) != nil:
			return failure(cbReceive, ras.ErrInvalidParameter)
		case hEvent == 0:
			return failure(cbReceive, ras.ErrInvalidHandle)
		}
		return b.relay.post(func() (signal, error) {
			return b.sys.event(hEvent)
		}, func(ev *ras.Event) error {
			return b.line.api.ReceiveBuffer(b.line.port, blk.buf, limitOf(dwTimeOut), ev)
		})
	})
}

func (b *bridge) retrieveBuffer(hPort, pBuffer, pdwSize uintptr) uint32 {
	return b.answer(record{callback: cbRetrieve}, func(r *record) error {
		blk, err := b.check(cbRetrieve, hPort, pBuffer)
		switch {
		case err != nil:
			return err
		case b.storeSize(pdwSize, 0) != nil:
			return failure(cbRetrieve, ras.ErrInvalidParameter)
		}
		if err := b.begin(cbRetrieve, blk); err != nil {
			return err
		}
		defer blk.use.leave()
		n, err := b.line.api.RetrieveBuffer(b.line.port, blk.buf)
		b.relay.retrieved(err)
		if err != nil {
			return err
		}
		r.size = uint32(n)
		b.copyIn(blk, n)
		return b.storeSize(pdwSize, r.size)
	})
}

func (b *bridge) setCommSettings(hPort, pSettings, pvReserved uintptr) uint32 {
	return b.answer(record{callback: cbSetComm}, func(*record) error {
		var c rasabi.CommSettings
		switch {
		case ras.Handle(hPort) != b.line.port:
			return failure(cbSetComm, ras.ErrInvalidPortHandle)
		case pvReserved != 0 || pSettings == 0 || b.sys.load(pSettings, c[:]) != nil:
			return failure(cbSetComm, ras.ErrInvalidParameter)
		case c.Size() != rasabi.CommSettingsSize:
			return failure(cbSetComm, ras.ErrInvalidSize)
		}
		if err := b.alive(cbSetComm); err != nil {
			return err
		}
		return b.line.setComm(ras.CommSettings{
			Size: c.Size(), Parity: c.Parity(), StopBits: c.StopBits(), ByteSize: c.ByteSize(),
		})
	})
}

// grant gets a buffer of the API and memory of the same size for the DLL.
func (b *bridge) grant(size int) (*block, error) {
	buf, err := b.line.api.GetBuffer(size)
	if err != nil {
		return nil, err
	}
	addr, mem, err := b.sys.alloc(len(buf.Bytes()))
	if err != nil {
		b.line.api.FreeBuffer(buf)
		return nil, &ras.Error{Op: callbackNames[cbGet], Code: ras.ErrOutOfBuffers, Err: err}
	}
	blk := &block{addr: addr, mem: mem, buf: buf, use: newTurn()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks[addr] = blk
	return blk, nil
}

// take frees a buffer. The API decides whether it can be freed now.
func (b *bridge) take(blk *block) error {
	b.relay.settle()
	if err := b.line.api.FreeBuffer(blk.buf); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.blocks, blk.addr)
	b.sys.free(blk.addr)
	return nil
}

// find returns the buffer that begins at addr, or nil.
func (b *bridge) find(addr uintptr) *block {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blocks[addr]
}

func (b *bridge) check(c callback, hPort, pBuffer uintptr) (*block, error) {
	if ras.Handle(hPort) != b.line.port {
		return nil, failure(c, ras.ErrInvalidPortHandle)
	}
	blk := b.find(pBuffer)
	if blk == nil {
		return nil, failure(c, ras.ErrBufferInvalid)
	}
	return blk, nil
}

// alive returns the error of a callback that comes when the run was ended.
func (b *bridge) alive(c callback) error {
	if b.ctx.Err() != nil {
		return failure(c, endCode(b.ctx))
	}
	return nil
}

// begin takes the turn to use a buffer's bytes.
func (b *bridge) begin(c callback, blk *block) error {
	if err := b.alive(c); err != nil {
		return err
	}
	return blk.use.take(b.ctx)
}

// copyOut copies n bytes from the DLL to the API's buffer, unless another
// thread has freed it meanwhile.
func (b *bridge) copyOut(blk *block, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blocks[blk.addr] != blk {
		return false
	}
	copy(blk.buf.Bytes(), blk.mem[:n])
	return true
}

// copyIn copies n bytes from the API's buffer to the DLL.
func (b *bridge) copyIn(blk *block, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blocks[blk.addr] == blk {
		copy(blk.mem, blk.buf.Bytes()[:n])
	}
}

func (b *bridge) loadSize(addr uintptr) (uint32, error) {
	var v [4]byte
	err := b.sys.load(addr, v[:])
	return binary.LittleEndian.Uint32(v[:]), err
}

func (b *bridge) storeSize(addr uintptr, v uint32) error {
	return b.sys.store(addr, binary.LittleEndian.AppendUint32(nil, v))
}

func (b *bridge) storePointer(addr, v uintptr) error {
	p := binary.LittleEndian.AppendUint64(nil, uint64(v))
	return b.sys.store(addr, p[:rasabi.Native])
}
