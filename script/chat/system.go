//go:build !plan9 && !js && !wasip1

package chat

import "syscall"

// nonblock makes the opening of a named pipe's writing end fail instead of wait.
const nonblock = syscall.O_NONBLOCK

type errno = syscall.Errno
