package dll

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/rasline/rasline/ras"
)

// conduct is what scripts do, right and wrong, and the code that comes of it.
var conduct = []struct {
	name string
	far  far
	run  goScript
	want ras.Code
}{
	{"free twice", silent, func(d *fakeDLL) uint32 {
		b := d.grab(100)
		d.free(b)
		return d.free(b)
	}, ras.ErrBufferInvalid},
	{"free what is not ours", silent, func(d *fakeDLL) uint32 { return d.free(0xBAD) }, ras.ErrBufferInvalid},
	{"free nothing", silent, func(d *fakeDLL) uint32 { return d.free(0) }, ras.ErrBufferInvalid},
	{"free from the middle", silent, func(d *fakeDLL) uint32 { return d.free(d.grab(100) + 1) }, ras.ErrBufferInvalid},
	{"send what is not ours", silent, func(d *fakeDLL) uint32 { return d.send(d.size, 4) }, ras.ErrBufferInvalid},
	{"send more than there is", silent, func(d *fakeDLL) uint32 { return d.send(d.grab(10), 11) }, ras.ErrBufferTooSmall},
	{"send all that a DWORD holds", silent, func(d *fakeDLL) uint32 { return d.send(d.grab(10), 0xFFFFFFFF) }, ras.ErrBufferTooSmall},
	{"send nothing", silent, func(d *fakeDLL) uint32 { return d.send(d.grab(10), 0) }, ras.Success},
	{"send to a wrong port", silent, func(d *fakeDLL) uint32 { return d.b.sendBuffer(d.port+1, d.grab(10), 1) }, ras.ErrInvalidPortHandle},
	{"the port is checked before the buffer", silent, func(d *fakeDLL) uint32 { return d.b.sendBuffer(0, 0, 9999) }, ras.ErrInvalidPortHandle},
	{"receive on a wrong port", silent, func(d *fakeDLL) uint32 { return d.b.receiveBuffer(0, 0, 0, 0, 0) }, ras.ErrInvalidPortHandle},
	{"retrieve on a wrong port", silent, func(d *fakeDLL) uint32 { return d.b.retrieveBuffer(0, 0, 0) }, ras.ErrInvalidPortHandle},
	{"decision 23: no place for the pointer", silent, func(d *fakeDLL) uint32 { return d.b.getBuffer(0, d.size) }, ras.ErrInvalidParameter},
	{"decision 23: no place for the size", silent, func(d *fakeDLL) uint32 { return d.b.getBuffer(d.ptr, 0) }, ras.ErrInvalidParameter},
	{"decision 23: a wild place for the size", silent, func(d *fakeDLL) uint32 { return d.b.getBuffer(d.ptr, 1) }, ras.ErrInvalidParameter},
	{"decision 23: a wild place for the pointer", silent, func(d *fakeDLL) uint32 { return d.b.getBuffer(1, d.size) }, ras.ErrInvalidParameter},
	{"an oversize request", silent, sizes(60000, 1500), ras.Success},
	{"a request for nothing", silent, sizes(0, 1500), ras.Success},
	{"a request for all that a DWORD holds", silent, sizes(0xFFFFFFFF, 1500), ras.Success},
	{"a small request", silent, sizes(13, 13), ras.Success},
	{"take all buffers", silent, func(d *fakeDLL) uint32 {
		for {
			if _, code := d.get(1); code != 0 {
				return code
			}
		}
	}, ras.ErrOutOfBuffers},
	{"addresses do not come again", silent, func(d *fakeDLL) uint32 {
		for range 100 {
			b := d.grab(10)
			if d.sys.used[b] {
				return uint32(ras.ErrUnknown)
			}
			d.sys.used[b] = true
			d.free(b)
		}
		return 0
	}, ras.Success},
	{"retrieve with nothing posted", silent, func(d *fakeDLL) uint32 { return d.retrieve(d.grab(10)) }, ras.ErrInvalidParameter},
	{"retrieve before the event", silent, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, _ := d.newEvent()
		d.receive(b, infinite, h)
		d.setSize(99)
		if code := d.retrieve(b); d.gotSize() == 0 {
			return code
		}
		return uint32(ras.ErrUnknown)
	}, ras.ErrPending},
	{"a second receive", silent, posted(func(d *fakeDLL, b, h uintptr) uint32 { return d.receive(b, 0, h) }), ras.ErrAsyncRequestPending},
	{"free what a receive uses", silent, posted(func(d *fakeDLL, b, _ uintptr) uint32 { return d.free(b) }), ras.ErrAsyncRequestPending},
	{"send what a receive uses", echo, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, e := d.newEvent()
		if code := d.receive(b, 10000, h); code != 0 {
			return code
		}
		d.write(b, "hello")
		if code := d.send(b, 5); code != 0 {
			return code
		}
		e.wait()
		if code := d.retrieve(b); code != 0 || d.read(b, d.gotSize()) != "hello" {
			return uint32(ras.ErrUnknown)
		}
		return d.send(b, 5)
	}, ras.Success},
	{"a constant as the place for the size", silent, func(d *fakeDLL) uint32 { return d.b.getBuffer(d.ptr, d.sys.constant) }, ras.ErrInvalidParameter},
	{"a constant as the place for the pointer", silent, func(d *fakeDLL) uint32 {
		d.setSize(5)
		if code := d.b.getBuffer(d.sys.constant, d.size); d.gotSize() == 5 {
			return code
		}
		return uint32(ras.ErrUnknown)
	}, ras.ErrInvalidParameter},
	{"a second receive with the event of the first", echo, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, e := d.newEvent()
		d.receive(b, infinite, h)
		if code := d.receive(b, infinite, h); code != uint32(ras.ErrAsyncRequestPending) {
			return code
		}
		d.say("x")
		e.wait()
		return d.retrieve(b)
	}, ras.Success},
	{"no event", silent, func(d *fakeDLL) uint32 { return d.receive(d.grab(10), 0, 0) }, ras.ErrInvalidHandle},
	{"an event that is closed", silent, func(d *fakeDLL) uint32 {
		h, _ := d.newEvent()
		d.closeEvent(h)
		return d.receive(d.grab(10), 0, h)
	}, ras.ErrInvalidHandle},
	{"a wild place for the size of a receive", silent, func(d *fakeDLL) uint32 {
		h, _ := d.newEvent()
		return d.b.receiveBuffer(d.port, d.grab(10), 1, 0, h)
	}, ras.ErrInvalidParameter},
	{"no place for the size of a retrieve", tell("x"), posted(func(d *fakeDLL, b, _ uintptr) uint32 {
		return d.b.retrieveBuffer(d.port, b, 0)
	}), ras.ErrInvalidParameter},
	{"time-out", silent, func(d *fakeDLL) uint32 {
		_, code := d.take(d.grab(10), 50)
		return code
	}, ras.ErrRequestTimeout},
	{"the longest limit", echo, func(d *fakeDLL) uint32 {
		d.say("x")
		_, code := d.take(d.grab(10), 0xFFFFFFFE)
		return code
	}, ras.Success},
	{"go on after a time-out", echo, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		d.take(b, 20)
		d.say("hello")
		return same(d, b, "hello")
	}, ras.Success},
	{"a server that hangs up", hangUp, func(d *fakeDLL) uint32 {
		d.say("bye")
		_, code := d.take(d.grab(10), infinite)
		return code
	}, ras.ErrRemoteDisconnection},
	{"a small buffer", tell("abcdefghij"), func(d *fakeDLL) uint32 {
		b := d.grab(4)
		for _, want := range []string{"abcd", "efgh", "ij"} {
			if code := same(d, b, want); code != 0 {
				return code
			}
		}
		return 0
	}, ras.Success},
	{"the size of a receive is not written later", tell("abc"), func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, e := d.newEvent()
		d.setSize(5)
		d.b.receiveBuffer(d.port, b, d.size, 0, h)
		if d.gotSize() != 0 {
			return uint32(ras.ErrUnknown)
		}
		d.setSize(77)
		e.wait()
		if d.gotSize() != 77 || d.read(b, 3) != "\x00\x00\x00" {
			return uint32(ras.ErrUnknown)
		}
		return d.retrieve(b)
	}, ras.Success},
	{"the event is closed while the receive is posted", echo, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, old := d.newEvent()
		d.receive(b, 0, h)
		d.closeEvent(h)
		d.say("x")
		old.wait() // the object lives on; only its number is free
		return d.retrieve(b)
	}, ras.Success},
	{"poll", echo, func(d *fakeDLL) uint32 {
		b := d.grab(10)
		for _, text := range []string{"one", "two", "three"} {
			h, _ := d.newEvent()
			d.receive(b, 0, h)
			d.say(text)
			code := uint32(ras.ErrPending)
			for code == uint32(ras.ErrPending) {
				<-time.After(time.Millisecond)
				code = d.retrieve(b)
			}
			if code != 0 || d.read(b, d.gotSize()) != text {
				return uint32(ras.ErrUnknown)
			}
		}
		return 0
	}, ras.Success},
	{"callbacks from many threads", echo, func(d *fakeDLL) uint32 {
		var wg sync.WaitGroup
		codes := make([]uint32, 8)
		for i := range codes {
			wg.Go(func() {
				for range 20 {
					codes[i] |= crowd(d)
				}
			})
		}
		wg.Wait()
		for _, c := range codes {
			if c != 0 {
				return c
			}
		}
		return 0
	}, ras.Success},
	{"settings", silent, comm(8, 2, 0, 7), ras.Success},
	{"settings of a wrong size", silent, comm(12, 0, 0, 8), ras.ErrInvalidSize},
	{"settings that no line has", silent, comm(8, 9, 0, 8), ras.ErrWrongInfoSpecified},
	{"settings that do not go together", silent, comm(8, 0, 2, 5), ras.ErrWrongInfoSpecified},
	{"decision 52: no settings", silent, func(d *fakeDLL) uint32 { return d.b.setCommSettings(d.port, 0, 0) }, ras.ErrInvalidParameter},
	{"decision 52: settings with something reserved", silent, func(d *fakeDLL) uint32 { return d.b.setCommSettings(d.port, d.size, 1) }, ras.ErrInvalidParameter},
	{"settings of another port", silent, func(d *fakeDLL) uint32 { return d.b.setCommSettings(d.port+1, 0, 0) }, ras.ErrInvalidPortHandle},
	{"a code of its own", silent, func(*fakeDLL) uint32 { return 700 }, 700},
}

// sizes asks for a buffer and compares the size that is granted.
func sizes(ask, want uint32) goScript {
	return func(d *fakeDLL) uint32 {
		addr, code := d.get(ask)
		if code == 0 && (d.gotSize() != want || d.send(addr, want) != 0 || d.send(addr, want+1) == 0) {
			return uint32(ras.ErrUnknown)
		}
		return code
	}
}

// posted posts a receive without limit first.
func posted(f func(d *fakeDLL, b, event uintptr) uint32) goScript {
	return func(d *fakeDLL) uint32 {
		b := d.grab(10)
		h, _ := d.newEvent()
		d.receive(b, infinite, h)
		return f(d, b, h)
	}
}

// same takes the next bytes and compares them.
func same(d *fakeDLL, b uintptr, want string) uint32 {
	got, code := d.take(b, 10000)
	if code == 0 && got != want {
		return uint32(ras.ErrUnknown)
	}
	return code
}

// crowd uses a buffer of its own and frees it, with others at it too.
func crowd(d *fakeDLL) uint32 {
	size, _, _ := d.sys.alloc(4)
	ptr, _, _ := d.sys.alloc(8)
	d.sys.store(size, binary.LittleEndian.AppendUint32(nil, 5))
	if code := d.b.getBuffer(ptr, size); code != 0 {
		return code
	}
	var p [8]byte
	d.sys.load(ptr, p[:])
	addr := uintptr(binary.LittleEndian.Uint64(p[:]))
	d.write(addr, "crowd")
	return d.send(addr, 5) | d.free(addr)
}

func comm(size uint32, parity, stop, bits byte) goScript {
	return func(d *fakeDLL) uint32 {
		addr, _, _ := d.sys.alloc(8)
		d.sys.store(addr, append(binary.LittleEndian.AppendUint32(nil, size), parity, stop, bits, 0))
		return d.b.setCommSettings(d.port, addr, 0)
	}
}
