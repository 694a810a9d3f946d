package scp

import (
	"errors"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

// format is the character format in force. long means more than one stop bit:
// two, or one and a half with 5 data bits, which is what a UART makes of two.
type format struct {
	bits, parity uint8
	long         bool
}

// setPort changes one setting of the line and sets all three.
func (m *machine) setPort(in instr) error {
	if m.format == nil {
		m.format = m.currentFormat()
	}
	f := *m.format
	switch in.op {
	case opDataBits:
		f.bits = uint8(in.a)
	case opParity:
		f.parity = uint8(in.a)
	case opStopBits:
		f.long = in.a == 2
	}
	*m.format = f
	err := m.dialog.SetComm(f.settings())
	if errors.Is(err, errors.ErrUnsupported) {
		m.reportNoFormat(in)
		return nil
	}
	return err
}

// currentFormat is what the port has, or 8N1 if it does not tell.
func (m *machine) currentFormat() *format {
	s := ras.SettingsOf(port.Mode{})
	if p, ok := m.call.Line().(port.ModeSetter); ok {
		if mode, err := p.Mode(); err == nil {
			s = ras.SettingsOf(mode)
		}
	}
	return &format{bits: s.ByteSize, parity: s.Parity, long: s.StopBits > 0}
}

// settings returns the format as RAS writes it: stop bits 0 one, 1 one and a
// half, 2 two.
func (f format) settings() ras.CommSettings {
	s := ras.CommSettings{ByteSize: f.bits, Parity: f.parity}
	switch {
	case f.long && f.bits == 5:
		s.StopBits = 1
	case f.long:
		s.StopBits = 2
	}
	return s
}

// reportNoFormat tells the log that the port has no settings to change.
func (m *machine) reportNoFormat(in instr) {
	if log := m.prog.Dialog.Log; log != nil {
		line, _ := m.prog.src.place(int(in.pos))
		log.WarnContext(m.ctx, "scp: the port has no character format to set",
			"file", m.prog.src.name, "line", line, "command", commandNames[in.op])
	}
}
