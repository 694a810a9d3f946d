package rfc2217

import (
	"context"
	"errors"
	"fmt"

	"github.com/rasline/rasline/port"
)

// Mode returns the mode in force as the server reports it. It requests what the
// server has not reported yet.
func (p *Port) Mode() (m port.Mode, err error) {
	defer p.wrapResult("mode", &err)
	ctx := context.Background()
	if err := p.awaitState(ctx); err != nil {
		return port.Mode{}, err
	}
	if err := p.acquire(ctx, p.modes); err != nil {
		return port.Mode{}, err
	}
	defer p.modes.release()
	if missing := p.unknown(); len(missing) > 0 {
		if err := p.ask(ctx, missing...); err != nil {
			return port.Mode{}, err
		}
	}
	if missing := p.unknown(); len(missing) > 0 {
		return port.Mode{}, fmt.Errorf("the server does not answer %v: %w", missing[0], errors.ErrUnsupported)
	}
	return p.known(), nil
}

// unknown returns a query for each part of the mode that the server has not
// reported.
func (p *Port) unknown() (reqs []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range []item{itemBaud, itemDataBits, itemParity, itemStopBits, itemFlow} {
		if !p.answers[i].known {
			reqs = append(reqs, query(i))
		}
	}
	return reqs
}

// known returns the mode as far as the server has reported it.
func (p *Port) known() port.Mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	value := func(i item) uint32 { return p.answers[i].value }
	m := port.Mode{
		Baud:     int(value(itemBaud)),
		DataBits: int(value(itemDataBits)),
		Parity:   port.Parity(value(itemParity)),
		StopBits: stopBits(byte(value(itemStopBits))),
	}
	if p.answers[itemFlow].known {
		m.Flow = flowOf(byte(value(itemFlow)))
	}
	return m
}

// SetMode asks the server for the fields of m that are not zero, waits for an
// acknowledgement of each, and fails with an error that names the first field
// that the server has set to something else; Mode then returns to what. A bit
// rate within 2 % of the wanted one is accepted. RTS/CTS and XON/XOFF together
// give errors.ErrUnsupported: RFC 2217 cannot ask for both.
func (p *Port) SetMode(m port.Mode) error {
	return p.wrap("set mode", p.setMode(context.Background(), m))
}

func (p *Port) setMode(ctx context.Context, m port.Mode) error {
	if err := m.Validate(); err != nil {
		return err
	}
	if m.Flow == port.FlowBoth || m.Flow == port.FlowDSRDTR {
		return fmt.Errorf("flow control %v cannot be asked for (RFC 2217, section 3): %w", m.Flow, errors.ErrUnsupported)
	}
	if err := p.acquire(ctx, p.modes); err != nil {
		return err
	}
	defer p.modes.release()
	if err := p.ask(ctx, modeRequests(m, port.Mode{})...); err != nil {
		return err
	}
	if len(modeRequests(m, p.known())) > 0 {
		// A server checks each field against the others as they are at that
		// moment, and refuses, for example, 8 data bits while 1.5 stop bits are
		// still set; one stop bit goes with everything. Ask again for what it
		// has refused.
		if m.DataBits != 0 && m.StopBits != 0 && p.known().DataBits != m.DataBits {
			if err := p.ask(ctx, request{itemStopBits, uint32(stopSize(port.StopOne))}); err != nil {
				return err
			}
			if err := p.ask(ctx, request{itemDataBits, uint32(m.DataBits)}); err != nil {
				return err
			}
		}
		if err := p.ask(ctx, modeRequests(m, p.known())...); err != nil {
			return err
		}
	}
	if have := p.known(); len(modeRequests(m, have)) > 0 {
		// Name the first field of want that the server has set otherwise.
		field, w, h := "flow control", any(m.Flow), any(have.Flow)
		switch {
		case m.Baud != 0 && !near(have.Baud, m.Baud):
			field, w, h = "bit rate", m.Baud, have.Baud
		case m.DataBits != 0 && have.DataBits != m.DataBits:
			field, w, h = "data bits", m.DataBits, have.DataBits
		case m.Parity != 0 && have.Parity != m.Parity:
			field, w, h = "parity", m.Parity, have.Parity
		case m.StopBits != 0 && have.StopBits != m.StopBits:
			field, w, h = "stop bits", m.StopBits, have.StopBits
		}
		return fmt.Errorf("the server does not take %s %v: it keeps %v", field, w, h)
	}
	return nil
}

// modeRequests returns what to send so that the fields of m that are not zero
// become those of have.
func modeRequests(m, have port.Mode) (reqs []request) {
	add := func(need bool, i item, v uint32) {
		if need {
			reqs = append(reqs, request{i, v})
		}
	}
	add(m.Baud != 0 && !near(have.Baud, m.Baud), itemBaud, uint32(m.Baud))
	add(m.DataBits != 0 && have.DataBits != m.DataBits, itemDataBits, uint32(m.DataBits))
	add(m.Parity != 0 && have.Parity != m.Parity, itemParity, uint32(m.Parity))
	add(m.StopBits != 0 && have.StopBits != m.StopBits, itemStopBits, uint32(stopSize(m.StopBits)))
	add(m.Flow != 0 && have.Flow != m.Flow, itemFlow, uint32(flowControl(m.Flow)))
	return reqs
}

// near reports whether a line at the rate have understands one at want.
func near(have, want int) bool {
	return max(have-want, want-have) <= want/50
}
