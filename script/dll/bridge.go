package dll

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// bridge is the child process's side of the callbacks: it converts the C
// arguments of each to a message to the parent, and the parent's reply to the
// results that the DLL gets. It has the memory, the events and the port handle;
// the parent has the buffers, the receives and the line (see server).
//
// Its methods named after callbacks accept the C arguments as numbers and
// return the DWORD that the DLL gets. They may be called from any thread, at
// any time, and after the DLL has returned too.
//
// The checks have one order everywhere: the port handle, the buffer, the size,
// and then what only the parent can check.
//
//	callback   running               closed                 ended
//	get        the parent answers    ErrOutOfBuffers        ErrPortDisconnected
//	others     the parent answers    ErrInvalidPortHandle   ErrPortDisconnected
//	event      set                   not set any more       not set any more
//
// posted and retrieved belong together: the receive with the id posted has a
// result that was not retrieved once its signal is no longer in signals.
type bridge struct {
	port   ras.Handle
	w      *messageWriter
	sys    system
	traced bool // the parent wants mTrace messages

	mu        sync.Mutex // guards what follows and the contents of all memory
	blocks    map[uintptr]*block
	damaged   int                     // freed blocks that were written past their end
	last      uint32                  // the request id used last
	calls     map[uint32]chan message // requests without an answer
	signals   map[uint32]signal       // of receives without a result, by the request's id
	posted    uint32                  // the request id of the last receive
	retrieved bool                    // its result was retrieved
	closed    bool                    // the DLL has returned
	ended     bool                    // the pipe from the parent has ended
}

// block is a buffer that the DLL has: its memory, and the parent's number.
type block struct {
	addr uintptr
	mem  []byte
	id   uint32
}

// close ends the run: later callbacks are refused, and the event of a receive
// that is still posted is not set any more. It returns how many buffers the DLL
// did not free, and how many it has written past the end of. The memory is
// released with the process.
func (b *bridge) close() (leaked, damaged int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for id, s := range b.signals {
		delete(b.signals, id)
		s.drop()
	}
	for addr := range b.blocks {
		if !b.sys.intact(addr) {
			b.damaged++
		}
	}
	return len(b.blocks), b.damaged
}

// read handles the parent's messages until the pipe ends, and calls cancelled
// when the run is cancelled. runChild starts it on a goroutine.
func (b *bridge) read(r io.Reader, cancelled func(ras.Code)) {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ended = true
		for id, ch := range b.calls {
			delete(b.calls, id)
			close(ch)
		}
	}()
	for {
		m, err := readMessage(r)
		if err != nil {
			return
		}
		switch m.kind {
		case mReply:
			b.reply(m)
		case mSignal:
			b.signal(m.id)
		case mCancel:
			cancelled(m.code)
		}
	}
}

func (b *bridge) reply(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.signals[m.id]; s != nil && m.code != ras.Success {
		delete(b.signals, m.id)
		s.drop()
	}
	if ch := b.calls[m.id]; ch != nil {
		delete(b.calls, m.id)
		ch <- m
	}
}

// signal sets the event of a receive.
func (b *bridge) signal(id uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.signals[id]; s != nil {
		delete(b.signals, id)
		s.set()
	}
}

// call sends a request and waits for its answer. The signal, if not nil, is set
// when the parent signals the request's id, and dropped if the answer is an
// error.
func (b *bridge) call(m message, s signal) (message, ras.Code) {
	ch := make(chan message, 1)
	b.mu.Lock()
	if b.ended || b.closed {
		b.mu.Unlock()
		if s != nil {
			s.drop()
		}
		return message{}, ras.ErrPortDisconnected
	}
	b.last++
	m.id = b.last
	b.calls[m.id] = ch
	if s != nil {
		b.signals[m.id], b.posted, b.retrieved = s, m.id, false
	}
	b.mu.Unlock()
	if b.w.write(m) != nil {
		b.reply(message{id: m.id, code: ras.ErrPortDisconnected})
	}
	reply, ok := <-ch
	if !ok {
		return message{}, ras.ErrPortDisconnected
	}
	return reply, reply.code
}

// answer runs one callback and records what the DLL gets.
func (b *bridge) answer(r record, f func(r *record) ras.Code) uint32 {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		if r.callback == cbGet {
			return uint32(ras.ErrOutOfBuffers)
		}
		return uint32(ras.ErrInvalidPortHandle)
	}
	r.code = f(&r)
	if b.traced {
		b.w.write(message{kind: mTrace, id: uint32(r.callback), value: r.size, limit: r.limit, code: r.code})
	}
	return uint32(r.code)
}

func (b *bridge) getBuffer(ppBuffer, pdwSize uintptr) uint32 {
	return b.answer(record{callback: cbGet}, func(r *record) ras.Code {
		var size [4]byte
		if b.sys.load(pdwSize, size[:]) != nil || !b.sys.writable(pdwSize, len(size)) || !b.sys.writable(ppBuffer, int(rasabi.Native)) {
			return ras.ErrInvalidParameter
		}
		want := min(binary.LittleEndian.Uint32(size[:]), ras.MaxBuffer)
		reply, code := b.call(message{kind: mGet, value: want}, nil)
		if code != ras.Success {
			return code
		}
		addr, mem, err := b.sys.alloc(int(min(reply.value, ras.MaxBuffer)))
		if err != nil {
			b.call(message{kind: mFree, buffer: reply.buffer}, nil)
			return ras.ErrOutOfBuffers
		}
		r.size = uint32(len(mem))
		blk := &block{addr, mem, reply.buffer}
		b.mu.Lock()
		b.blocks[addr] = blk
		b.mu.Unlock()
		pointer := binary.LittleEndian.AppendUint64(nil, uint64(addr))[:rasabi.Native]
		if b.sys.store(ppBuffer, pointer) != nil || b.storeSize(pdwSize, r.size) != nil {
			b.free(blk)
			return ras.ErrInvalidParameter
		}
		return ras.Success
	})
}

func (b *bridge) freeBuffer(pBuffer uintptr) uint32 {
	return b.answer(record{callback: cbFree}, func(*record) ras.Code {
		blk := b.find(pBuffer)
		if blk == nil {
			return ras.ErrBufferInvalid
		}
		return b.free(blk)
	})
}

// free frees a buffer if the parent permits it now.
func (b *bridge) free(blk *block) ras.Code {
	if _, code := b.call(message{kind: mFree, buffer: blk.id}, nil); code != ras.Success {
		return code
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.sys.intact(blk.addr) {
		b.damaged++
	}
	delete(b.blocks, blk.addr)
	b.sys.free(blk.addr)
	return ras.Success
}

func (b *bridge) sendBuffer(hPort, pBuffer uintptr, dwSize uint32) uint32 {
	return b.answer(record{callback: cbSend, size: dwSize}, func(*record) ras.Code {
		blk, code := b.check(hPort, pBuffer)
		switch {
		case code != ras.Success:
			return code
		case uint64(dwSize) > uint64(len(blk.mem)):
			return ras.ErrBufferTooSmall
		}
		b.mu.Lock()
		if b.blocks[blk.addr] != blk { // another thread has freed it
			b.mu.Unlock()
			return ras.ErrBufferInvalid
		}
		data := append([]byte(nil), blk.mem[:dwSize]...)
		b.mu.Unlock()
		_, code = b.call(message{kind: mSend, buffer: blk.id, data: data}, nil)
		clear(data)
		return code
	})
}

func (b *bridge) receiveBuffer(hPort, pBuffer, pdwSize uintptr, dwTimeOut uint32, hEvent uintptr) uint32 {
	return b.answer(record{callback: cbReceive, limit: dwTimeOut}, func(*record) ras.Code {
		blk, code := b.check(hPort, pBuffer)
		switch {
		case code != ras.Success:
			return code
		case pdwSize != 0 && b.storeSize(pdwSize, 0) != nil:
			return ras.ErrInvalidParameter
		case hEvent == 0:
			return ras.ErrInvalidHandle
		}
		// A receive that has no result may have the same event, which must not
		// be reset then. One whose result was retrieved is about to be signalled.
		b.mu.Lock()
		pending := b.signals[b.posted] != nil && !b.retrieved
		b.mu.Unlock()
		if pending {
			return ras.ErrAsyncRequestPending
		}
		s, err := b.sys.event(hEvent)
		if err != nil {
			return ras.ErrInvalidHandle
		}
		_, code = b.call(message{kind: mReceive, buffer: blk.id, limit: dwTimeOut}, s)
		return code
	})
}

func (b *bridge) retrieveBuffer(hPort, pBuffer, pdwSize uintptr) uint32 {
	return b.answer(record{callback: cbRetrieve}, func(r *record) ras.Code {
		blk, code := b.check(hPort, pBuffer)
		switch {
		case code != ras.Success:
			return code
		case b.storeSize(pdwSize, 0) != nil:
			return ras.ErrInvalidParameter
		}
		b.mu.Lock()
		posted := b.posted
		b.mu.Unlock()
		reply, code := b.call(message{kind: mRetrieve, buffer: blk.id}, nil)
		b.mu.Lock()
		defer b.mu.Unlock()
		if code != ras.ErrPending && b.posted == posted {
			b.retrieved = true
		}
		if code != ras.Success {
			return code
		}
		if b.blocks[blk.addr] == blk {
			r.size = uint32(copy(blk.mem, reply.data))
		}
		if b.storeSize(pdwSize, r.size) != nil {
			return ras.ErrInvalidParameter
		}
		return ras.Success
	})
}

func (b *bridge) setCommSettings(hPort, pSettings, pvReserved uintptr) uint32 {
	return b.answer(record{callback: cbSetComm}, func(*record) ras.Code {
		var c rasabi.CommSettings
		switch {
		case ras.Handle(hPort) != b.port:
			return ras.ErrInvalidPortHandle
		case pvReserved != 0 || pSettings == 0 || b.sys.load(pSettings, c[:]) != nil:
			return ras.ErrInvalidParameter
		case c.Size() != rasabi.CommSettingsSize:
			return ras.ErrInvalidSize
		}
		_, code := b.call(message{kind: mSetComm, value: c.Size(), data: []byte{c.Parity(), c.StopBits(), c.ByteSize()}}, nil)
		return code
	})
}

// find returns the buffer that begins at addr, or nil.
func (b *bridge) find(addr uintptr) *block {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blocks[addr]
}

func (b *bridge) check(hPort, pBuffer uintptr) (*block, ras.Code) {
	if ras.Handle(hPort) != b.port {
		return nil, ras.ErrInvalidPortHandle
	}
	blk := b.find(pBuffer)
	if blk == nil {
		return nil, ras.ErrBufferInvalid
	}
	return blk, ras.Success
}

func (b *bridge) storeSize(addr uintptr, v uint32) error {
	return b.sys.store(addr, binary.LittleEndian.AppendUint32(nil, v))
}

// system is the part of Windows that a bridge uses: memory for the DLL, access
// to addresses that it passes, and its events. Tests have a system of their
// own.
type system interface {
	// alloc returns zeroed memory of size bytes, 1 or more, at an address that
	// is a multiple of 16, as of heap memory. It ends at most 15 bytes
	// before a page that cannot be accessed; a strict system lets it end there
	// exactly, whatever the address.
	alloc(size int) (addr uintptr, mem []byte, err error)

	// intact reports whether the bytes between the memory at addr, which alloc
	// returned, and the page after it are as alloc left them.
	intact(addr uintptr) bool

	// free makes the memory at addr, which alloc returned, inaccessible. The
	// address is not allocated again soon.
	free(addr uintptr)

	// load and store copy from and to an address of the DLL's, and writable
	// reports whether store would. An address that is not mapped, or not for
	// that access, makes them fail and changes nothing.
	load(addr uintptr, b []byte) error
	store(addr uintptr, b []byte) error
	writable(addr uintptr, n int) bool

	// event duplicates an event handle of the DLL's and resets the event.
	event(handle uintptr) (signal, error)
}

// signal is the event of one receive. Exactly one of its methods is called,
// once.
type signal interface {
	set()  // the receive has a result
	drop() // the DLL has returned, or the receive was not posted
}
