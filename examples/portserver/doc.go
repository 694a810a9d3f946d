// Portserver shares a serial port over the network, by Telnet and RFC 2217.
//
//	portserver -port /dev/ttyUSB0
//	portserver -port /dev/ttyS0 -mode 9600,7E1 -listen 127.0.0.1:2217 -idle 10m
//	portserver -port /dev/ttyS0 -listen :2217 -cert server.pem -key server.key -client-ca clients.pem -allow 192.0.2.0/24
//
// It listens on the loopback unless told otherwise. RFC 2217 has no passwords
// and no encryption, so an address that other hosts can reach is taken only
// with TLS, or with -plain, and portserver says what it has opened to whom.
//
// One client at a time has the port; others are told so. DTR and RTS are
// asserted while a client is connected, so that a modem hangs up behind it.
//
// The exit status is 0 after an interrupt, 1 if serving failed, 2 for bad flags
// and 3 if the port cannot be opened.
package main
