package porttest

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
)

var sharingChecks = []Check{
	{
		"ConcurrentWrites",
		"several goroutines may write concurrently; every byte arrives once",
		func(e *env) {
			var writers []*task
			for i := range sharers {
				block := make([]byte, 5000)
				for k := range block {
					block[k] = byte(i)
				}
				writers = append(writers, e.start("Write", func() (int, error) { return sendAll(e.a, block, repeat(100, 50)) }))
			}
			var c counts
			buf := make([]byte, 1000)
			for c.sum < sharers*5000 {
				n, err := e.read(e.b, buf)
				e.must("Read", err)
				c.add(buf[:n])
			}
			for i, w := range writers {
				e.sent(w, 5000)
				if c.each[i] != 5000 {
					e.fatalf("%d bytes of writer %d arrived, want 5000", c.each[i], i)
				}
			}
		},
	},
	{
		"ConcurrentReads",
		"several goroutines may read concurrently; every byte is read by one of them",
		func(e *env) {
			const size = 256 * 80
			var c counts
			var readers []*task
			for range sharers {
				readers = append(readers, e.start("concurrent Read", func() (int, error) {
					buf := make([]byte, 500)
					for {
						n, err := e.b.Read(buf)
						c.add(buf[:n])
						if err != nil {
							return 0, err
						}
					}
				}))
			}
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(i)
			}
			w := e.start("Write", func() (int, error) { return sendAll(e.a, data, repeat(size/16, 16)) })
			e.sent(w, size)
			for begin := time.Now(); c.total() < size; {
				if time.Since(begin) > limit {
					e.fatalf("bytes that were written did not all arrive within %v", limit)
				}
				e.lull()
			}
			e.close(e.b)
			for _, r := range readers {
				_, err := e.wait(r)
				e.isClosed(e.b, r.what, err)
			}
			for value, n := range c.each {
				if n != size/256 {
					e.fatalf("byte %#02x was read %d times, want %d", value, n, size/256)
				}
			}
		},
	},
	{
		"CloseFreesAll",
		"Close frees every call that is blocked, not only one of each kind",
		func(e *env) {
			e.fill(e.a)
			var calls []*task
			for range sharers {
				calls = append(calls,
					e.start("concurrent Read", func() (int, error) { return e.a.Read(make([]byte, 1)) }),
					e.start("concurrent Write", func() (int, error) { return e.a.Write(pattern(0, plenty)) }))
			}
			e.must("SetReadDeadline", e.b.SetReadDeadline(time.Time{}))
			e.must("SetReadDeadline", e.a.SetReadDeadline(time.Time{}))
			e.lull()
			e.close(e.a)
			for _, c := range calls {
				_, err := e.wait(c)
				e.isClosed(e.a, c.what, err)
			}
		},
	},
	{
		"DeadlineFreesAll",
		"a deadline that passes frees every call that is blocked, not only one of each kind",
		func(e *env) {
			e.fill(e.a)
			var calls []*task
			for range sharers {
				calls = append(calls,
					e.start("concurrent Read", func() (int, error) { return e.a.Read(make([]byte, 1)) }),
					e.start("concurrent Write", func() (int, error) { return e.a.Write(pattern(0, plenty)) }))
			}
			e.lull()
			e.must("SetDeadline", e.a.SetDeadline(time.Now()))
			for _, c := range calls {
				_, err := e.wait(c)
				e.isTimeout(c.what, err)
			}
		},
	},
	{
		"EverythingAtOnce",
		"all methods may be called at the same time (run with -race)",
		func(e *env) {
			data := pattern(0, 20_000)
			stop := make(chan struct{})
			var busy []*task
			for _, p := range e.both() {
				busy = append(busy, e.start("the other methods", func() (int, error) { return 0, disturb(p, stop) }))
			}
			// Transfer data from a to b and try again after each timeout.
			w := e.start("Write", func() (n int, err error) {
				for n < len(data) && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
					var k int
					k, err = e.a.Write(data[n:min(len(data), n+500)])
					n += k
					if err != nil {
						pause(time.Millisecond)
					}
				}
				if n == len(data) {
					err = nil
				}
				return n, err
			})
			buf := make([]byte, 700)
			for got := 0; got < len(data); {
				n, err := e.read(e.b, buf)
				e.same(buf[:n], data[got:], got)
				got += n
				if err != nil {
					e.isTimeout("Read", err)
					pause(time.Millisecond)
				}
			}
			e.sent(w, len(data))
			close(stop)
			for _, t := range busy {
				_, err := e.wait(t)
				e.must(t.what, err)
			}
			e.usable()
		},
	},
}

const sharers = 4

// repeat returns n times size.
func repeat(size, n int) []int {
	parts := make([]int, n)
	for i := range parts {
		parts[i] = size
	}
	return parts
}

// counts holds how often each byte value was read, by several goroutines.
type counts struct {
	mu   sync.Mutex // guards what follows
	each [256]int
	sum  int
}

func (c *counts) add(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, value := range b {
		c.each[value]++
	}
	c.sum += len(b)
}

func (c *counts) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}

// lull waits for a short time without using a port.
func (e *env) lull() {
	e.doing("a moment's rest")
	pause(brief)
}

// pause waits for d, on fake time too, where a loop that never blocks would
// stop the clock.
func pause(d time.Duration) {
	ctx, cancel := within(d)
	defer cancel()
	<-ctx.Done()
}

// disturb sets deadlines and calls query until stop.
func disturb(p port.Port, stop <-chan struct{}) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return p.SetDeadline(time.Time{})
		case <-tick.C:
		}
		err := p.SetReadDeadline(time.Now().Add(time.Duration(i%5) * time.Millisecond))
		if err == nil {
			err = p.SetWriteDeadline(time.Now().Add(time.Duration(i%4) * time.Millisecond))
		}
		if err == nil {
			err = query(p)
		}
		if err != nil {
			return err
		}
	}
}
