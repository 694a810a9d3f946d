//go:build unix

package rfc2217

import (
	"net"

	"golang.org/x/sys/unix"
)

// keepUrgentInline leaves urgent data in the stream (SO_OOBINLINE, socket(7)).
func keepUrgentInline(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_OOBINLINE, 1)
		})
	}
}
