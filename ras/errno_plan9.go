package ras

import (
	"errors"
	"syscall"
)

// Plan 9 has texts where other systems have numbers. What it lacks is an
// error that no call returns.
var (
	none  = errors.New("not an error of Plan 9")
	errno = errnos{none, none, none, none, syscall.ETIMEDOUT, none, none, none, none, syscall.EIO}
)
