package virtual

import (
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

// SetMode waits until earlier output has left and sets the fields of m that are
// not zero. The write deadline bounds the wait; the mode then stays as it was.
// It does not wait if m has flow control alone.
// The peer's mode is its own.
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
	p.cable.settle()
	return nil
}

// tune sets what follows from the mode.
func (p *Port) tune() {
	c := p.cable
	p.out.overrun = c.overrun && p.mode.Flow == port.FlowNone
	if !c.paced {
		return
	}
	rate := c.rate
	if rate == 0 {
		rate = p.mode.Baud
	}
	p.out.char = time.Duration(halfBits(p.mode)) * time.Second / time.Duration(2*rate)
	p.out.char = max(p.out.char, 1)
}

// halfBits is the length of a character in halves of a bit.
func halfBits(m port.Mode) int {
	n := 2 * (1 + m.DataBits)
	if m.Parity != port.ParityNone {
		n += 2
	}
	return n + 1 + int(m.StopBits)
}

// Drain blocks until all that was written has left, that is, until the far
// end's input buffer or the line has it.
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

// Discard throws away what has arrived and was not read, or what was written
// and has not left, or both. Bytes on their way still arrive.
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
	p.cable.settle()
	return nil
}

// Stats returns the counts since the pair was made. A character counts as
// received when the peer's transmitter is done with it.
func (p *Port) Stats() (port.Stats, error) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	now := p.cable.now()
	p.out.step(now)
	p.peer.out.step(now)
	return p.stats, p.fail("stats", p.ended())
}

// Queued returns the number of bytes that can be read now, and of those that were
// written and have not left.
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
