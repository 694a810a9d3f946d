package port

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/rasline/rasline/internal/termios"
)

// The settings of a line as termios(3) has them.

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

func (t *ttyPort) Mode() (Mode, error) {
	tio, err := t.settings()
	if err != nil {
		return Mode{}, err
	}
	return modeOf(tio), nil
}

func (t *ttyPort) settings() (tio *unix.Termios, err error) {
	err = t.control(func(fd int) (err error) {
		tio, err = termios.Get(fd)
		return err
	})
	return tio, err
}

func (t *ttyPort) SetMode(m Mode) error {
	if t.ctl == nil {
		return errNoTerminal
	}
	if m == (Mode{}) {
		return t.afterClose(nil)
	}
	if m != (Mode{Flow: m.Flow}) {
		err := untilLate(&t.writeBy, func(ctx context.Context) error { return t.drain(ctx, t.queue) })
		if err != nil {
			return t.afterClose(err)
		}
	}
	return t.changeSettings(m, func(*unix.Termios) {})
}

// changeSettings changes the settings, sets those fields of m that are not zero
// and makes sure of them. If the driver refuses one, all is as it was.
func (t *ttyPort) changeSettings(m Mode, change func(*unix.Termios)) error {
	t.modeMu.Lock()
	defer t.modeMu.Unlock()
	old, err := t.settings()
	if err != nil {
		return err
	}
	tio := *old
	change(&tio)
	all := m.Merge(modeOf(&tio))
	if err := all.Validate(); err != nil {
		return err
	}
	if all.Flow == FlowDSRDTR {
		return fmt.Errorf("flow control dsrdtr is not supported on Linux: use rtscts: %w", errors.ErrUnsupported)
	}
	if m.Baud != 0 {
		termios.SetSpeed(&tio, m.Baud)
	}
	setMode(&tio, all)
	tio.Cc[unix.VSTART], tio.Cc[unix.VSTOP] = t.flowXON, t.flowXOFF
	if err := t.control(func(fd int) error { return termios.Set(fd, &tio) }); err != nil {
		return err
	}
	now, err := t.settings()
	if err != nil {
		return err
	}
	if field, asked, got := m.Mismatch(modeOf(now)); field != "" {
		t.control(func(fd int) error { return termios.Set(fd, old) })
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, asked, got, errors.ErrUnsupported)
	}
	return nil
}
