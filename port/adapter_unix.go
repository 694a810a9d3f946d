//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"errors"
	"os"
	"strings"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// freesReads says whether discarding the input makes a blocked read return. On
// Unix closing the port does.
const freesReads = false

func readSome(lib serial.Port, b []byte) (int, error) { return lib.Read(b) }

// isPseudoName reports whether name is a pseudo-terminal, as the systems name
// them: Linux and FreeBSD, macOS, OpenBSD.
func isPseudoName(name string) bool {
	rest, ok := strings.CutPrefix(name, "/dev/")
	if !ok || strings.HasPrefix(rest, "pts/") {
		return ok
	}
	rest, ok = strings.CutPrefix(rest, "tty")
	return ok && len(rest) > 1 && strings.ContainsAny(rest[:1], "pqrsPQRST") && !strings.Contains(rest, ".")
}

func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// meansGone reports whether a system call answered that the line or the device
// is gone.
func meansGone(err error) bool {
	for _, e := range []error{unix.EIO, unix.ENXIO, unix.ENODEV, unix.EBADF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
