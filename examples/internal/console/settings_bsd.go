//go:build darwin || freebsd || openbsd

package console

import "golang.org/x/sys/unix"

const (
	getSettings = unix.TIOCGETA
	setSettings = unix.TIOCSETA
	setAndFlush = unix.TIOCSETAF
	noKey       = 0xFF
)
