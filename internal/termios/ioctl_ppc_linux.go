//go:build linux && (ppc || ppc64 || ppc64le)

package termios

import "golang.org/x/sys/unix"

// On PowerPC the first version of the calls has plain bit rates already.
const (
	tcgets2 = unix.TCGETS
	tcsets2 = unix.TCSETS
)
