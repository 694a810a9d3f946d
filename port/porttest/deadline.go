package porttest

import (
	"math/rand/v2"
	"time"

	"github.com/rasline/rasline/port"
)

var deadlineChecks = []Check{
	{
		"PastDeadline",
		"under a deadline that has passed Read and Write fail immediately with a timeout, and consume nothing",
		func(e *env) {
			for _, past := range []time.Time{time.Unix(1, 0), time.Now().Add(-time.Nanosecond), time.Now()} {
				e.must("SetDeadline", e.a.SetDeadline(past))
				for range 2 {
					n, err := e.read(e.a, make([]byte, 10))
					e.timeout("Read after its deadline", n, err)
					e.doing("Write after its deadline")
					n, err = e.a.Write([]byte("late"))
					e.timeout("Write after its deadline", n, err)
				}
			}
			e.usable()
		},
	},
	{
		"ReadDeadline",
		"a blocked Read ends with a timeout when its deadline passes, not before, and never as 0, nil or io.EOF; the port can be used further",
		func(e *env) {
			for range 3 {
				begin := time.Now()
				e.rest(e.a, brief)
				if took := time.Since(begin); took < brief-time.Millisecond {
					e.fatalf("Read timed out after %v, want %v", took, brief)
				}
			}
			e.usable()
		},
	},
	{
		"WriteDeadline",
		"a blocked Write ends with a timeout when its deadline passes, and reports how many bytes were accepted: exactly those arrive, and the stream continues after them",
		func(e *env) {
			const ahead = 10
			r := e.start("Read", func() (int, error) { // Read n bytes without examining them.
				var got int
				var err error
				buf := make([]byte, ahead)
				for got < ahead && err == nil {
					var k int
					k, err = e.b.Read(buf[got:])
					got += k
				}
				return got, err
			})
			total := e.fill(e.a)
			if n, err := e.wait(r); n != ahead || err != nil {
				e.fatalf("Read while the peer writes returned %d, %v; want %d, nil", n, err, ahead)
			}
			e.expect(e.b, pattern(ahead, total-ahead), 32<<10)
			e.rest(e.b, brief)
			e.usable()
		},
	},
	{
		"DeadlineMovedBack",
		"a deadline that is set earlier takes effect for the Read and the Write that are blocked already",
		func(e *env) {
			e.moved(func() time.Time { return time.Now().Add(brief) })
		},
	},
	{
		"DeadlineInThePast",
		"setting a deadline in the past frees the Read and the Write that are blocked already",
		func(e *env) {
			e.moved(func() time.Time { return time.Unix(1, 0) })
		},
	},
	{
		"DeadlineMovedForward",
		"a deadline that is set later, or cleared with the zero time, holds no longer for the Read and the Write that are blocked already",
		func(e *env) {
			for _, later := range []time.Time{time.Now().Add(long), {}} {
				// Move the near deadline of a Read to later and wait until the old one
				// has passed; the Read must succeed.
				e.t.Helper()
				r := e.postponed(e.a.SetReadDeadline, later, e.b, "Read", func() (int, error) { return e.a.Read(make([]byte, 1)) })
				w := e.start("Write", func() (int, error) { return e.b.Write([]byte{1}) })
				e.sent(r, 1)
				e.sent(w, 1)

				total := e.fill(e.a)
				w = e.postponed(e.a.SetWriteDeadline, later, e.a, "Write", func() (int, error) { return e.a.Write(pattern(total, plenty)) })
				e.expect(e.b, pattern(0, total+plenty), 32<<10)
				e.sent(w, plenty)
			}
		},
	},
	{
		"DeadlinesAreApart",
		"the deadline of reads does not touch writes, and the other way round",
		func(e *env) {
			past := time.Unix(1, 0)
			e.must("SetReadDeadline", e.a.SetReadDeadline(past))
			e.must("SetWriteDeadline", e.b.SetWriteDeadline(past))
			e.transfer(e.a, e.b, pattern(0, 100), 10, 1)
			n, err := e.read(e.a, make([]byte, 1))
			e.timeout("Read after its deadline", n, err)
			e.usable()
		},
	},
	{
		"TimeoutLosesNothing",
		"reads that time out while bytes arrive lose none and double none",
		func(e *env) {
			const size = 30_000
			data := pattern(0, size)
			r := rand.New(rand.NewPCG(1, 1))
			parts := pieces(r, size, 2000)
			w := e.start("Write", func() (int, error) { return sendAll(e.a, data, parts) })
			// The deadlines are so short that many reads time out.
			buf := make([]byte, 3000)
			for got := 0; got < len(data); {
				wait := time.Duration(r.IntN(300)-20) * time.Microsecond
				e.must("SetReadDeadline", e.b.SetReadDeadline(time.Now().Add(wait)))
				n, err := e.read(e.b, buf[:1+r.IntN(len(buf))])
				e.same(buf[:n], data[got:], got)
				got += n
				if err != nil {
					e.timeout("Read under a short deadline", n, err)
				}
			}
			e.sent(w, size)
			e.rest(e.b, brief)
		},
	},
}

// moved sets a new deadline for a Read and for a Write that are blocked, and
// wants them to time out.
func (e *env) moved(when func() time.Time) {
	e.t.Helper()
	e.must("SetReadDeadline", e.a.SetReadDeadline(time.Now().Add(long)))
	r := e.start("Read whose deadline was moved", func() (int, error) { return e.a.Read(make([]byte, 1)) })
	e.rest(e.b, brief)
	e.running(r)
	e.must("SetReadDeadline", e.a.SetReadDeadline(when()))
	n, err := e.wait(r)
	e.timeout(r.what, n, err)

	total := e.fill(e.a)
	e.must("SetWriteDeadline", e.a.SetWriteDeadline(time.Now().Add(long)))
	w := e.blockedWrite(total)
	e.must("SetWriteDeadline", e.a.SetWriteDeadline(when()))
	n, err = e.wait(w)
	e.isTimeout(w.what, err)
	e.expect(e.b, pattern(0, total+n), 32<<10)
	e.usable()
}

// blockedWrite starts a Write on a, which was filled with total bytes, and waits
// until it blocks.
func (e *env) blockedWrite(total int) *task {
	e.t.Helper()
	w := e.start("Write that blocks", func() (int, error) { return e.a.Write(pattern(total, plenty)) })
	e.must("SetReadDeadline", e.a.SetReadDeadline(time.Time{}))
	e.rest(e.a, brief)
	e.running(w)
	return w
}

// postponed sets a near deadline, starts a call and moves the deadline to later
// while the call blocks, and waits until the old one has passed. Nothing may arrive at
// silent meanwhile. On a machine so busy that the near deadline may have passed
// before it was moved it ends the check, which then proves nothing.
func (e *env) postponed(set func(time.Time) error, later time.Time, silent port.Port, what string, call func() (int, error)) *task {
	e.t.Helper()
	e.must("SetReadDeadline", silent.SetReadDeadline(time.Time{}))
	at := time.Now().Add(near)
	e.must("set deadline", set(at))
	t := e.start(what+" whose deadline was moved", call)
	e.rest(silent, brief)
	e.must("set deadline", set(later))
	if !time.Now().Before(at) {
		e.skipf("the machine is too busy for a deadline of %v", near)
	}
	e.rest(silent, near+brief)
	e.running(t)
	return t
}
