// Package guest holds tests that need a kernel of their own: they take its
// serial lines and USB devices, load PPP, and end with turning the machine off.
// The tests of package integration boot one and run them there, as its first
// and only program, /init. Elsewhere they are skipped.
//
// The guest's lines, as package integration makes them:
//
//	/dev/ttyS0    the console
//	/dev/ttyS1    a 16550A, joined to the next one; qemu carries the bytes
//	/dev/ttyS2    and no modem line, break or bit rate
//	/dev/ttyS3    the host, which takes results and requests
//	/dev/ttyUSB0  an FTDI adapter, whose other end echoes
//	/dev/ttyACM0  a CDC-ACM adapter on the bus of the kernel's dummy_hcd; the
//	/dev/ttyGS0   gadget at its other end makes DCD and DSR by being open
package guest
