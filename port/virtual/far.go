package virtual

import "github.com/rasline/rasline/port"

// The methods here are what a test does to a line: they play the modem, the
// telephone network and the hand at the plug. They never fail; on a port that
// is closed they do nothing.

// HangUp loses the carrier between the two ends. DCD falls at both; what had
// arrived can still be read, and then reads, and immediately all writes, return
// port.ErrCarrierLost. What had not arrived is lost. See Restore.
func (p *Port) HangUp() {
	p.change(func() {
		p.cable.hung = true
		p.cut()
		p.peer.cut()
	})
}

// Restore ends a HangUp: DCD is back and both ends work again.
func (p *Port) Restore() {
	p.change(func() { p.cable.hung = false })
}

// Unplug removes this end's device, as pulling a USB adapter does: all its
// calls return port.ErrRemoved, and what had arrived but was not read is lost.
// The peer loses the carrier.
func (p *Port) Unplug() {
	p.change(func() {
		p.removed = true
		p.release()
		p.cut()
		p.peer.cut()
		p.peer.out.flush()
	})
}

// Ring asserts or clears RI at the peer, as a modem does that is called.
func (p *Port) Ring(on bool) {
	var level port.Lines
	if on {
		level = port.RI
	}
	p.Drive(port.RI, level)
}

// Drive sets inputs of the peer by hand, as a modem does: the lines of mask
// take their level from values and no longer follow this end's DTR and RTS.
// Only CTS, DSR, DCD and RI count.
func (p *Port) Drive(mask, values port.Lines) {
	mask &= port.Inputs
	p.change(func() {
		p.peer.driven |= mask
		p.peer.levels = p.peer.levels.With(mask, values)
	})
}

// change runs f on an open port and spreads the news.
func (p *Port) change(f func()) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if p.ended() != nil {
		return
	}
	f()
	p.cable.settle()
}

// cut loses what this end has sent and what has not arrived.
func (p *Port) cut() {
	p.out.step(p.cable.now())
	// Lose what has not arrived.
	w := &p.out
	w.tx.Truncate(0)
	w.rx.Truncate(w.ready)
	w.flights, w.first = w.flights[:0], 0
	w.signals, w.stopped = nil, false
}
