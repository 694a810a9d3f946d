package rfc2217

import (
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKeepAlive asks the kernel for the limits that notice a vanished host on a
// connection that is silent.
func TestKeepAlive(t *testing.T) {
	tests := []struct {
		limit                 time.Duration
		on                    int
		idle, interval, count int
	}{
		{0, 1, 15, 5, 3},
		{6 * time.Second, 1, 3, 1, 3},
		{time.Second, 1, 3, 1, 3},
		{61 * time.Second, 1, 33, 11, 3},
		{-1, 0, 0, 0, 0},
	}
	for _, tt := range tests {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d := net.Dialer{KeepAlive: -1}
		c, err := d.Dial("tcp", l.Addr().String())
		l.Close()
		if err != nil {
			t.Fatal(err)
		}
		tune(c, tt.limit, 0)
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			check := func(name string, level, opt, want int) {
				if got, err := unix.GetsockoptInt(int(fd), level, opt); err != nil || got != want {
					t.Errorf("limit %v: %s is %d, %v; want %d", tt.limit, name, got, err, want)
				}
			}
			check("SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, tt.on)
			if tt.on == 0 {
				return
			}
			check("TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, tt.idle)
			check("TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, tt.interval)
			check("TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, tt.count)
		})
		c.Close()
	}
}

// TestAckStates has what the system reports for connections with bytes under way.
func TestAckStates(t *testing.T) {
	const limit = 30 * time.Second
	tests := []struct {
		name string
		info unix.TCPInfo
		want ackState
	}{
		{"nothing under way, silent for an hour", unix.TCPInfo{Last_ack_recv: 3600_000}, ackIdle},
		{"just sent", unix.TCPInfo{Unacked: 1, Last_ack_recv: 3600_000}, ackPending},
		{"repeated, and acknowledged lately", unix.TCPInfo{Unacked: 1, Retransmits: 2, Last_ack_recv: 2_000}, ackPending},
		{"repeated for half a minute", unix.TCPInfo{Unacked: 1, Retransmits: 6, Last_ack_recv: 30_000}, ackLost},
		{"a closed window, and a probe just sent", unix.TCPInfo{Notsent_bytes: 9, Probes: 1, Last_ack_recv: 120_000}, ackPending},
		{"a closed window, and probes answered", unix.TCPInfo{Notsent_bytes: 9, Last_ack_recv: 119_000}, ackPending},
		{"a closed window, and probes not answered", unix.TCPInfo{Notsent_bytes: 9, Probes: 3, Last_ack_recv: 40_000}, ackLost},
	}
	for _, tt := range tests {
		if got := classifyAcks(&tt.info, limit); got != tt.want {
			t.Errorf("%s: state %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestAckWatchdog observes a peer that reads nothing: it is alive. The limit
// is one that would not let it live if silence alone counted.
func TestAckWatchdog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	lost := make(chan error, 1)
	w := newAckWatchdog(c, 4*time.Millisecond, func(err error) { lost <- err })
	defer w.stop()
	data, written := make([]byte, 64<<20), make(chan int, 1)
	go func() {
		n, _ := c.Write(data)
		written <- n
	}()
	for ackStateOf(c.(*net.TCPConn), time.Hour) != ackPending {
		runtime.Gosched() // the first bytes are not under way yet
	}
	w.start()
	<-time.After(300 * time.Millisecond) // many times the limit
	c.SetWriteDeadline(time.Now())
	n := <-written
	if n == len(data) {
		t.Skip("the system takes 64 MiB without a reader")
	}
	if st := ackStateOf(c.(*net.TCPConn), time.Hour); st != ackPending {
		t.Errorf("after %d bytes that nobody reads: state %d, want %d", n, st, ackPending)
	}
	select {
	case err := <-lost:
		t.Errorf("a far end that is alive was given up: %v", err)
	default:
	}
	far.SetReadDeadline(time.Now().Add(10 * time.Second))
	for got := 0; got < n; {
		k, err := far.Read(make([]byte, 1<<20))
		if got += k; err != nil {
			t.Fatal(err)
		}
	}
	for ackStateOf(c.(*net.TCPConn), time.Hour) != ackIdle {
		runtime.Gosched() // the last acknowledgement is on its way
	}
}
