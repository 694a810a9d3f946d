//go:build linux && !ppc && !ppc64 && !ppc64le

package termios

import "golang.org/x/sys/unix"

const (
	tcgets2 = unix.TCGETS2
	tcsets2 = unix.TCSETS2
)
