//go:build js || wasip1

package chat

import "syscall"

const nonblock = 0 // there are no named pipes

type errno = syscall.Errno
