package rfc2217

import (
	"net"

	"golang.org/x/sys/windows"
)

const soOOBInline = 0x0100 // SO_OOBINLINE of winsock2.h

// keepUrgentInline leaves urgent data in the stream.
func keepUrgentInline(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soOOBInline, 1)
		})
	}
}
