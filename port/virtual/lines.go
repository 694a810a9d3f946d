package virtual

import (
	"context"
	"errors"
	"fmt"

	"github.com/rasline/rasline/port"
)

// Lines returns the lines that are asserted now. The peer's DTR is DSR and
// DCD here and its RTS is CTS, unless it has set them with Drive.
func (p *Port) Lines() (port.Lines, error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.linesEnded(); err != nil {
		return 0, p.fail("lines", err)
	}
	now := p.cable.now()
	p.out.step(now)
	p.peer.out.step(now)
	p.cable.update()
	return p.lines(), nil
}

// SetLines sets DTR and RTS. Other lines in mask are an error, and then nothing
// is set.
func (p *Port) SetLines(mask, values port.Lines) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.linesEnded(); err != nil {
		return p.fail("set lines", err)
	}
	if mask&^port.Outputs != 0 {
		return p.fail("set lines", fmt.Errorf("%v cannot be set from this side: set only DTR and RTS: %w", mask&^port.Outputs, errors.ErrUnsupported))
	}
	p.outputs = p.outputs.With(mask, values)
	p.cable.propagate()
	return nil
}

// WaitLines blocks until one of the lines in mask changes, counted from the
// call, and returns the lines after the change. No change is missed, however
// short. If the carrier is lost and the change is not one of mask it returns
// port.ErrCarrierLost.
func (p *Port) WaitLines(ctx context.Context, mask port.Lines) (lines port.Lines, err error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	defer func() { err = p.fail("wait lines", err) }()
	before := p.edges
	for {
		err := p.linesEnded()
		switch {
		case err != nil:
			return 0, err
		case p.edges.Since(&before, uint8(mask)):
			return p.lines(), nil
		case p.lost():
			return p.lines(), port.ErrCarrierLost
		}
		now := p.cable.now()
		p.out.step(now)
		p.peer.out.step(now)
		p.cable.update()
		if p.edges.Since(&before, uint8(mask)) {
			continue
		}
		if err := p.await(ctx, now, min(p.out.crossing(), p.peer.out.crossing())); err != nil {
			return p.lines(), err
		}
	}
}

func (p *Port) linesEnded() error {
	if err := p.ended(); err != nil {
		return err
	}
	if p.cable.noLines {
		return fmt.Errorf("this port has no modem lines: %w", errors.ErrUnsupported)
	}
	return nil
}

// lines returns the levels of the lines at this end.
func (p *Port) lines() port.Lines {
	var in port.Lines
	if p.peer.outputs.Has(port.DTR) {
		in |= port.DSR | port.DCD
	}
	if p.peer.outputs.Has(port.RTS) && !p.out.throttled {
		in |= port.CTS
	}
	in = in.With(p.driven, p.levels)
	if p.cable.hung {
		in &^= port.DCD
	}
	out := p.outputs
	if p.peer.out.throttled {
		out &^= port.RTS
	}
	return in | out
}

// heldOff reports whether the transmitter must not send: during a break, and
// under RTS/CTS flow control while CTS is off. What was written before a
// Close is still transmitted.
func (p *Port) heldOff() bool {
	if p.breaks > 0 {
		return true
	}
	if p.closed || p.cable.noLines {
		return false
	}
	switch p.mode.Flow {
	case port.FlowRTSCTS, port.FlowBoth:
		return !p.lines().Has(port.CTS)
	case port.FlowDSRDTR:
		return !p.lines().Has(port.DSR)
	}
	return false
}
