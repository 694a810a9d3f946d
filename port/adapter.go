//go:build darwin || freebsd || openbsd || (linux && !ppc64)

package port

import (
	"errors"
	"net"
	"time"

	"go.bug.st/serial"
)

// adapter is the device of systems that this package does not drive itself. It
// puts go.bug.st/serial, whose calls block and have no deadlines, behind a pump.
type adapter struct {
	*pump
	lib     serial.Port
	name    string
	carrier *carrierWatch // nil without a policy

	closeTimeout       time.Duration
	closeMask, closeTo Lines
	lock               *lockFile

	mode    Mode  // guarded by pump.mu
	outputs Lines // guarded by pump.mu
}

func newAdapter(lib serial.Port, name string) *adapter {
	a := &adapter{lib: lib, name: name}
	a.pump = newPump(func(b []byte) (int, error) { return readSome(lib, b) }, lib.Write, a.failed)
	a.pump.finish = func() {
		if a.closeTimeout > 0 {
			lib.Drain()
		}
	}
	return a
}

// failed turns an error of the library into the cause that the user sees.
func (a *adapter) failed(err error) error {
	var lib *serial.PortError
	switch {
	case a.closing.Load():
		return net.ErrClosed
	case errors.As(err, &lib) && lib.Code() == serial.PortClosed, meansGone(err):
		return a.gone()
	}
	return err
}

// gone distinguishes a hang-up from a device that was removed.
func (a *adapter) gone() error {
	if isPseudoName(a.name) {
		return ErrCarrierLost
	}
	return settle(a.life.Done(), func() bool { return isThere(a.name) })
}

// freeBound is how long Close tries to get the two goroutines out of the
// library before it closes that over their heads.
const freeBound = 250 * time.Millisecond

// Close frees every caller first. A write or a drain that is stuck in the
// library ends when the output is discarded.
func (a *adapter) Close() error {
	if !a.closing.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	a.end()
	if a.carrier != nil {
		a.carrier.stop()
	}
	if a.closeTimeout > 0 {
		awaitGone(a.writerGone, a.closeTimeout)
	}
	if !isPseudoName(a.name) { // there it would take bytes from the peer
		a.lib.ResetOutputBuffer()
	}
	for limit := time.Now().Add(freeBound); !awaitGone(a.writerGone, settleStep) && time.Now().Before(limit); {
		a.lib.ResetOutputBuffer()
	}
	a.writeLines(a.closeMask, a.closeTo)
	err := a.lib.Close()
	awaitGone(a.readerGone, freeBound)
	a.lock.release()
	return err
}
