package virtual

import "github.com/rasline/rasline/port"

// The methods here are a test's control of the line: they simulate the modem, the
// telephone network and the connector. They never fail; on a port that is closed
// they do nothing.

// HangUp drops the carrier between the two ends. DCD falls at both. Reads return
// what had arrived and then port.ErrCarrierLost, which writes return immediately.
// What had not arrived is lost. See Restore.
func (p *Port) HangUp() {
	p.change(func() {
		p.cable.hung = true
		p.cut()
		p.peer.cut()
	})
}

// Restore ends a HangUp: DCD is asserted and both ends work again.
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

// Ring asserts or clears RI at the peer, as a modem does for an incoming call.
func (p *Port) Ring(on bool) {
	var level port.Lines
	if on {
		level = port.RI
	}
	p.Drive(port.RI, level)
}

// Drive sets inputs of the peer, as a modem does: the lines of mask
// have the level in values and no longer follow this end's DTR and RTS. Lines
// other than CTS, DSR, DCD and RI are ignored.
func (p *Port) Drive(mask, values port.Lines) {
	mask &= port.Inputs
	p.change(func() {
		p.peer.driven |= mask
		p.peer.levels = p.peer.levels.With(mask, values)
	})
}

// change runs f on an open port and propagates the change.
func (p *Port) change(f func()) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if p.ended() != nil {
		return
	}
	f()
	p.cable.propagate()
}

// cut drops what this end has sent and what has not arrived.
func (p *Port) cut() {
	w := &p.out
	w.step(p.cable.now())
	w.tx.Truncate(0)
	w.rx.Truncate(w.ready)
	w.flights, w.first = w.flights[:0], 0
	w.signals, w.stopped = nil, false
}
