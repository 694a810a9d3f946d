// Package port opens serial ports, and specifies what a port is: a byte stream with
// deadlines.
//
//	p, err := port.Open(ctx, "/dev/ttyUSB0", &port.Config{
//		Mode: port.Mode{Baud: 115200, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne},
//		DTR:  port.Assert,
//	})
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	p.SetReadDeadline(time.Now().Add(5 * time.Second))
//	n, err := p.Read(buf)
//
// [Port] is the interface that everything above works with, and every net.Conn
// has it. What a port may do besides are interfaces of their own, [ModeSetter],
// [LineController], [Breaker], [BreakSetter], [Drainer], [QueueCounter],
// [Counter], [Detacher], [Named] and [Hider], to be asked for with a type
// assertion; each comment describes what happens without it. [Open] makes a
// [Serial], which has them all but the last; a method that the device at hand
// cannot do returns an error that matches errors.ErrUnsupported. [Stdio] makes a
// Serial of files that are open already, and [FromStream] a Port of any stream.
// A decorator embeds a [Forward], which has every optional interface.
// [List] returns the devices of this machine.
//
// # Errors
//
// Errors are [*OpError]. Ask errors.Is for the cause:
//
//	os.ErrDeadlineExceeded   a deadline passed; the port lives on
//	net.ErrClosed            this program closed the port
//	ErrCarrierLost           the peer hung up or its carrier was lost
//	ErrRemoved               the device itself was removed
//	ErrBusy                  Open: another process has the port
//	fs.ErrNotExist           Open: there is no such device
//	fs.ErrPermission         Open: this user may not use it
//	errors.ErrUnsupported    this device or system cannot do that
//	context.Canceled         the context of the call ended
//
// A driver that hangs a line up and a driver whose device was pulled answer
// alike. Whether the device node is still there decides; as it goes a moment
// later than the line, the first call that fails takes up to 150 ms to find
// out.
//
// # Waiting
//
// Everything that blocks ends immediately with Close, and with its deadline or its
// context. On Linux the descriptors are non-blocking and belong to the Go
// runtime's poller: a Read that waits costs no thread, ports of any number work
// whatever their descriptor numbers, and idle ports cost no time. The
// exceptions are few: a goroutine in WaitLines costs a thread for the port if
// the driver reports changes, and a check every 20 ms if not; a carrier policy
// costs a check every 100 ms.
//
// # Modem lines and the carrier
//
// [CarrierWatch] ends reads and writes when DCD falls, noticed within 100 ms.
// What had been received before is read first. A fall that is over within that
// time may go unnoticed. Config.KernelHangup leaves the matter to the kernel,
// which is faster and loses what was not read.
//
// Every system raises DTR and RTS when a device is opened. Config.DTR and
// Config.RTS set them right after it, but the pulse cannot be avoided.
//
// # Close and what was written
//
// Write returns when the driver has taken the bytes. Close throws away what is
// still queued, so call Drain before it, or set Config.CloseTimeout. A line held
// off by flow control can keep neither Close nor a Drain with a context from
// returning.
//
// # Systems
//
// Linux and Windows are driven directly. Windows lacks KernelHangup, RS485, Marks,
// LockDir and Detach; it opens a port for one program alone, and modem lines are
// polled every 20 ms, so that shorter pulses are not seen. A read takes what has
// arrived, also where a driver would wait for as much as it was asked for.
//
// On macOS, FreeBSD and OpenBSD the work is done through go.bug.st/serial by two
// goroutines for each port, with the same interface and the same errors. What
// these systems lack:
//
//   - flow control, Config.HangupOnClose, KernelHangup, RS485, Marks, XON and
//     XOFF are refused with errors.ErrUnsupported, and so are Stats, Queued,
//     SetBreak, Detach and SyscallConn;
//   - fields of Config.Mode that are zero become 9600,8N1, and Close does not
//     put back the settings;
//   - a port can be opened only while the program has fewer than about 1,020
//     files open;
//   - exclusive access relies on TIOCEXCL and the optional UUCP lock file;
//   - a Write that the driver never finishes can keep a goroutine until the
//     process ends, though never its caller.
//
// Elsewhere Open returns errors.ErrUnsupported, and all that needs no serial
// device of this machine works: FromStream, and the packages rfc2217 and virtual.
package port
