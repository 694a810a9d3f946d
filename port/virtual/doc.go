// Package virtual makes pairs of serial ports that are joined in memory by a
// null-modem cable, for programs that want to test what they do to a line
// without one.
//
// [Pair] returns both ends. What is written to one end is read from the other,
// DTR crosses to the other's DSR and DCD, and RTS to CTS. Options give the line
// a speed, a delay, noise and loss; methods of [Port] simulate the modem and the
// cable: Ring, Drive, HangUp, Restore, Unplug.
//
// # Time
//
// All that blocks here is durably blocking for testing/synctest, and nothing
// runs in the background. So a dialogue with a limit of 45 seconds is tested in
// microseconds if the pair is made within a bubble:
//
//	func TestDialGivesUp(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			computer, modem := virtual.Pair(virtual.LineSpeed(2400))
//			go bufio.NewReader(modem).ReadString('\r') // reads the number, and sends nothing
//			if err := dial(computer); !errors.Is(err, os.ErrDeadlineExceeded) {
//				t.Errorf("dial: %v, want a timeout", err)
//			}
//		})
//	}
//
// A loop that reads again and again under a deadline that has passed never
// blocks, and stops the clock of its bubble.
//
// # Buffers and flow control
//
// Each end has an input buffer and an output queue of the same size, see
// [BufferSize]. A full input buffer stops the sender, whatever the mode's flow
// control, so bytes are never dropped unless Overrun or Loss is set.
//
// Under RTS/CTS flow control (port.FlowRTSCTS, FlowBoth) a sender stops, besides,
// while its CTS is off: the peer clears RTS with SetLines, CTS is driven with
// Drive, or the peer has that flow control too and its buffer is three quarters
// full, until it is down to a quarter. Under DSR/DTR flow control a sender stops
// while its DSR is off.
//
// An end whose mode has XON/XOFF flow control (port.FlowXONXOFF, FlowBoth) removes
// XON (0x11) and XOFF (0x13) from what it receives: an XOFF stops its own
// transmitter until an XON. To other ends they are data.
//
// # Ends
//
// Calls on an end that was closed return net.ErrClosed, on one that was
// unplugged port.ErrRemoved. When the peer is closed or unplugged, or after a
// HangUp, reads return what has arrived and then port.ErrCarrierLost, which
// writes return immediately. What was written before a Close still arrives.
package virtual
