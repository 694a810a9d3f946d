package virtual

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/rasline/rasline/port"
)

// Mode returns the mode of this end. It never fails on an open port.
func (p *Port) Mode() (port.Mode, error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	return p.mode, p.fail("mode", p.ended())
}

// SetMode waits until earlier output has been transmitted and sets the fields of
// m that are not zero. If the write deadline passes before, the mode stays as it
// was. SetMode does not wait if only Flow is set. The peer's mode does not
// change.
func (p *Port) SetMode(m port.Mode) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := m.Merge(p.mode).Validate(); err != nil {
		return p.fail("set mode", err)
	}
	if err := p.ended(); err != nil {
		return p.fail("set mode", err)
	}
	if m != (port.Mode{Flow: m.Flow}) {
		if err := p.drain(context.Background(), true); err != nil {
			return p.fail("set mode", err)
		}
	}
	p.mode = m.Merge(p.mode)
	p.tune()
	p.cable.match()
	p.cable.flow()
	p.cable.update()
	p.cable.propagate()
	return nil
}

// tune sets what follows from the mode.
func (p *Port) tune() {
	c := p.cable
	p.out.overrun = c.overrun && p.mode.Flow == port.FlowNone
	if !c.paced {
		return
	}
	rate := cmp.Or(c.rate, p.mode.Baud)
	halfBits := 2*(1+p.mode.DataBits) + 1 + int(p.mode.StopBits)
	if p.mode.Parity != port.ParityNone {
		halfBits += 2
	}
	p.out.char = max(time.Duration(halfBits)*time.Second/time.Duration(2*rate), 1)
}

// Drain blocks until all that was written has been transmitted, that is, until it
// is on the line or in the peer's input buffer.
func (p *Port) Drain(ctx context.Context) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	return p.fail("drain", p.drain(ctx, false))
}

// drain waits for the output queue to empty; the write deadline counts if
// bounded.
func (p *Port) drain(ctx context.Context, bounded bool) error {
	for {
		if err := p.ended(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		now := p.cable.now()
		p.out.step(now)
		p.cable.update()
		if p.out.tx.Len() == 0 {
			return nil
		}
		if p.lost() {
			return port.ErrCarrierLost
		}
		until := p.out.nextLeaving(p.out.tx.Len())
		if bounded {
			if now >= p.writeBy {
				return os.ErrDeadlineExceeded
			}
			until = min(until, p.writeBy)
		}
		if err := p.await(ctx, now, until); err != nil {
			return err
		}
	}
}

// Discard drops what was received and not read, or what was written and not
// transmitted, or both. Bytes on the line still arrive.
func (p *Port) Discard(d port.Direction) error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.ended(); err != nil {
		return p.fail("discard", err)
	}
	if err := d.Validate(); err != nil {
		return p.fail("discard", err)
	}
	now := p.cable.now()
	if d&port.Input != 0 {
		in := &p.peer.out
		in.step(now)
		in.flush()
		in.resume(now)
	}
	if d&port.Output != 0 {
		p.out.step(now)
		p.out.tx.Truncate(0)
	}
	p.cable.update()
	p.cable.propagate()
	return nil
}

// Stats returns the counts since the pair was made. A character counts as
// received when the peer has transmitted it.
func (p *Port) Stats() (port.Stats, error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	now := p.cable.now()
	p.out.step(now)
	p.peer.out.step(now)
	return p.stats, p.fail("stats", p.ended())
}

// Queued returns the number of bytes that can be read now, and of those that were
// written and not transmitted.
func (p *Port) Queued() (in, out int, err error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if err := p.ended(); err != nil {
		return 0, 0, p.fail("queued", err)
	}
	now := p.cable.now()
	p.out.step(now)
	p.peer.out.step(now)
	return p.peer.out.ready, p.out.tx.Len(), nil
}
