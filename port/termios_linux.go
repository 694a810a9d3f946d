package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

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

func (t *tty) Mode() (Mode, error) {
	tio, err := t.termios()
	if err != nil {
		return Mode{}, err
	}
	return modeOf(tio), nil
}

func (t *tty) termios() (tio *unix.Termios, err error) {
	err = t.control(func(fd int) (err error) {
		tio, err = getTermios(fd)
		return err
	})
	return tio, err
}

func (t *tty) SetMode(m Mode) error {
	if t.ctl == nil {
		return errNoTerminal
	}
	if m == (Mode{}) {
		return nil
	}
	if err := t.drainToDeadline(); err != nil {
		return err
	}
	return t.changeTermios(m, func(*unix.Termios) {})
}

// changeTermios changes the settings, sets those fields of m that are not zero
// and makes sure of them. If the driver refuses one, all is as it was.
func (t *tty) changeTermios(m Mode, change func(*unix.Termios)) error {
	t.modeMu.Lock()
	defer t.modeMu.Unlock()
	old, err := t.termios()
	if err != nil {
		return err
	}
	tio := *old
	change(&tio)
	all := m.Merge(modeOf(&tio))
	if err := all.Validate(); err != nil {
		return err
	}
	setMode(&tio, all)
	if err := t.control(func(fd int) error { return setTermios(fd, &tio) }); err != nil {
		return err
	}
	now, err := t.termios()
	if err != nil {
		return err
	}
	if field, asked, got := m.Mismatch(modeOf(now)); field != "" {
		t.control(func(fd int) error { return setTermios(fd, old) })
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, asked, got, errors.ErrUnsupported)
	}
	return nil
}

// drainToDeadline drains the output until the write deadline, wherever that
// moves meanwhile.
func (t *tty) drainToDeadline() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	late := false
	err := t.drain(ctx, func() (int, error) {
		if by := t.writeBy.Load(); by != 0 && time.Now().UnixNano() >= by {
			late = true
			cancel()
		}
		return t.queue()
	})
	if late && err != nil && err != net.ErrClosed {
		return os.ErrDeadlineExceeded
	}
	return err
}
