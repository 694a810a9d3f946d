// Package porttest tests whether a type fulfils the contract of port.Port.
//
// [TestPort] runs every check as a subtest, each on a fresh pair of ports that
// are connected to each other:
//
//	func TestPort(t *testing.T) {
//		porttest.TestPort(t, func(t *testing.T) (a, b port.Port) {
//			a, b = virtual.Pair()
//			return a, b
//		})
//	}
//
// A failure reports what the port did, what was awaited, and the promise in
// it. The abilities of port.ModeSetter, LineController, Breaker, Drainer and
// Counter are checked on ports that have them.
//
// # Time
//
// The suite never sleeps. Where a check needs time to pass it reads from a
// silent port under a deadline, and every step that blocks for more than ten
// seconds fails with the stacks of all goroutines. Run it with -race.
//
// Ports that work under testing/synctest can be tested there, one check after
// the other, see [Checks].
//
// # Liberties of a net.Conn
//
// A net.Conn may return io.EOF where the peer has closed, and io.ErrClosedPipe,
// as net.Pipe does, where it was closed. A terminal that the kernel hangs up
// may lose what was not read, see [LosesInput].
package porttest
