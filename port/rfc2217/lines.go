package rfc2217

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/rasline/rasline/port"
)

// Lines returns the inputs as the server's last notification has them, and the
// outputs as it has acknowledged them. An output that the server does not report
// counts as asserted, as it is on a port that is open. A server that does not
// report the inputs gives errors.ErrUnsupported.
func (p *Port) Lines() (port.Lines, error) {
	l, err := p.currentLines(context.Background())
	return l, p.wrap("lines", err)
}

func (p *Port) currentLines(ctx context.Context) (port.Lines, error) {
	if err := p.awaitState(ctx); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return 0, net.ErrClosed
	case p.lost != nil:
		return 0, p.lost
	case !p.notified:
		return 0, fmt.Errorf("the server reports no modem lines: %w", errors.ErrUnsupported)
	}
	return p.levels(), nil
}

// levels returns all lines. p.mu is held.
func (p *Port) levels() port.Lines {
	return p.inputs | p.answers[itemDTR].levels(itemDTR) | p.answers[itemRTS].levels(itemRTS)
}

// SetLines asserts or clears DTR and RTS (SET-CONTROL) and waits for the
// acknowledgements.
func (p *Port) SetLines(mask, values port.Lines) (err error) {
	defer p.wrapResult("set lines", &err)
	if wrong := mask &^ port.Outputs; wrong != 0 {
		return fmt.Errorf("%v cannot be set, use DTR and RTS: %w", wrong, errors.ErrUnsupported)
	}
	ctx := context.Background()
	if err := p.acquire(ctx, p.lines); err != nil {
		return err
	}
	defer p.lines.release()
	var reqs []request
	for _, l := range []struct {
		line    port.Lines
		item    item
		on, off byte
	}{
		{port.DTR, itemDTR, ctlDTROn, ctlDTROff},
		{port.RTS, itemRTS, ctlRTSOn, ctlRTSOff},
	} {
		if !mask.Has(l.line) {
			continue
		}
		v := l.off
		if values.Has(l.line) {
			v = l.on
		}
		reqs = append(reqs, request{l.item, uint32(v)})
	}
	if err := p.ask(ctx, reqs...); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if wrong := (p.levels() ^ values) & mask; wrong != 0 {
		return fmt.Errorf("the server does not set %v as asked", wrong)
	}
	return nil
}

// WaitLines blocks until the server notifies a change of a line in mask. A
// change that is over before the notification counts.
func (p *Port) WaitLines(ctx context.Context, mask port.Lines) (now port.Lines, err error) {
	defer p.wrapResult("wait lines", &err)
	if _, err := p.currentLines(ctx); err != nil {
		return 0, err
	}
	p.mu.Lock()
	before := p.changes
	p.mu.Unlock()
	err = p.await(ctx, func() bool {
		now = p.levels()
		return p.changes.Since(&before, uint8(mask))
	})
	if err != nil {
		return 0, err
	}
	return now, nil
}
