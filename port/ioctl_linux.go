package port

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// icounter is struct serial_icounter_struct of linux/serial.h.
type icounter struct {
	cts, dsr, rng, dcd               uint32
	rx, tx                           uint32
	frame, overrun, parity, brk, buf uint32
	_                                [9]int32
}

// serialInfo is struct serial_struct of linux/serial.h.
type serialInfo struct {
	kind, line   int32
	port         uint32
	irq          int32
	flags        int32
	fifo         int32
	divisor      int32
	baudBase     int32
	closeDelay   uint16
	ioType       uint8
	_            uint8
	hub6         int32
	closingWait  uint16
	closingWait2 uint16
	memBase      uintptr
	memShift     uint16
	portHigh     uint32
	ioMapBase    uintptr
}

const asyncLowLatency = 1 << 13 // ASYNC_LOW_LATENCY

func ioctlPointer(fd int, req uint, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p))
	if errno != 0 {
		return errno
	}
	return nil
}

func getCounts(fd int, c *icounter) error {
	return ioctlPointer(fd, unix.TIOCGICOUNT, unsafe.Pointer(c))
}

func setLowLatency(fd int) error {
	var info serialInfo
	if err := ioctlPointer(fd, unix.TIOCGSERIAL, unsafe.Pointer(&info)); err != nil {
		return err
	}
	info.flags |= asyncLowLatency
	return ioctlPointer(fd, unix.TIOCSSERIAL, unsafe.Pointer(&info))
}
