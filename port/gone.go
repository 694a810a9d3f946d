package port

import (
	"net"
	"time"
)

// The node of a pulled adapter goes a moment after the line is hung up, so
// settle looks this often and this many times before it believes that the node
// stays.
const (
	settleStep  = 10 * time.Millisecond
	settleSteps = 15
)

// settle finds out why a line ended: ErrRemoved if the device is not there any
// more, ErrCarrierLost if it stays, net.ErrClosed if the port is closed
// meanwhile.
func settle(closed <-chan struct{}, there func() bool) error {
	for range settleSteps {
		if !there() {
			return ErrRemoved
		}
		select {
		case <-closed:
			return net.ErrClosed
		case <-time.After(settleStep):
		}
	}
	return ErrCarrierLost
}
