package console

import "golang.org/x/sys/unix"

const (
	getSettings = unix.TCGETS
	setSettings = unix.TCSETS
	setAndFlush = unix.TCSETSF
	noKey       = 0
)
