//go:build !linux

package rfc2217

import (
	"net"
	"time"
)

// setUserTimeout does nothing: only Linux lets a program bound how long sent
// bytes may go unacknowledged.
func setUserTimeout(*net.TCPConn, time.Duration) {}
