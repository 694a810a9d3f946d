// Package portname opens any port by its name, so that a program needs one flag
// for all of them:
//
//	/dev/ttyUSB0, COM3             a serial device of this machine (port.Open)
//	usb:VID:PID[:SERIAL]           a USB device, wherever it is plugged in
//	tcp://HOST:PORT                a raw TCP connection
//	unix:/PATH                     a raw connection to a Unix socket
//	telnet://HOST:PORT             a Telnet connection, without modem lines
//	rfc2217://HOST:PORT            a serial port on another host (package rfc2217)
//	rfc2217+tls://HOST:PORT        the same over TLS
//	rfc2217+unix:/PATH             a serial port that a process of this host shares by a Unix socket
//	replay:FILE[#NAME]             the peer of a recording, played back (package capture); NAME is the
//	                               recorded port, if there are several
//
// [Register] adds schemes, and [Schemes] lists them.
//
// # Options
//
// What follows a question mark fills the configuration:
//
//	usb:…?interface=N              of several ports of one device (port.Info.InterfaceNumber)
//	tcp://…?telnet=data            the peer may send what looks like Telnet
//	rfc2217+tls://…                ca=FILE, the certificate authority of the server, or its own certificate;
//	                               cert=FILE&key=FILE, the client's certificate, in PEM; name=NAME, the
//	                               server's name in its certificate, if it is not HOST
//	telnet://…, rfc2217…           ack=5s, keepalive=30s, ignoreacks, plain: the fields
//	                               AckTimeout, KeepAlive, IgnoreAcks and Plain of rfc2217.Config
//
// # Errors
//
// Errors are *port.OpError. A name that cannot be understood matches
// [ErrBadName], and the text names the forms that it could have had; for a
// device that is not there it names those that are.
package portname
