// Portserver shares a serial port over the network, by Telnet and RFC 2217.
//
//	portserver -port /dev/ttyUSB0
//	portserver -port /dev/ttyS0 -mode 9600,7E1 -listen unix:/run/modem.sock
//	portserver -port /dev/ttyS0 -listen :2217 -cert server.pem -key server.key -client-ca clients.pem -allow 192.0.2.0/24
//
// One client at a time has the port; others receive a sentence and are closed. Each begins with the
// mode of -mode and empty queues. DTR and RTS are asserted while a client is
// connected, so that a modem hangs up after it. When the client has disconnected, what
// it had sent is written as long as the line accepts it.
//
// # Who can use the port
//
// RFC 2217 has no passwords and no encryption. Who has the port depends on the
// address:
//
//   - On the loopback (the default) every user of this host can use it, and every
//     program that a user runs. Web pages do not: their requests are recognized
//     and refused before anything reaches the line.
//   - With -listen unix:PATH only those have it that may write to the socket
//     file, at first the user of portserver alone.
//   - With -cert, -key and -client-ca those have it that have a certificate of
//     that authority, from any host. The TLS handshake is completed before
//     anything happens to the line.
//   - With -cert and -key alone every client that reaches the address has it, without being overheard.
//   - With -plain every client has it, and every host on the path can read it.
//     portserver listens on other addresses than the loopback only with TLS or
//     with -plain.
//
// -allow restricts each of these to networks. A client without Telnet is refused
// after -handshake; -raw serves such clients, and needs TLS, a Unix-domain
// socket or -plain.
//
// # Failures
//
// If the device is removed or the line is hung up, clients are refused with the
// reason, and the device is opened again, for as long as it takes.
//
// The exit status is 0 after an interrupt, 1 if serving failed, 2 for bad flags
// and 3 if the port cannot be opened.
package main
