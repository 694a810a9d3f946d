package port

import (
	"context"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

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
	if err := refused(m, modeOf(now)); err != nil {
		t.control(func(fd int) error { return setTermios(fd, old) })
		return err
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
