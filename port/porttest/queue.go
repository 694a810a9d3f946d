package porttest

import (
	"bytes"
	"context"
	"time"

	"github.com/rasline/rasline/port"
)

var queueChecks = []Check{
	{
		"Drain",
		"Drain blocks until all that was written has been transmitted, and returns nil immediately when nothing is queued",
		func(e *env) {
			d := e.drainer(e.a)
			e.doing("Drain of an empty queue")
			e.supported("Drain", d.Drain(context.Background()))
			total := e.fill(e.a)
			w := e.start("Drain", func() (int, error) { return 0, d.Drain(context.Background()) })
			e.rest(e.a, brief)
			e.expect(e.b, pattern(0, total), 1000)
			e.sent(w, 0)
			e.usable()
		},
	},
	{
		"DrainCancel",
		"Drain ends with its context's error when that is cancelled, and nothing that was written is lost by it",
		func(e *env) {
			d := e.drainer(e.a)
			e.supported("Drain", d.Drain(context.Background()))
			total := e.fill(e.a)
			ctx, cancel := context.WithCancel(context.Background())
			w := e.start("Drain", func() (int, error) { return 0, d.Drain(ctx) })
			e.rest(e.a, brief)
			cancel()
			if _, err := e.wait(w); err != nil {
				e.isContext("Drain", err)
			}
			e.doing("Drain with a cancelled context")
			if err := d.Drain(ctx); err != nil {
				e.isContext("Drain", err)
			}
			e.expect(e.b, pattern(0, total), 1000)
			e.usable()
		},
	},
	{
		"DiscardInput",
		"Discard(Input) drops what has arrived and was not read, nothing that arrives later",
		func(e *env) {
			d := e.drainer(e.b)
			for pause := time.Millisecond; pause < 2*time.Second; pause *= 10 {
				// Send 300 bytes, read one, and discard the rest after pause.
				data := pattern(0, 300)
				w := e.start("Write", func() (int, error) { return e.a.Write(data) })
				e.expect(e.b, data[:1], 1)
				if !e.buffered(w, e.a) {
					e.skipf("the port has no room for %d bytes", len(data))
				}
				e.sent(w, len(data))
				e.rest(e.a, pause)
				e.doing("Discard(Input)")
				e.supported("Discard", d.Discard(port.Input))

				got := e.beforeMark()
				if !bytes.HasSuffix(data[1:], got) {
					e.fatalf("after Discard(Input) %d bytes were read that are no suffix of those written", len(got))
				}
				if len(got) < len(data)-1 {
					return
				}
			}
			e.fatalf("none of 300 bytes that had arrived a second ago was discarded")
		},
	},
	{
		"DiscardRefuses",
		"Discard of anything but the two queues is an error, and drops nothing",
		func(e *env) {
			d := e.drainer(e.b)
			e.supported("Discard", d.Discard(port.Input))
			e.sent(e.start("Write", func() (int, error) { return e.a.Write([]byte("kept")) }), 4)
			for _, bad := range []port.Direction{8, 8 | port.Input, 128} {
				e.doing("Discard(%d)", bad)
				if d.Discard(bad) == nil {
					e.fatalf("Discard(%d) returned nil; want an error", bad)
				}
			}
			e.expect(e.b, []byte("kept"), 4)
		},
	},
	{
		"DiscardOutput",
		"Discard(Output) drops what has not been transmitted: a first part of the bytes arrives, and what is written later follows it",
		func(e *env) {
			d := e.drainer(e.a)
			total := e.fill(e.a)
			e.doing("Discard(Output)")
			e.supported("Discard", d.Discard(port.Output))
			e.same(e.beforeMark(), pattern(0, total), 0)
			e.usable()
		},
	},
	{
		"Break",
		"SendBreak is sent after what was written before and ahead of what is written after; it changes neither, but may be received as a NUL byte",
		func(e *env) {
			br := e.breaker(e.a)
			e.doing("SendBreak")
			e.supported("SendBreak", br.SendBreak(context.Background(), time.Millisecond))
			e.quiet(e.b)
			w := e.start("Write, SendBreak and Write", func() (int, error) {
				if n, err := e.a.Write([]byte("before")); err != nil {
					return n, err
				}
				if err := br.SendBreak(context.Background(), brief); err != nil {
					return 0, err
				}
				return e.a.Write([]byte("after"))
			})
			e.expect(e.b, []byte("before"), 6)
			buf := make([]byte, 1)
			for buf[0] == 0 {
				_, err := e.read(e.b, buf)
				e.must("Read", err)
			}
			e.same(buf, []byte("a"), 0)
			e.expect(e.b, []byte("fter"), 4)
			e.sent(w, len("after"))
		},
	},
	{
		"BreakCancel",
		"SendBreak ends with its context's error when that is cancelled, and the line is idle again",
		func(e *env) {
			br := e.breaker(e.a)
			e.doing("SendBreak")
			e.supported("SendBreak", br.SendBreak(context.Background(), time.Millisecond))
			ctx, cancel := context.WithCancel(context.Background())
			w := e.start("SendBreak", func() (int, error) { return 0, br.SendBreak(ctx, long) })
			e.lull()
			cancel()
			if _, err := e.wait(w); err != nil {
				e.isContext("SendBreak", err)
			}
			e.quiet(e.b)
			e.usable()
		},
	},
	{
		"Stats",
		"Stats counts the bytes sent and received since the port was opened, or returns zeros",
		func(e *env) {
			const size = 10_000
			e.transfer(e.a, e.b, pattern(0, size), 1000, 1)
			for _, p := range e.both() {
				c := has[port.Counter](e, p, "Stats")
				s, err := c.Stats()
				e.supported("Stats", err)
				if s.Sent != 0 && s.Sent < size && p == e.a || s.Received != 0 && s.Received < size && p == e.b {
					e.fatalf("Stats after %d bytes from a to b: %+v", size, s)
				}
				if s.Errors() != 0 {
					e.fatalf("Stats has errors on a clean line: %+v", s)
				}
			}
		},
	},
}

// beforeMark writes a mark to a and returns what is read from b before it: what was
// written earlier and was not discarded, however late it arrives.
func (e *env) beforeMark() []byte {
	e.t.Helper()
	mark := []byte("\xffthe end\xff")
	w := e.start("Write", func() (int, error) { return e.a.Write(mark) })
	var got []byte
	buf := make([]byte, 1000)
	for !bytes.HasSuffix(got, mark) {
		n, err := e.read(e.b, buf)
		e.must("Read", err)
		got = append(got, buf[:n]...)
	}
	e.sent(w, len(mark))
	return got[:len(got)-len(mark)]
}

// quiet reads from p what represents a break: NUL bytes, or nothing.
func (e *env) quiet(p port.Port) {
	e.t.Helper()
	buf := make([]byte, 1)
	for {
		e.must("SetReadDeadline", p.SetReadDeadline(time.Now().Add(brief)))
		n, err := e.read(p, buf)
		if err != nil {
			e.timeout("Read after a break", n, err)
			return
		}
		e.same(buf, []byte{0}, 0)
	}
}
