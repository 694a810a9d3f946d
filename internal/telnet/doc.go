// Package telnet is the Telnet protocol as a serial port on another host needs
// it: a decoder and an encoder for any split of the bytes (RFC 854, RFC 855),
// option states that cannot loop (RFC 1143), and a connection on which data and
// commands share the wire.
//
// Nothing here knows about serial ports; package rfc2217 puts them on top.
package telnet
