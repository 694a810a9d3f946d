package rfc2217

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ackStateOf reads what the kernel knows of the bytes sent (TCP_INFO, tcp(7)).
func ackStateOf(c *net.TCPConn, timeout time.Duration) ackState {
	raw, err := c.SyscallConn()
	if err != nil {
		return ackIdle
	}
	st := ackIdle
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			st = classifyAcks(info, timeout)
		}
	})
	return st
}

// classifyAcks derives the state from info. A peer that acknowledges nothing is
// lost only if the kernel has repeated itself: data, or probes of a closed
// window, each of which a living peer answers. The interval of probes grows up
// to two minutes while a window is closed.
func classifyAcks(info *unix.TCPInfo, timeout time.Duration) ackState {
	const maxProbes = 3 // without an answer
	silent := time.Duration(info.Last_ack_recv)*time.Millisecond >= timeout
	switch {
	case info.Unacked == 0 && info.Notsent_bytes == 0:
		return ackIdle
	case silent && (info.Retransmits > 0 || info.Probes >= maxProbes):
		return ackLost
	}
	return ackPending
}
