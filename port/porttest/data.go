package porttest

import (
	"time"
)

var dataChecks = []Check{
	{
		"EveryByteValue",
		"the line is 8-bit clean: each of the 256 byte values arrives as it was written, in both directions",
		func(e *env) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			e.transfer(e.a, e.b, all, len(all), 1)
			e.transfer(e.b, e.a, all, len(all), 2)
		},
	},
	{
		"AnySize",
		"bytes arrive complete and in order however many are written, and however the writes and reads are cut",
		func(e *env) {
			for i, size := range []int{1, 2, 3, 255, 256, 257, 4095, 4096, 4097, 65537, 150_001} {
				for _, most := range []int{1 + size/50, size} {
					e.transfer(e.a, e.b, pattern(size, size), most, uint64(i))
					e.transfer(e.b, e.a, pattern(size+1, size), most, uint64(i))
				}
			}
		},
	},
	{
		"OneByteReads",
		"what a Read into a short buffer does not read, the next does",
		func(e *env) {
			data := pattern(0, 1000)
			w := e.start("Write", func() (int, error) { return e.a.Write(data) })
			e.expect(e.b, data, 1)
			e.sent(w, len(data))
		},
	},
	{
		"ShortRead",
		"a Read returns what has arrived and does not wait for its buffer to be full",
		func(e *env) {
			data := []byte("login: ")
			w := e.start("Write", func() (int, error) { return e.a.Write(data) })
			buf := make([]byte, 4096)
			for got := 0; got < len(data); {
				n, err := e.read(e.b, buf)
				e.must("Read", err)
				e.same(buf[:n], data[got:], got)
				got += n
			}
			e.sent(w, len(data))
		},
	},
	{
		"FullDuplex",
		"the two directions do not wait for each other, even with more bytes than any buffer holds",
		func(e *env) {
			const size = 300_000
			ab, ba := pattern(0, size), pattern(1, size)
			wa := e.start("Write of a", func() (int, error) { return e.a.Write(ab) })
			wb := e.start("Write of b", func() (int, error) { return e.b.Write(ba) })
			for off := 0; off < size; off += 10_000 {
				e.expect(e.b, ab[off:off+10_000], 4096)
				e.expect(e.a, ba[off:off+10_000], 4096)
			}
			e.sent(wa, size)
			e.sent(wb, size)
		},
	},
	{
		"ZeroLength",
		"a Read or Write of no bytes returns 0 without an error or a timeout, and changes nothing",
		func(e *env) {
			for _, p := range e.both() {
				e.must("SetDeadline", p.SetDeadline(time.Now().Add(brief)))
				e.doing("Write of no bytes")
				n, err := p.Write(nil)
				e.nothing("Write", n, err)
				e.doing("Read into no bytes")
				n, err = p.Read(nil)
				e.nothing("Read", n, err)
			}
			e.usable()
		},
	},
}

// nothing ends the check unless a call with no bytes did nothing. A net.Conn
// without a buffer may wait for its peer.
func (e *env) nothing(what string, n int, err error) {
	e.t.Helper()
	if n != 0 {
		e.fatalf("%s of no bytes returned n = %d", what, n)
	}
	if err != nil {
		e.isTimeout(what+" of no bytes", err)
	}
}
