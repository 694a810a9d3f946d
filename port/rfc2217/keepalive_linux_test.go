package rfc2217

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKeepAlive asks the kernel for the limits that notice a vanished host: a
// connection that is silent, and one with bytes under way.
func TestKeepAlive(t *testing.T) {
	tests := []struct {
		limit                 time.Duration
		on                    int
		idle, interval, count int
		user                  int
	}{
		{0, 1, 15, 5, 3, 30_000},
		{6 * time.Second, 1, 3, 1, 3, 6_000},
		{time.Second, 1, 3, 1, 3, 6_000},
		{61 * time.Second, 1, 33, 11, 3, 66_000},
		{-1, 0, 0, 0, 0, 0},
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
		tune(c, tt.limit)
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
			check("TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, tt.user)
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
