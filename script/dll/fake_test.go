package dll

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/rasline/rasline/internal/rasabi"
	"github.com/rasline/rasline/ras"
)

// The tests in this file's company run scripts written in Go against the
// bridge, which cannot tell them from a DLL: they use numbers for addresses and
// handles. What only Windows can do is tested with real DLLs.

// fakeSystem is an address space and a handle table.
type fakeSystem struct {
	mu       sync.Mutex
	next     uintptr
	memory   map[uintptr][]byte
	constant uintptr // the address of memory that cannot be written to
	broken   map[uintptr]bool
	handles  map[uintptr]*fakeEvent
	used     map[uintptr]bool // addresses that were handed out
}

func newFakeSystem() *fakeSystem {
	s := &fakeSystem{
		next: 0x10000, memory: make(map[uintptr][]byte), broken: make(map[uintptr]bool),
		handles: make(map[uintptr]*fakeEvent), used: make(map[uintptr]bool),
	}
	s.constant, _, _ = s.alloc(8)
	return s
}

var errWild = errors.New("no memory there")

func (s *fakeSystem) alloc(size int) (uintptr, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next += 0x10000
	s.memory[s.next] = make([]byte, size)
	return s.next, s.memory[s.next], nil
}

func (s *fakeSystem) free(addr uintptr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.memory, addr)
}

func (s *fakeSystem) at(addr uintptr, n int) ([]byte, error) {
	for base, m := range s.memory {
		if addr >= base && addr-base+uintptr(n) <= uintptr(len(m)) {
			return m[addr-base:][:n], nil
		}
	}
	return nil, errWild
}

func (s *fakeSystem) load(addr uintptr, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.at(addr, len(b))
	copy(b, m)
	return err
}

func (s *fakeSystem) store(addr uintptr, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.at(addr, len(b))
	if addr == s.constant {
		return errWild
	}
	copy(m, b)
	return err
}

func (s *fakeSystem) writable(addr uintptr, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.at(addr, n)
	return err == nil && addr != s.constant
}

func (s *fakeSystem) intact(addr uintptr) bool { return !s.broken[addr] }

func (s *fakeSystem) event(handle uintptr) (signal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.handles[handle]
	if e == nil {
		return nil, ras.ErrInvalidHandle
	}
	e.reset()
	return e, nil
}

// fakeEvent is an auto-reset event.
type fakeEvent struct {
	ch    chan struct{}
	drops int
}

func (e *fakeEvent) set() {
	select {
	case e.ch <- struct{}{}:
	default:
	}
}

func (e *fakeEvent) drop() { e.drops++ }

func (e *fakeEvent) reset() {
	select {
	case <-e.ch:
	default:
	}
}

func (e *fakeEvent) wait() { <-e.ch }

// fakeDLL is the world of a script written in Go.
type fakeDLL struct {
	b    *bridge
	sys  *fakeSystem
	port uintptr
	size uintptr // address of a DWORD
	ptr  uintptr // address of a pointer
}

func newFakeDLL(b *bridge, sys *fakeSystem) *fakeDLL {
	d := &fakeDLL{b: b, sys: sys, port: uintptr(b.port)}
	d.size, _, _ = sys.alloc(4)
	d.ptr, _, _ = sys.alloc(int(rasabi.Native))
	return d
}

func (d *fakeDLL) get(size uint32) (uintptr, uint32) {
	d.setSize(size)
	code := d.b.getBuffer(d.ptr, d.size)
	var p [8]byte
	d.sys.load(d.ptr, p[:rasabi.Native])
	return uintptr(binary.LittleEndian.Uint64(p[:])), code
}

// grab is get for those who are sure to succeed.
func (d *fakeDLL) grab(size uint32) uintptr {
	addr, code := d.get(size)
	if code != 0 {
		panic(ras.Code(code))
	}
	return addr
}

func (d *fakeDLL) setSize(n uint32) {
	d.sys.store(d.size, binary.LittleEndian.AppendUint32(nil, n))
}

func (d *fakeDLL) gotSize() uint32 {
	var b [4]byte
	d.sys.load(d.size, b[:])
	return binary.LittleEndian.Uint32(b[:])
}

func (d *fakeDLL) free(addr uintptr) uint32 { return d.b.freeBuffer(addr) }

func (d *fakeDLL) send(addr uintptr, n uint32) uint32 { return d.b.sendBuffer(d.port, addr, n) }

func (d *fakeDLL) receive(addr uintptr, ms uint32, event uintptr) uint32 {
	return d.b.receiveBuffer(d.port, addr, 0, ms, event)
}

func (d *fakeDLL) retrieve(addr uintptr) uint32 { return d.b.retrieveBuffer(d.port, addr, d.size) }

func (d *fakeDLL) newEvent() (uintptr, *fakeEvent) {
	d.sys.mu.Lock()
	defer d.sys.mu.Unlock()
	h := uintptr(len(d.sys.handles)*4 + 0x100)
	e := &fakeEvent{ch: make(chan struct{}, 1)}
	d.sys.handles[h] = e
	return h, e
}

func (d *fakeDLL) closeEvent(h uintptr) {
	d.sys.mu.Lock()
	defer d.sys.mu.Unlock()
	delete(d.sys.handles, h)
}

func (d *fakeDLL) write(addr uintptr, text string) { d.sys.store(addr, []byte(text)) }

func (d *fakeDLL) read(addr uintptr, n uint32) string {
	b := make([]byte, n)
	if d.sys.load(addr, b) != nil {
		return "nothing there"
	}
	return string(b)
}

// say sends a text from a buffer of its own.
func (d *fakeDLL) say(text string) uint32 {
	b := d.grab(uint32(len(text)))
	d.write(b, text)
	code := d.send(b, uint32(len(text)))
	d.free(b)
	return code
}

// take posts a receive, waits and retrieves into the same buffer.
func (d *fakeDLL) take(addr uintptr, ms uint32) (string, uint32) {
	h, e := d.newEvent()
	if code := d.receive(addr, ms, h); code != 0 {
		return "", code
	}
	e.wait()
	code := d.retrieve(addr)
	return d.read(addr, d.gotSize()), code
}
