// Package pty makes pseudo-terminal pairs: our end is a port.Port, the other end
// is a path that any program can open as if it were a serial device.
//
//	pair, err := pty.Open(ctx)
//	…
//	cmd := exec.Command("minicom", "-D", pair.Name)
//
// Both sides are raw from the start: every byte passes unchanged, nothing is
// echoed. What is written on our end before a program opens the other end is queued
// there, up to a few KiB in the kernel; then Write blocks. What
// the other end wrote before it closed is read first, and then Read returns
// port.ErrCarrierLost. The other end may be opened again after that, by the same
// program or another, and reads continue; until one does, each Read fails
// immediately.
//
// When our end closes, the other end is hung up: the kernel drops what was not
// read there yet.
//
// A pseudo-terminal has no modem lines and cannot send a break. Its mode is
// shared by both ends, so Mode reports what the program at the other end has set;
// no bit is timed by it.
//
// Pairs are made on Linux. Elsewhere Open returns errors.ErrUnsupported.
package pty
