package porttest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/rasline/rasline/port"
)

var closeChecks = []Check{
	{
		"CloseFreesRead",
		"Close ends a blocked Read immediately with net.ErrClosed, whatever its deadline",
		func(e *env) {
			r := e.start("Read while the port is closed", func() (int, error) { return e.a.Read(make([]byte, 1)) })
			e.rest(e.b, brief)
			e.running(r)
			e.close(e.a)
			n, err := e.wait(r)
			e.closedCall(e.a, r.what, n, err)
		},
	},
	{
		"CloseFreesWrite",
		"Close ends a Write that blocks because the peer does not read, immediately and with net.ErrClosed",
		func(e *env) {
			w := e.blockedWrite(e.fill(e.a))
			e.close(e.a)
			n, err := e.wait(w)
			if n < 0 || n > plenty {
				e.fatalf("%s of %d bytes returned n = %d", w.what, plenty, n)
			}
			e.isClosed(e.a, w.what, err)
		},
	},
	{
		"CloseFreesDrain",
		"Close ends a blocked Drain immediately; unless all has left, with net.ErrClosed",
		func(e *env) {
			d := e.drainer(e.a)
			e.fill(e.a)
			w := e.start("Drain while the port is closed", func() (int, error) { return 0, d.Drain(context.Background()) })
			e.rest(e.a, brief)
			e.close(e.a)
			if _, err := e.wait(w); errors.Is(err, errors.ErrUnsupported) {
				e.skipf("Drain: %v", err)
			} else if err != nil {
				e.isClosed(e.a, w.what, err)
			}
		},
	},
	{
		"CloseTwice",
		"a second Close returns nil or net.ErrClosed; it does not panic or hang, not even at the same time as the first",
		func(e *env) {
			tasks := []*task{e.closing(e.a), e.closing(e.a), e.closing(e.a)}
			won := 0
			for _, c := range append(tasks, e.closing(e.a)) {
				_, err := e.wait(c)
				if err == nil {
					won++
					continue
				}
				e.isClosed(e.a, c.what, err)
			}
			if won == 0 {
				e.fatalf("none of several Close calls returned nil")
			}
		},
	},
	{
		"UseAfterClose",
		"after Close all calls fail with net.ErrClosed",
		func(e *env) {
			e.close(e.a)
			n, err := e.read(e.a, make([]byte, 10))
			e.closedCall(e.a, "Read after Close", n, err)
			e.isOp(e.a, "Read after Close", "read", err)
			e.doing("Write after Close")
			n, err = e.a.Write([]byte("late"))
			e.closedCall(e.a, "Write after Close", n, err)
			e.isOp(e.a, "Write after Close", "write", err)
			for _, set := range []func(time.Time) error{e.a.SetDeadline, e.a.SetReadDeadline, e.a.SetWriteDeadline} {
				err := set(time.Now().Add(long))
				e.isClosed(e.a, "setting a deadline after Close", err)
				e.isOp(e.a, "setting a deadline after Close", "set deadline", err)
			}
			// Call the optional methods of the closed port.
			p := e.a
			ctx := context.Background()
			for _, call := range abilities(p) {
				e.doing("%s after Close", call.name)
				err := call.do(ctx)
				if !errors.Is(err, errors.ErrUnsupported) {
					e.isClosed(p, call.name+" after Close", err)
				}
				e.isOp(p, call.name+" after Close", call.op, err)
			}
		},
	},
	{
		"FarCloseEndsRead",
		"when the peer closes, a blocked Read and all later ones fail with port.ErrCarrierLost (a net.Conn: io.EOF), neither as a timeout nor as if this end had been closed",
		func(e *env) {
			r := e.start("Read while the peer closes", func() (int, error) { return e.a.Read(make([]byte, 1)) })
			e.rest(e.b, brief)
			e.running(r)
			e.close(e.b)
			n, err := e.wait(r)
			e.lostCall(e.a, r.what, n, err)
			n, err = e.read(e.a, make([]byte, 1))
			e.lostCall(e.a, "Read after the peer closed", n, err)
		},
	},
	{
		"FarCloseKeepsBytes",
		"what had arrived when the peer closed is read before the error",
		func(e *env) {
			if _, ok := e.a.(interface{ losesInput() }); ok {
				e.skipf("this port loses unread input when the peer closes, which is declared")
			}
			const size = 1000
			data := pattern(0, size)
			w := e.start("Write", func() (int, error) { return e.b.Write(data) })
			e.expect(e.a, data[:1], 1)
			if !e.buffered(w, e.b) {
				e.expect(e.a, data[1:], 100)
				data = data[:1]
			}
			e.sent(w, size)
			if d, ok := e.b.(port.Drainer); ok && !isConn(e.a) {
				e.doing("Drain")
				if err := d.Drain(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
					e.must("Drain", err)
				}
			}
			e.close(e.b)
			e.expectLeft(e.a, data[1:])
		},
	},
	{
		"FarCloseWrite",
		"a Write after the peer has closed does not block for ever, and does not fail as if this end had been closed",
		func(e *env) {
			e.must("SetWriteDeadline", e.a.SetWriteDeadline(time.Now().Add(brief)))
			e.close(e.b)
			for range 3 {
				e.doing("Write after the peer closed")
				n, err := e.a.Write(pattern(0, 100))
				if n < 0 || n > 100 || n < 100 && err == nil || errors.Is(err, net.ErrClosed) {
					e.fatalf("Write of 100 bytes after the peer closed returned %d, %v", n, err)
				}
			}
		},
	},
}

// close closes p, which must succeed.
func (e *env) close(p port.Port) {
	e.t.Helper()
	_, err := e.wait(e.closing(p))
	e.must("Close", err)
}

func (e *env) closing(p port.Port) *task {
	return e.start("Close", func() (int, error) { return 0, p.Close() })
}

// isOp ends the check unless an error has the name of the operation that every port
// uses. A net.Conn has its own.
func (e *env) isOp(p port.Port, what, op string, err error) {
	e.t.Helper()
	var o *port.OpError
	if !isConn(p) && (!errors.As(err, &o) || o.Op != op) {
		e.fatalf("%s: error %#v; want a port.OpError of %q", what, err, op)
	}
}

// closedCall ends the check unless a call without result failed because its
// port was closed.
func (e *env) closedCall(p port.Port, what string, n int, err error) {
	e.t.Helper()
	if n != 0 {
		e.fatalf("%s returned n = %d with %v; want 0", what, n, err)
	}
	e.isClosed(p, what, err)
}

// lostCall ends the check unless a call without result failed because the far
// end of p has closed.
func (e *env) lostCall(p port.Port, what string, n int, err error) {
	e.t.Helper()
	if n != 0 {
		e.fatalf("%s returned n = %d with %v; want 0", what, n, err)
	}
	switch {
	case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
	case isConn(p), errors.Is(err, port.ErrCarrierLost) && !errors.Is(err, io.EOF):
		return
	}
	e.fatalf("%s: error %v; want one that matches port.ErrCarrierLost", what, err)
}

// buffered reports whether t, a write to p that no caller reads, returns by itself.
func (e *env) buffered(t *task, p port.Port) bool {
	e.t.Helper()
	e.rest(p, brief)
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// expectLeft reads what has arrived from a peer that has closed: want, and then
// the error.
func (e *env) expectLeft(p port.Port, want []byte) {
	e.t.Helper()
	buf := make([]byte, 100)
	for got := 0; ; {
		n, err := e.read(p, buf)
		e.same(buf[:n], want[got:], got)
		got += n
		if err == nil {
			continue
		}
		e.lostCall(p, "Read of what was left", 0, err)
		if got < len(want) {
			e.fatalf("Read returned %v after %d of %d bytes that had arrived", err, got, len(want))
		}
		return
	}
}
