package porttest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/rasline/rasline/port"
)

// pattern returns n bytes of a sequence that does not repeat at any power of
// two, from offset off on. A byte that is lost, doubled or moved shows.
func pattern(off, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		k := off + i
		b[i] = byte(k*7 + k/251*13 + k/65521)
	}
	return b
}

// pieces cuts n into random parts of 1 to most.
func pieces(r *rand.Rand, n, most int) []int {
	var parts []int
	for n > 0 {
		k := min(n, 1+r.IntN(most))
		parts = append(parts, k)
		n -= k
	}
	return parts
}

// sendAll writes data in parts of the given sizes.
func sendAll(p port.Port, data []byte, parts []int) (int, error) {
	sent := 0
	for _, k := range parts {
		n, err := p.Write(data[sent : sent+k])
		sent += n
		if err == nil && n != k {
			err = io.ErrShortWrite
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// read makes one Read under the limit of a step.
func (e *env) read(p port.Port, b []byte) (int, error) {
	e.t.Helper()
	e.doing("Read of at most %d bytes", len(b))
	n, err := p.Read(b)
	switch {
	case n < 0 || n > len(b):
		e.fatalf("Read of %d bytes returned n = %d, %v", len(b), n, err)
	case n == 0 && err == nil && len(b) > 0:
		e.fatalf("Read of %d bytes returned 0, nil; want it to block, or an error", len(b))
	}
	return n, err
}

// expect reads want, in reads of most bytes each.
func (e *env) expect(p port.Port, want []byte, most int) {
	e.t.Helper()
	e.must("SetReadDeadline", p.SetReadDeadline(time.Time{}))
	buf := make([]byte, most)
	for got := 0; got < len(want); {
		n, err := e.read(p, buf[:min(most, len(want)-got)])
		e.same(buf[:n], want[got:], got)
		got += n
		if err != nil {
			e.fatalf("Read after %d of %d bytes: %v; want no error", got, len(want), err)
		}
	}
}

// same compares what arrived with the beginning of what should; off is for the
// message.
func (e *env) same(got, want []byte, off int) {
	e.t.Helper()
	for i, c := range got {
		if i >= len(want) {
			e.fatalf("more arrived than the %d bytes written: %q", off+len(want), got[i:min(len(got), i+40)])
		}
		if c != want[i] {
			e.fatalf("byte %d is %#02x, want %#02x: bytes were lost, doubled, moved or changed", off+i, c, want[i])
		}
	}
}

// transfer sends data from one port to the other, in parts that the seed
// decides, and checks what arrives.
func (e *env) transfer(from, to port.Port, data []byte, most int, seed uint64) {
	e.t.Helper()
	parts := pieces(rand.New(rand.NewPCG(seed, 1)), len(data), most)
	w := e.start("Write", func() (int, error) { return sendAll(from, data, parts) })
	e.expect(to, data, most)
	e.sent(w, len(data))
}

// sent waits for a task that writes and must have sent everything.
func (e *env) sent(t *task, want int) {
	e.t.Helper()
	if n, err := e.wait(t); n != want || err != nil {
		e.fatalf("%s returned %d, %v; want %d, nil", t.what, n, err, want)
	}
}

// usable shows that bytes pass both ways.
func (e *env) usable() {
	e.t.Helper()
	e.must("SetDeadline", e.a.SetDeadline(time.Time{}))
	e.must("SetDeadline", e.b.SetDeadline(time.Time{}))
	e.transfer(e.a, e.b, []byte("still here"), 4, 1)
	e.transfer(e.b, e.a, []byte("here as well"), 4, 2)
}

// rest waits for d in a read on p, on which nothing may arrive.
func (e *env) rest(p port.Port, d time.Duration) {
	e.t.Helper()
	e.must("SetReadDeadline", p.SetReadDeadline(time.Now().Add(d)))
	n, err := e.read(p, make([]byte, 1))
	e.timeout("Read of a silent port", n, err)
	e.must("SetReadDeadline", p.SetReadDeadline(time.Time{}))
}

// timeout ends the check unless a call without result timed out.
func (e *env) timeout(what string, n int, err error) {
	e.t.Helper()
	if n != 0 {
		e.fatalf("%s returned n = %d with %v; want 0 and a timeout", what, n, err)
	}
	e.isTimeout(what, err)
}

// isTimeout ends the check unless err reports that a deadline passed, in every way
// in which a program may ask.
func (e *env) isTimeout(what string, err error) {
	e.t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		e.fatalf("%s: error %v; want one that matches os.ErrDeadlineExceeded", what, err)
	}
	var t interface{ Timeout() bool }
	if !errors.As(err, &t) || !t.Timeout() {
		e.fatalf("%s: Timeout() of %#v is false, want true", what, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, port.ErrCarrierLost) {
		e.fatalf("%s: error %v is both a timeout and an end of the port", what, err)
	}
}

// isClosed ends the check unless err reports that p was closed by its owner.
func (e *env) isClosed(p port.Port, what string, err error) {
	e.t.Helper()
	switch {
	case isConn(p) && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)):
	case !errors.Is(err, net.ErrClosed):
		e.fatalf("%s: error %v; want one that matches net.ErrClosed", what, err)
	case !isConn(p) && strings.Contains(err.Error(), net.ErrClosed.Error()):
		e.fatalf("%s: error %q; want a text without a network connection, as port.OpError has it", what, err)
	}
}

func isConn(p port.Port) bool {
	_, ok := p.(net.Conn)
	return ok
}

// fill writes to p until writes block for three times brief without a byte, and
// returns how many bytes p has accepted: what is full may be emptied into what is
// after it, some time later. The check ends if that never happens.
func (e *env) fill(p port.Port) int {
	e.t.Helper()
	const chunk, most = 32 << 10, 64 << 20
	total := 0
	for blocked := 0; total < most; {
		e.doing("Write after %d bytes that were not read", total)
		e.must("SetWriteDeadline", p.SetWriteDeadline(time.Now().Add(brief)))
		n, err := p.Write(pattern(total, chunk))
		if n < 0 || n > chunk || n < chunk && err == nil {
			e.fatalf("Write of %d bytes returned %d, %v", chunk, n, err)
		}
		if total += n; n > 0 {
			blocked = 0
		}
		if err == nil {
			continue
		}
		e.isTimeout("Write that blocks", err)
		if n == 0 {
			blocked++
		}
		if blocked == 3 {
			e.must("SetWriteDeadline", p.SetWriteDeadline(time.Time{}))
			return total
		}
	}
	e.skipf("the port accepts %d bytes without blocking", most)
	return 0
}
