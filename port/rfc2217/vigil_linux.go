package rfc2217

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stateOf asks the system what has become of the bytes under way.
func stateOf(c *net.TCPConn, limit time.Duration) state {
	raw, err := c.SyscallConn()
	if err != nil {
		return atRest
	}
	st := atRest
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			st = judge(info, limit)
		}
	})
	return st
}

// judge reads what the system knows. A far end that acknowledges nothing has
// vanished only if the system has repeated itself: bytes, or probes of a window
// that is closed, of which a living far end answers each. The probes get rarer
// the longer a window is closed, up to two minutes apart.
func judge(info *unix.TCPInfo, limit time.Duration) state {
	const patience = 3 // probes without an answer
	silent := time.Duration(info.Last_ack_recv)*time.Millisecond >= limit
	switch {
	case info.Unacked == 0 && info.Notsent_bytes == 0:
		return atRest
	case silent && (info.Retransmits > 0 || info.Probes >= patience):
		return vanished
	}
	return underWay
}
