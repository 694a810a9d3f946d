// Package rfc2217 is for serial ports on other hosts: a client and a server for
// the Telnet COM-PORT option (RFC 2217), by which modem banks and console
// servers are reached.
//
// # Client
//
// [Dial] gives a [Port], which is a port.Port with bit rate and character
// format, modem lines, break, discard, drain and counters like a local one:
//
//	p, err := rfc2217.Dial(ctx, "modems.example.net:2217", &rfc2217.Config{
//		Mode: port.Mode{Baud: 9600, DataBits: 7, Parity: port.ParityEven},
//	})
//
// Each setting waits for its own acknowledgement, and the value that the server
// acknowledges is the one in force. Changes of modem lines come in as
// notifications; nothing is polled. Deadlines are kept here and tell the server
// nothing.
//
// A server that has no COM-PORT option is good for data if Config.Plain allows
// that.
//
// # Ends
//
// A connection that is lost gives an error that matches port.ErrCarrierLost and
// the cause, say syscall.ECONNRESET. A host that vanishes without a word is
// noticed within Config.KeepAlive.
//
// # Server
//
// A [Server] shares a port, which may be a local device or any other port.Port,
// with one client at a time, and a plain Telnet client can use it as well.
//
// # Security
//
// RFC 2217 has no authentication and no encryption (its section 6): whoever
// reaches the server has the line. Use TLS with client certificates, by
// Config.Dial here and a tls.Listener there, or keep to the loopback.
package rfc2217
