package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/windows"
)

// The bits of DCB.Flags (winbase.h).
const (
	dcbBinary       = 1 << 0
	dcbParity       = 1 << 1
	dcbOutxCtsFlow  = 1 << 2
	dcbOutxDsrFlow  = 1 << 3
	dcbDtrControl   = 3 << 4
	dcbDtrEnable    = 1 << 4
	dcbDtrHandshake = 2 << 4
	dcbDsrSensitive = 1 << 6
	dcbTXContinue   = 1 << 7
	dcbOutX         = 1 << 8
	dcbInX          = 1 << 9
	dcbErrorChar    = 1 << 10
	dcbNull         = 1 << 11
	dcbRtsControl   = 3 << 12
	dcbRtsEnable    = 1 << 12
	dcbRtsHandshake = 2 << 12
	dcbAbortOnError = 1 << 14
)

// setDCB puts m, whose fields are all set, into d, with DTR and RTS at the given
// levels where flow control does not drive them: SetCommState sets them anew.
func setDCB(d *windows.DCB, m Mode, outputs Lines) {
	d.BaudRate, d.ByteSize = uint32(m.Baud), uint8(m.DataBits)
	d.Parity, d.StopBits = uint8(m.Parity-ParityNone), uint8(m.StopBits-StopOne)
	d.Flags &^= dcbParity | dcbOutxCtsFlow | dcbOutxDsrFlow | dcbDtrControl | dcbDsrSensitive |
		dcbOutX | dcbInX | dcbErrorChar | dcbNull | dcbRtsControl | dcbAbortOnError
	d.Flags |= dcbBinary | dcbTXContinue
	if m.Parity != ParityNone {
		d.Flags |= dcbParity
	}
	if outputs.Has(DTR) {
		d.Flags |= dcbDtrEnable
	}
	if outputs.Has(RTS) {
		d.Flags |= dcbRtsEnable
	}
	switch m.Flow {
	case FlowRTSCTS, FlowBoth:
		d.Flags = d.Flags&^dcbRtsControl | dcbRtsHandshake | dcbOutxCtsFlow
	case FlowDSRDTR:
		d.Flags = d.Flags&^dcbDtrControl | dcbDtrHandshake | dcbOutxDsrFlow
	}
	if m.Flow == FlowXONXOFF || m.Flow == FlowBoth {
		d.Flags |= dcbOutX | dcbInX
	}
}

// modeOfDCB is the other way round.
func modeOfDCB(d *windows.DCB) Mode {
	m := Mode{
		Baud: int(d.BaudRate), DataBits: int(d.ByteSize),
		Parity: Parity(d.Parity) + ParityNone, StopBits: StopBits(d.StopBits) + StopOne, Flow: FlowNone,
	}
	soft := d.Flags&(dcbOutX|dcbInX) != 0
	switch {
	case d.Flags&dcbOutxCtsFlow != 0 && soft:
		m.Flow = FlowBoth
	case d.Flags&dcbOutxCtsFlow != 0:
		m.Flow = FlowRTSCTS
	case d.Flags&dcbOutxDsrFlow != 0:
		m.Flow = FlowDSRDTR
	case soft:
		m.Flow = FlowXONXOFF
	}
	return m
}

func (c *comPort) Mode() (Mode, error) {
	var d windows.DCB
	err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &d) })
	if err != nil {
		return Mode{}, err
	}
	return modeOfDCB(&d), nil
}

func (c *comPort) SetMode(m Mode) error {
	if m == (Mode{}) {
		return c.afterClose(nil)
	}
	if err := c.afterClose(untilLate(&c.writeByNano, c.Drain)); err != nil {
		return err
	}
	return c.change(m, false)
}

// change sets the fields of m that are not zero and makes sure of them. If the
// driver refuses one, all is as it was. At open what is left over from another
// program is set right too: XON/XOFF would take bytes out of the stream.
func (c *comPort) change(m Mode, opening bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var old, now windows.DCB
	if err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &old) }); err != nil {
		return err
	}
	base := modeOfDCB(&old)
	if opening {
		switch base.Flow {
		case FlowXONXOFF:
			base.Flow = FlowNone
		case FlowBoth:
			base.Flow = FlowRTSCTS
		}
		if base.Validate() != nil { // nothing has set it yet
			base = Mode{9600, 8, ParityNone, StopOne, FlowNone}
		}
	}
	all := m.Merge(base)
	if err := all.Validate(); err != nil {
		return err
	}
	d := old
	setDCB(&d, all, c.outputs)
	d.XonChar, d.XoffChar = c.flowXON, c.flowXOFF
	d.XonLim, d.XoffLim = 512, 512
	if err := c.control(func(h windows.Handle) error { return windows.SetCommState(h, &d) }); err != nil {
		return fmt.Errorf("the driver refused the mode %v: %w", all, noSuchAbility(err, "such mode"))
	}
	if err := c.control(func(h windows.Handle) error { return windows.GetCommState(h, &now) }); err != nil {
		return err
	}
	if field, want, got := m.Mismatch(modeOfDCB(&now)); field != "" {
		c.control(func(h windows.Handle) error { return windows.SetCommState(h, &old) })
		return fmt.Errorf("the driver refused %s %v and stays at %v: %w", field, want, got, errors.ErrUnsupported)
	}
	return nil
}

// The bits of GetCommModemStatus and the functions of EscapeCommFunction
// (winbase.h).
const (
	msCTS  = 0x10
	msDSR  = 0x20
	msRING = 0x40
	msRLSD = 0x80
)

func (c *comPort) Lines() (Lines, error) {
	var status uint32
	if err := c.control(func(h windows.Handle) error { return windows.GetCommModemStatus(h, &status) }); err != nil {
		return 0, noSuchAbility(err, "modem lines")
	}
	c.mu.Lock()
	l := c.outputs
	c.mu.Unlock()
	for _, in := range []struct {
		bit  uint32
		line Lines
	}{{msCTS, CTS}, {msDSR, DSR}, {msRLSD, DCD}, {msRING, RI}} {
		if status&in.bit != 0 {
			l |= in.line
		}
	}
	return l, nil
}

func (c *comPort) SetLines(mask, values Lines) error {
	if err := outputsOnly(mask); err != nil {
		return err
	}
	return c.writeLines(mask, values)
}

func (c *comPort) writeLines(mask, values Lines) error {
	if mask == 0 {
		return c.afterClose(nil)
	}
	if err := c.control(func(h windows.Handle) error { return escapeLines(h, mask, values) }); err != nil {
		return noSuchAbility(err, "modem lines")
	}
	c.mu.Lock()
	c.outputs = c.outputs.With(mask, values)
	c.mu.Unlock()
	return nil
}

// escapeLines sets DTR and RTS.
func escapeLines(h windows.Handle, mask, values Lines) error {
	for _, out := range []struct {
		line    Lines
		on, off uint32
	}{{DTR, windows.SETDTR, windows.CLRDTR}, {RTS, windows.SETRTS, windows.CLRRTS}} {
		if !mask.Has(out.line) {
			continue
		}
		f := out.off
		if values.Has(out.line) {
			f = out.on
		}
		if err := windows.EscapeCommFunction(h, f); err != nil {
			return err
		}
	}
	return nil
}

// WaitLines polls the lines: the driver's own wait (WaitCommEvent) serves one
// caller at a time.
func (c *comPort) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	before, err := c.Lines()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	l, err := waitLines(ctx, mask, lineState{lines: before}, func() (lineState, error) {
		now, err := c.Lines()
		return lineState{lines: now}, err
	}, nil, func() time.Duration { return linePoll })
	if err != nil && c.closing.Load() {
		err = net.ErrClosed
	}
	return l, err
}
