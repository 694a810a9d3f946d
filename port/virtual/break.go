package virtual

import (
	"context"
	"time"

	"github.com/rasline/rasline/port"
)

// SendBreak waits until earlier output has been transmitted and then sends a
// break for d, or for a quarter of a second if d is 0 or less. Meanwhile
// nothing is transmitted, and writes queue. The break ends with ctx, with
// Close, and with the carrier.
func (p *Port) SendBreak(ctx context.Context, d time.Duration) (err error) {
	if d <= 0 {
		d = port.DefaultBreak
	}
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	defer func() { err = p.fail("send break", err) }()
	if err := p.drain(ctx, false); err != nil {
		return err
	}
	if p.lost() {
		return port.ErrCarrierLost
	}
	now := p.cable.now()
	end := now + d
	p.beginBreak(now)
	defer p.endBreak()
	for ; now < end; now = p.cable.now() {
		if err := p.await(ctx, now, end); err != nil {
			return err
		}
		if err := p.ended(); err != nil {
			return err
		}
		if p.lost() {
			return port.ErrCarrierLost
		}
	}
	return nil
}

func (p *Port) beginBreak(now time.Duration) {
	p.breaks++
	p.peer.stats.Breaks++
	if p.cable.breaks && p.out.rx.Room() > 0 {
		p.out.rx.Put([]byte{0})
		p.out.launch(1, now)
	}
	p.cable.propagate()
}

func (p *Port) endBreak() {
	p.breaks--
	p.cable.propagate()
}

// SetBreak begins a break, or ends the one that SetBreak has begun. Meanwhile
// nothing is transmitted, and writes queue.
func (p *Port) SetBreak(on bool) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.ended(); err != nil {
		return p.fail("set break", err)
	}
	if on == p.breakSet {
		return nil
	}
	p.breakSet = on
	if on {
		p.beginBreak(p.cable.now())
	} else {
		p.endBreak()
	}
	return nil
}

// AwaitBreak blocks until this end has received more than seen breaks since the
// pair was made and returns their number. A break is received when it begins.
func (p *Port) AwaitBreak(ctx context.Context, seen uint64) (uint64, error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	for {
		err := p.ended()
		if err == nil && p.stats.Breaks > seen {
			return p.stats.Breaks, nil
		}
		if err == nil && p.lost() {
			err = port.ErrCarrierLost
		}
		if err == nil {
			err = p.await(ctx, 0, never)
		}
		if err != nil {
			return p.stats.Breaks, p.fail("await break", err)
		}
	}
}
