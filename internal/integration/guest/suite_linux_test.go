package guest

import (
	"testing"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/porttest"
)

// Why checks of the conformance suite cannot be made on the joined UARTs.
const (
	noLines   = "qemu carries no modem lines"
	noEnd     = "nothing tells this end that the far end closed"
	noHolding = "without flow control a stalled reader holds nobody up: made on a USB cable"
	tooLong   = "takes too long on an emulated UART: made on a USB cable"
)

var notOnUARTs = map[string]string{
	"AnySize":              tooLong,
	"FullDuplex":           tooLong,
	"WriteDeadline":        noHolding,
	"DeadlineMovedBack":    noHolding,
	"DeadlineInThePast":    noHolding,
	"DeadlineMovedForward": noHolding,
	"CloseFreesWrite":      noHolding,
	"CloseFreesDrain":      noHolding,
	"CloseFreesAll":        noHolding,
	"DeadlineFreesAll":     noHolding,
	"Drain":                noHolding,
	"DrainCancel":          noHolding,
	"DiscardOutput":        noHolding,
	"FarCloseEndsRead":     noEnd,
	"FarCloseKeepsBytes":   noEnd,
	"LinesCross":           noLines,
	"WaitLinesSees":        noLines,
	"RTSFollowsBuffer":     noLines,
}

// TestSuite runs the conformance suite of ports on the driver of the UARTs, and
// what they cannot do on those at the two ends of a USB cable.
func TestSuite(t *testing.T) {
	inGuest(t)
	for _, c := range porttest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			switch why := notOnUARTs[c.Name]; why {
			case "":
				c.Run(t, uarts)
			case noHolding, tooLong:
				t.Log(why)
				c.Run(t, cable)
			default:
				t.Skip(why)
			}
		})
	}
}

func uarts(t *testing.T) (a, b port.Port) {
	t.Helper()
	near, far := openPair(t, "115200,8N1,none")
	return near, far
}

// cable plugs the gadget in afresh and drops what it has for us: its driver
// keeps what one test left unread for the next, and may get stuck on it.
func cable(t *testing.T) (a, b port.Port) {
	t.Helper()
	pullGadget(t)
	awaitPulled(t)
	plugGadget(t)
	near, far := open(t, acm, nil), open(t, gadget, nil)
	sweep(t, near, far)
	sweep(t, far, near)
	return near, far
}
