//go:build !unix && !windows

package rfc2217

import "net"

func keepUrgentInline(*net.TCPConn) {}
