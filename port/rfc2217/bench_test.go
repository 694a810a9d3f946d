package rfc2217_test

import (
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port/rfc2217"
)

// payloads are what the throughput is measured with: text has no 0xFF, random
// bytes have one in 256, a storm has nothing else.
var payloads = []struct {
	name string
	fill func(b []byte)
}{
	{"text", func(b []byte) {
		for i := range b {
			b[i] = ' ' + byte(i%95)
		}
	}},
	{"random", func(b []byte) {
		r := rand.NewChaCha8([32]byte{1})
		r.Read(b)
	}},
	{"storm", func(b []byte) {
		for i := range b {
			b[i] = 0xff
		}
	}},
}

const piece = 64 << 10 // bytes a Write and a Read

// BenchmarkThroughput measures both directions over the loopback, client and
// server together, against plain TCP in the same run, and prints the ratio. The
// shared port is one that costs nothing.
func BenchmarkThroughput(b *testing.B) {
	for _, load := range payloads {
		data := make([]byte, piece)
		load.fill(data)
		b.Run(load.name+"/upstream", func(b *testing.B) { benchmark(b, data, upstream) })
		b.Run(load.name+"/downstream", func(b *testing.B) { benchmark(b, data, downstream) })
	}
}

// benchmark compares pump over plain TCP and over RFC 2217 in turns, so that
// what else the machine does hits both.
func benchmark(b *testing.B, data []byte, pump func(near net.Conn, far *fastPort, n int) error) {
	shared := newFastPort(data)
	remote := dial(b, serve(b, &rfc2217.Server{}, shared), nil)
	one, two := tcpPair(b)
	bare := newFastPort(data)
	go bare.serve(two)
	b.SetBytes(piece)
	b.ReportAllocs()
	b.ResetTimer()
	var ours, plain time.Duration
	for left := b.N; left > 0; {
		n := min(left, 200)
		left -= n
		start := time.Now()
		if err := pump(connOf{remote}, shared, n); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		b.StopTimer()
		start = time.Now()
		if err := pump(one, bare, n); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(plain.Seconds()/ours.Seconds(), "ratio")
}

// upstream writes n pieces and waits until all have come out at the far end.
func upstream(near net.Conn, far *fastPort, n int) error {
	for range n {
		if _, err := near.Write(far.data); err != nil {
			return err
		}
	}
	far.await(n * piece)
	return nil
}

// downstream makes the far end send n pieces and reads them.
func downstream(near net.Conn, far *fastPort, n int) error {
	far.send(n * piece)
	buf := make([]byte, piece)
	for left := n * piece; left > 0; {
		k, err := near.Read(buf)
		left -= k
		if err != nil {
			return err
		}
	}
	return nil
}

// connOf makes a net.Conn of a port; its addresses are never asked for.
type connOf struct{ *rfc2217.Port }

func (connOf) LocalAddr() net.Addr  { return nil }
func (connOf) RemoteAddr() net.Addr { return nil }

// fastPort is a port in memory that takes everything at once and gives as much
// as was asked for.
type fastPort struct {
	data []byte

	mu     sync.Mutex
	moved  *sync.Cond
	taken  int // bytes written to the port and not yet awaited
	owing  int // bytes to be read from it
	off    int
	closed bool
}

func newFastPort(data []byte) *fastPort {
	p := &fastPort{data: data}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func (p *fastPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken += len(b)
	p.moved.Broadcast()
	return len(b), nil
}

func (p *fastPort) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.owing == 0 && !p.closed {
		p.moved.Wait()
	}
	if p.closed {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b[:min(len(b), p.owing)], p.data[p.off:])
	p.owing -= n
	p.off = (p.off + n) % len(p.data)
	return n, nil
}

func (p *fastPort) await(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.taken < n {
		p.moved.Wait()
	}
	p.taken -= n
}

func (p *fastPort) send(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owing += n
	p.moved.Broadcast()
}

func (p *fastPort) Close() error { return p.SetDeadline(time.Unix(1, 0)) }

// SetDeadline only knows past and never.
func (p *fastPort) SetDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = !t.IsZero()
	p.moved.Broadcast()
	return nil
}

func (p *fastPort) SetReadDeadline(t time.Time) error { return p.SetDeadline(t) }
func (p *fastPort) SetWriteDeadline(time.Time) error  { return nil }

// serve joins p to a connection as a server without any protocol would.
func (p *fastPort) serve(c net.Conn) {
	defer p.Close()
	go func() {
		buf := make([]byte, piece)
		for {
			n, err := p.Read(buf)
			if err != nil {
				return
			}
			c.Write(buf[:n])
		}
	}()
	buf := make([]byte, piece)
	for {
		n, err := c.Read(buf)
		p.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// tcpPair returns the two ends of a TCP connection over the loopback.
func tcpPair(t testing.TB) (one, two net.Conn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	one, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	two = <-accepted
	t.Cleanup(func() { one.Close(); two.Close() })
	return one, two
}
