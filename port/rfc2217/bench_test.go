package rfc2217_test

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rasline/rasline/port"
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

const (
	piece   = 64 << 10  // bytes a Write and a Read
	buffers = 256 << 10 // of the sockets, on all connections
)

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

// benchmark compares pump over plain TCP and over RFC 2217 in turns of a few
// milliseconds, so that what else the machine does hits both, on new connections
// again and again, since the system may treat one better than another. The
// ratio is that of the medians; best is that of the fastest turns.
func benchmark(b *testing.B, data []byte, pump func(near net.Conn, far *fastPort, n int) error) {
	const turn, turns = 100, 20 // pieces a turn, turns a pair of connections
	b.SetBytes(piece)
	b.ReportAllocs()
	b.StopTimer()
	var ours, plain []float64 // seconds a piece
	var purges []float64      // milliseconds
	for left := b.N; left > 0; {
		shared := newFastPort(data)
		s := &rfc2217.Server{SocketBuffer: buffers}
		remote := dial(b, serve(b, s, shared), &rfc2217.Config{SocketBuffer: buffers, Buffer: buffers})
		one, two := benchPair(b)
		bare := newFastPort(data)
		go bare.serve(two)
		for i := 0; i < turns && left > 0; i++ {
			n := min(left, turn)
			left -= n
			b.StartTimer()
			start := time.Now()
			err := pump(connOf{remote}, shared, n)
			ours = append(ours, time.Since(start).Seconds()/float64(n))
			b.StopTimer()
			if err == nil {
				start = time.Now()
				err = pump(one, bare, n)
				plain = append(plain, time.Since(start).Seconds()/float64(n))
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		purges = append(purges, purgeLatency(b, remote, shared))
		remote.Close()
		s.Close()
		one.Close()
		two.Close()
	}
	slices.Sort(ours)
	slices.Sort(plain)
	slices.Sort(purges)
	b.ReportMetric(plain[len(plain)/2]/ours[len(ours)/2], "ratio")
	b.ReportMetric(plain[0]/ours[0], "best")
	b.ReportMetric(purges[len(purges)/2], "purge-ms")
}

// purgeLatency returns how long a purge of all queues takes, in milliseconds,
// while the peer sends without end and no call reads.
func purgeLatency(b *testing.B, p *rfc2217.Port, far *fastPort) float64 {
	far.send(math.MaxInt)
	defer far.stop()
	for left := -1; left != far.left(); runtime.Gosched() {
		left = far.left() // until all buffers are full
		<-time.After(20 * time.Millisecond)
	}
	start := time.Now()
	if err := p.Discard(port.Input | port.Output); err != nil {
		b.Error(err)
	}
	return time.Since(start).Seconds() * 1000
}

// BenchmarkBigWrite writes 64 MB in one call, against plain TCP.
func BenchmarkBigWrite(b *testing.B) {
	data := make([]byte, 64<<20)
	for _, load := range payloads[:2] {
		b.Run(load.name, func(b *testing.B) {
			load.fill(data)
			shared := newFastPort(data[:piece])
			remote := dial(b, serve(b, &rfc2217.Server{SocketBuffer: buffers}, shared), &rfc2217.Config{SocketBuffer: buffers})
			one, two := benchPair(b)
			bare := newFastPort(data[:piece])
			go bare.serve(two)
			var ours, plain []float64
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for _, w := range []struct {
					net.Conn
					far  *fastPort
					took *[]float64
				}{{connOf{remote}, shared, &ours}, {one, bare, &plain}} {
					start := time.Now()
					if n, err := w.Write(data); n != len(data) || err != nil {
						b.Fatal(n, err)
					}
					w.far.await(len(data))
					*w.took = append(*w.took, time.Since(start).Seconds())
				}
			}
			slices.Sort(ours)
			slices.Sort(plain)
			b.ReportMetric(ours[len(ours)/2]/plain[len(plain)/2], "times")
		})
	}
}

// BenchmarkPyserial measures pyserial's client at our server, and our client at
// pyserial's server, whose port returns what it gets.
func BenchmarkPyserial(b *testing.B) {
	const size = 256 << 10
	for _, load := range payloads {
		data := make([]byte, piece)
		load.fill(data)
		b.Run(load.name+"/client", func(b *testing.B) {
			shared := newFastPort(data)
			py := startPython(b, "testdata/client.py", "rfc2217://"+serve(b, &rfc2217.Server{}, shared))
			py.line(b)
			b.SetBytes(2 * size)
			for b.Loop() {
				shared.send(size)
				py.do(b, fmt.Sprintf("sum(len(p.read(4096)) for i in range(%d))", size/4096), fmt.Sprint(size))
				py.do(b, fmt.Sprintf("p.write(b'\\xff'*%d)", size), fmt.Sprint(size))
				shared.await(size)
			}
		})
		b.Run(load.name+"/server", func(b *testing.B) {
			py := startPython(b, "testdata/server.py", example(b), "loop://")
			p := dial(b, "127.0.0.1:"+strings.TrimPrefix(py.line(b), "listening "), nil)
			b.SetBytes(2 * size)
			for b.Loop() {
				go func() {
					for range size / piece {
						p.Write(data)
					}
				}()
				if _, err := io.CopyN(io.Discard, p, size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// upstream writes n pieces and waits until all have come out at the peer.
func upstream(near net.Conn, far *fastPort, n int) error {
	for range n {
		if _, err := near.Write(far.data); err != nil {
			return err
		}
	}
	far.await(n * piece)
	return nil
}

// downstream makes the peer send n pieces and reads them.
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

// fastPort is a port in memory that takes everything immediately and gives as much
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

// stop gives no more to read.
func (p *fastPort) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owing = 0
}

// left returns how much is still to be read from p.
func (p *fastPort) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owing
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

// benchPair is tcpPair with the buffers of the benchmarks.
func benchPair(b *testing.B) (one, two net.Conn) {
	one, two = tcpPair(b)
	for _, c := range []net.Conn{one, two} {
		c.(*net.TCPConn).SetReadBuffer(buffers)
		c.(*net.TCPConn).SetWriteBuffer(buffers)
	}
	return one, two
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
