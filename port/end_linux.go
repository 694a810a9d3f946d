package port

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

var errNoTerminal = fmt.Errorf("this is no terminal: only a serial device can do that: %w", errors.ErrUnsupported)

// failed turns the error of a system call into the cause that the user sees.
// A line that is gone reads as end of file and answers everything else with
// EIO; a USB driver that lost its device says ENODEV or ENXIO as well.
func (t *tty) failed(err error) error {
	switch {
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return t.late()
	case err == io.EOF, errors.Is(err, unix.EIO), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV),
		errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ESHUTDOWN):
		return t.gone()
	}
	return err
}

// late tells the deadline that keepEnded set from one of the user's.
func (t *tty) late() error {
	switch {
	case t.closing.Load():
		return net.ErrClosed
	case t.lost.Load():
		return ErrCarrierLost
	}
	return os.ErrDeadlineExceeded
}

// gone tells a hang-up from a device that was removed: both end the line alike,
// but the node of a device stays. The node of a pseudo-terminal goes with its
// far end, and files that were open already have none to look at.
func (t *tty) gone() error {
	if t.closing.Load() {
		return net.ErrClosed
	}
	if t.path == "" || t.pseudo || t.settled.Load() {
		return ErrCarrierLost
	}
	err := settle(t.life.Done(), t.nodeThere)
	t.settled.Store(err == ErrCarrierLost)
	return err
}

// node is what a device's name leads to. A device that is plugged in again gets
// a node of its own, if with the old numbers.
type node struct{ dev, ino, rdev uint64 }

func nodeOf(st *unix.Stat_t) node { return node{uint64(st.Dev), uint64(st.Ino), uint64(st.Rdev)} }

// nodeThere reports whether the path still leads to the device.
func (t *tty) nodeThere() bool {
	var st unix.Stat_t
	return unix.Stat(t.path, &st) == nil && nodeOf(&st) == t.node
}
