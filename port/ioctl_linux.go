package port

import (
	"math/bits"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What termios(3) and ioctl_tty(2) exchange with a driver, and the types of this
// package made from it.

var dataBits = [...]uint32{5: unix.CS5, 6: unix.CS6, 7: unix.CS7, 8: unix.CS8}

// setMode puts m, whose fields are all set, into tio, but for the bit rate.
func setMode(tio *unix.Termios, m Mode) {
	tio.Cflag &^= unix.CSIZE
	tio.Cflag |= dataBits[m.DataBits]
	setBits(&tio.Cflag, unix.CSTOPB, m.StopBits != StopOne)
	setBits(&tio.Cflag, unix.PARENB, m.Parity != ParityNone)
	setBits(&tio.Cflag, unix.PARODD, m.Parity == ParityOdd || m.Parity == ParityMark)
	setBits(&tio.Cflag, unix.CMSPAR, m.Parity == ParityMark || m.Parity == ParitySpace)
	setBits(&tio.Cflag, unix.CRTSCTS, m.Flow == FlowRTSCTS || m.Flow == FlowBoth)
	setBits(&tio.Iflag, unix.IXON|unix.IXOFF, m.Flow == FlowXONXOFF || m.Flow == FlowBoth)
	tio.Iflag &^= unix.IXANY
}

func setBits(flags *uint32, bits uint32, on bool) {
	*flags &^= bits
	if on {
		*flags |= bits
	}
}

// modeOf is the other way round.
func modeOf(tio *unix.Termios) Mode {
	m := Mode{Baud: int(tio.Ospeed), StopBits: StopOne}
	for bits := 5; bits <= 8; bits++ {
		if tio.Cflag&unix.CSIZE == dataBits[bits] {
			m.DataBits = bits
		}
	}
	if tio.Cflag&unix.CSTOPB != 0 {
		m.StopBits = StopTwo
		if m.DataBits == 5 {
			m.StopBits = StopOneHalf
		}
	}
	odd, stick := tio.Cflag&unix.PARODD != 0, tio.Cflag&unix.CMSPAR != 0
	switch {
	case tio.Cflag&unix.PARENB == 0:
		m.Parity = ParityNone
	case stick && odd:
		m.Parity = ParityMark
	case stick:
		m.Parity = ParitySpace
	case odd:
		m.Parity = ParityOdd
	default:
		m.Parity = ParityEven
	}
	hard, soft := tio.Cflag&unix.CRTSCTS != 0, tio.Iflag&(unix.IXON|unix.IXOFF) != 0
	switch {
	case hard && soft:
		m.Flow = FlowBoth
	case hard:
		m.Flow = FlowRTSCTS
	case soft:
		m.Flow = FlowXONXOFF
	default:
		m.Flow = FlowNone
	}
	return m
}

// tiocm holds the kernel's bits of the lines, in the order of Lines.
var tiocm = [...]int{unix.TIOCM_DTR, unix.TIOCM_RTS, unix.TIOCM_CTS, unix.TIOCM_DSR, unix.TIOCM_CD, unix.TIOCM_RI}

func linesFrom(state int) (l Lines) {
	for i, bit := range tiocm {
		if state&bit != 0 {
			l |= 1 << i
		}
	}
	return l
}

func (l Lines) tiocm() (state int) {
	for rest := l; rest != 0; rest &= rest - 1 {
		state |= tiocm[bits.TrailingZeros8(uint8(rest))]
	}
	return state
}

// icounter is struct serial_icounter_struct of linux/serial.h.
type icounter struct {
	cts, dsr, rng, dcd               uint32
	rx, tx                           uint32
	frame, overrun, parity, brk, buf uint32
	_                                [9]int32
}

// add adds what a driver counted between two readings. Its counters wrap at 32
// bits.
func (s *Stats) add(then, now *icounter) {
	s.Received += uint64(now.rx - then.rx)
	s.Sent += uint64(now.tx - then.tx)
	s.Framing += uint64(now.frame - then.frame)
	s.Parity += uint64(now.parity - then.parity)
	s.Overrun += uint64(now.overrun - then.overrun)
	s.Buffer += uint64(now.buf - then.buf)
	s.Breaks += uint64(now.brk - then.brk)
}

func getCounts(fd int, c *icounter) error {
	return ioctlPointer(fd, unix.TIOCGICOUNT, unsafe.Pointer(c))
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

func getSerialInfo(fd int, info *serialInfo) error {
	return ioctlPointer(fd, unix.TIOCGSERIAL, unsafe.Pointer(info))
}

func ioctlPointer(fd int, req uint, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p))
	if errno != 0 {
		return errno
	}
	return nil
}

// lineStatus returns the line status register of a UART, of which the kernel
// shows one bit, TIOCSER_TEMT.
func lineStatus(fd int) (uint32, error) { return unix.IoctlGetUint32(fd, unix.TIOCSERGETLSR) }

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags         uint32
	before, after uint32 // milliseconds
	_             [5]uint32
}

const (
	rs485Enabled     = 1 << 0
	rs485RTSOnSend   = 1 << 1
	rs485RTSAfter    = 1 << 2
	rs485RXDuringTX  = 1 << 4
	rs485Termination = 1 << 5
)

// kernel returns c as the driver takes it.
func (c *RS485) kernel() rs485 {
	r := rs485{
		flags:  rs485Enabled | rs485RTSOnSend,
		before: uint32(c.Before / time.Millisecond),
		after:  uint32(c.After / time.Millisecond),
	}
	if c.Inverted {
		r.flags = rs485Enabled | rs485RTSAfter
	}
	if c.Echo {
		r.flags |= rs485RXDuringTX
	}
	if c.Terminate {
		r.flags |= rs485Termination
	}
	return r
}

// isPseudo reports whether the terminal fd has no hardware: either side of a
// pseudo-terminal, or a virtual console. The names /dev/tty and /dev/console
// have numbers of their own and can lead to either, so the terminal itself is
// asked. Where the kernel does not know that call, they count as pseudo: what
// is not done to a pseudo-terminal does no harm on a serial port.
func isPseudo(fd int, rdev uint64) bool {
	if number, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV); err == nil {
		rdev = uint64(number)
	}
	return isPseudoNumber(rdev)
}

// isPseudoNumber goes by the major numbers of the kernel's devices.txt.
func isPseudoNumber(rdev uint64) bool {
	switch major, minor := unix.Major(rdev), unix.Minor(rdev); major {
	case 2, 3, 5:
		return true
	case 4:
		return minor < 64
	default:
		return major >= 128 && major <= 143
	}
}
