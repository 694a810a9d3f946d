//go:build !plan9

package ras

import "syscall"

// errno holds the system's errors that Cause knows.
var errno = errnos{
	ENXIO: syscall.ENXIO, ENODEV: syscall.ENODEV,
	ECONNRESET: syscall.ECONNRESET, ECONNABORTED: syscall.ECONNABORTED, ETIMEDOUT: syscall.ETIMEDOUT,
	EHOSTUNREACH: syscall.EHOSTUNREACH, ENETUNREACH: syscall.ENETUNREACH, ENETDOWN: syscall.ENETDOWN,
	EPIPE: syscall.EPIPE, EIO: syscall.EIO,
}
