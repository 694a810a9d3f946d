package scripttest

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
)

// pollInterval is the interval at which DTR is checked in any case, since a change
// between two waits is not reported.
const pollInterval = 100 * time.Millisecond

// driveLines sets the lines according to the modem's state.
func (m *Modem) driveLines() { m.setLines(m.ringing != nil) }

// setLines is driveLines with RI as given, which is off in the pause between two rings.
func (m *Modem) setLines(ring bool) {
	if m.cfg.Personality.ThreeWire {
		if p, ok := m.dte.(port.LineDriver); ok {
			p.Drive(port.Inputs, 0)
		}
		return
	}
	carrier := m.call.carrier() || m.carrier == 0
	switch p := m.dte.(type) {
	case port.LineDriver:
		values := port.DSR | port.CTS
		if carrier {
			values |= port.DCD
		}
		if ring {
			values |= port.RI
		}
		p.Drive(port.Inputs, values)
	case port.LineController:
		var values port.Lines
		if carrier {
			values = port.DTR
		}
		p.SetLines(port.DTR, values) // fails on a port without lines, which has no effect
	}
}

// watchDTR waits for the terminal's DTR, which is DSR here, to fall, until the modem
// ends. NewModem starts it.
func (m *Modem) watchDTR() {
	lines, ok := m.dte.(port.LineController)
	if !ok || m.cfg.Personality.ThreeWire {
		return
	}
	now, err := lines.Lines()
	for err == nil && m.post(func() { m.seeDTR(now.Has(port.DSR)) }) {
		limited, cancel := context.WithTimeout(m.ctx, pollInterval)
		now, err = lines.WaitLines(limited, port.DSR)
		if err != nil && limited.Err() != nil {
			now, err = lines.Lines()
		}
		cancel()
	}
}

// seeDTR carries out what &D specifies when DTR falls.
func (m *Modem) seeDTR(on bool) {
	fell := m.dtr && !on
	m.dtr = on
	if !fell {
		return
	}
	switch m.ready {
	case 1:
		m.escape()
	case 2, 3:
		// A call that is up and one that is being set up both end with NO
		// CARRIER.
		switch {
		case m.call.carrier():
			m.loseCarrier()
		case m.call != nil:
			m.fail("NO CARRIER")
		}
		if m.ready == 3 {
			m.reset()
		}
	}
}
