// Package rfc2217 is for serial ports on other hosts: a client and a server for
// the Telnet COM-PORT option (RFC 2217), by which modem banks and console
// servers are reached.
//
// # Client
//
// [Dial] returns a [Port], which is a port.Port with bit rate and character
// format, modem lines, break, discard, drain and counters like a local one:
//
//	p, err := rfc2217.Dial(ctx, "modems.example.net:2217", &rfc2217.Config{
//		Mode: port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven},
//	})
//
// Each setting waits for its own acknowledgement, and the value that the server
// acknowledges is the one in force. Changes of modem lines arrive as
// notifications; nothing is polled. Deadlines are local.
//
// A server that has no COM-PORT option carries data only, if Config.Plain allows
// that.
//
// # Control and data
//
// Modem lines, flow control and purges are not ordered with the data: they act
// immediately, as the calls of a local port do, also when the line accepts no
// data or the client reads none. Bit rate and character format are carried out
// after the data that was written before, and so is a break, which fails if that
// data does not leave. For this both sides read on when their queues are full,
// and ask each other to suspend the data meanwhile (FLOWCONTROL-SUSPEND).
//
// # Ends
//
// A connection that is lost gives an error that matches port.ErrCarrierLost and
// the cause, for example syscall.ECONNRESET. A server that refuses a client
// often sends a sentence; the error of Dial quotes it. A host that vanishes is
// noticed within Config.KeepAlive.
//
// # Server
//
// A [Server] shares a port, which may be a local device or any other port.Port,
// with one client at a time. Plain Telnet clients have its data, and with
// Server.Raw clients without Telnet.
//
// # Security
//
// RFC 2217 has no authentication and no encryption (its section 6). Who can use
// a port that a Server shares depends on the listener:
//
//   - A tls.Listener that demands client certificates: the owners of the
//     certificates. No other client moves a modem line, sends or receives a byte,
//     or keeps them out; see Server for how that is done.
//   - A listener on a Unix-domain socket: the users that may write to the
//     socket file.
//   - A tls.Listener without client certificates: every client that reaches the
//     address, without being overheard.
//   - A listener on the loopback address: every user of the host and every
//     program that a user runs. Web pages cannot use it, although a browser
//     can be made to connect: a client must answer in Telnet before anything
//     that it sends reaches the port, and requests of HTTP are refused.
//   - Any other listener: every client that reaches the address, and every host on
//     the way can read and change the data.
//
// Server.Authorize can restrict each of these further. Urgent data is not
// treated as RFC 1123, section 3.2.4, demands of hosts with users: what is
// before the data mark of a Synch is kept, since it may be a program's.
package rfc2217
