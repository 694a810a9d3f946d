package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// The settings of a line as termios2 of termios(3) and linux/termbits.h hold
// them: bit rates are plain numbers there (BOTHER).

const (
	xon  = 0x11 // DC1
	xoff = 0x13 // DC3
)

var dataBits = [...]uint32{5: unix.CS5, 6: unix.CS6, 7: unix.CS7, 8: unix.CS8}

func getTermios(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, tcgets2) }

func setTermios(fd int, tio *unix.Termios) error { return unix.IoctlSetTermios(fd, tcsets2, tio) }

// makeRaw turns off all that looks at or changes the bytes, XON/XOFF included,
// and makes the driver ignore the carrier.
func makeRaw(tio *unix.Termios) {
	tio.Iflag = 0
	tio.Oflag &^= unix.OPOST
	tio.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	tio.Cflag |= unix.CREAD | unix.CLOCAL
	tio.Cc[unix.VMIN], tio.Cc[unix.VTIME] = 1, 0
}

// setMode puts m, all of whose fields are set, into tio.
func setMode(tio *unix.Termios, m Mode) {
	tio.Cflag &^= unix.CBAUD | unix.CBAUD<<unix.IBSHIFT | unix.CSIZE
	tio.Cflag |= unix.BOTHER | dataBits[m.DataBits]
	tio.Ospeed, tio.Ispeed = uint32(m.Baud), uint32(m.Baud)
	setBits(&tio.Cflag, unix.CSTOPB, m.StopBits != StopOne)
	setBits(&tio.Cflag, unix.PARENB, m.Parity != ParityNone)
	setBits(&tio.Cflag, unix.PARODD, m.Parity == ParityOdd || m.Parity == ParityMark)
	setBits(&tio.Cflag, unix.CMSPAR, m.Parity == ParityMark || m.Parity == ParitySpace)
	setBits(&tio.Cflag, unix.CRTSCTS, m.Flow == FlowRTSCTS || m.Flow == FlowBoth)
	setBits(&tio.Iflag, unix.IXON|unix.IXOFF, m.Flow == FlowXONXOFF || m.Flow == FlowBoth)
	tio.Iflag &^= unix.IXANY
	tio.Cc[unix.VSTART], tio.Cc[unix.VSTOP] = xon, xoff
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
	m.Parity = parityOf(tio.Cflag)
	m.Flow = flowOf(tio)
	return m
}

func parityOf(cflag uint32) Parity {
	odd, stick := cflag&unix.PARODD != 0, cflag&unix.CMSPAR != 0
	switch {
	case cflag&unix.PARENB == 0:
		return ParityNone
	case stick && odd:
		return ParityMark
	case stick:
		return ParitySpace
	case odd:
		return ParityOdd
	}
	return ParityEven
}

func flowOf(tio *unix.Termios) Flow {
	hard, soft := tio.Cflag&unix.CRTSCTS != 0, tio.Iflag&(unix.IXON|unix.IXOFF) != 0
	switch {
	case hard && soft:
		return FlowBoth
	case hard:
		return FlowRTSCTS
	case soft:
		return FlowXONXOFF
	}
	return FlowNone
}

// refused returns an error that names the first field of want, a mode whose
// zero fields do not matter, that the driver did not take.
func refused(want, got Mode) error {
	no := func(field string, asked, took any) error {
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, asked, took, errors.ErrUnsupported)
	}
	off := want.Baud - got.Baud
	switch {
	case want.Baud != 0 && max(off, -off) > want.Baud/50:
		return no("bit rate", want.Baud, got.Baud)
	case want.DataBits != 0 && want.DataBits != got.DataBits:
		return no("data bits", want.DataBits, got.DataBits)
	case want.Parity != 0 && want.Parity != got.Parity:
		return no("parity", want.Parity, got.Parity)
	case want.StopBits != 0 && want.StopBits != got.StopBits:
		return no("stop bits", want.StopBits, got.StopBits)
	case want.Flow != 0 && want.Flow != got.Flow:
		return no("flow control", want.Flow, got.Flow)
	}
	return nil
}
