package virtual

import (
	"time"

	"github.com/rasline/rasline/port"
)

// The characters of XON/XOFF flow control.
const (
	xon  = 0x11
	xoff = 0x13
)

// signal is an XON or XOFF on the line to a receiver that obeys them.
type signal struct {
	at   time.Duration // when it arrives
	stop bool
}

// joint reports whether the two directions depend on each other: an XOFF that
// one of them carries stops the other. They are then advanced together, one
// character at a time.
func (w *wire) joint() bool { return w.soft || w.rev != nil && w.rev.soft }

// advance brings both directions up to the present, events in the order of
// their times.
func (w *wire) advance(now time.Duration) {
	woken := false
	for {
		next, at := w, w.nextEvent()
		if t := w.rev.nextEvent(); t < at {
			next, at = w.rev, t
		}
		if at > now || at == never {
			break
		}
		woken = next.do(at) || woken
	}
	w.arrive(now)
	w.rev.arrive(now)
	if woken && w.wake != nil {
		w.wake()
	}
}

// nextEvent is the time of the next event on a wire of a joint pair: a signal or
// bytes arrive, or a character is transmitted.
func (w *wire) nextEvent() time.Duration {
	at := never
	if len(w.signals) > 0 {
		at = w.signals[0].at
	}
	if w.tx.Len() > 0 && !w.held && !w.stopped && (w.overrun || w.room() > 0) {
		at = min(at, w.free+w.char)
	}
	if w.first < len(w.flights) {
		at = min(at, w.flights[w.first].at)
	}
	return at
}

// do carries out the event at the time at, and reports whether the calls that
// wait for the other direction should check again.
func (w *wire) do(at time.Duration) (woken bool) {
	if len(w.signals) > 0 && w.signals[0].at <= at {
		s := w.signals[0]
		w.signals = w.signals[1:]
		w.rev.stopped = s.stop
		w.rev.free = max(w.rev.free, at)
		return true
	}
	if w.first < len(w.flights) && w.flights[w.first].at <= at {
		w.arrive(at)
		return true
	}
	c := w.tx.Peek(1)
	if w.soft && (c[0] == xon || c[0] == xoff) {
		w.signals = append(w.signals, signal{at + w.delay, c[0] == xoff})
		w.sent.Sent++
		w.got.Received++
	} else if w.carry(c, at) == 0 {
		return false
	}
	w.tx.Skip(1)
	w.free = max(w.free+w.char, at)
	return true
}

// room returns how many more bytes may be transmitted.
func (w *wire) room() int {
	if w.hard {
		return max(w.highWater()-w.rx.Len(), 0)
	}
	return w.rx.Room()
}

// highWater is the fill of the input buffer at which RTS is cleared.
func (w *wire) highWater() int { return max(w.rx.Max*3/4, 1) }

// throttle clears RTS when the receiver's buffer is nearly full, asserts it when
// there is room again, and reports whether it did either.
func (w *wire) throttle() bool {
	was := w.throttled
	switch n := w.rx.Len(); {
	case !w.watched || n <= w.rx.Max/4:
		w.throttled = false
	case n >= w.highWater():
		w.throttled = true
	}
	return was != w.throttled
}

// crossing is when the receiver's RTS is cleared if nothing is read, or never.
func (w *wire) crossing() time.Duration {
	if !w.watched || w.throttled {
		return never
	}
	return w.nextLeaving(max(w.highWater()-w.rx.Len(), 1))
}

func hardFlow(m port.Mode) bool { return m.Flow == port.FlowRTSCTS || m.Flow == port.FlowBoth }

// flow derives the flow control of both wires from the modes of the ends. An end
// whose XON/XOFF is switched off is no longer stopped, and the signals on the
// line to it are dropped.
func (c *cable) flow() {
	now := c.now()
	for _, p := range c.ends {
		p.out.step(now)
	}
	for _, p := range c.ends {
		p.out.watched = hardFlow(p.peer.mode) && !c.noLines
		p.out.hard = p.out.watched && hardFlow(p.mode)
		p.out.throttled = p.out.throttled && p.out.watched
		m := p.peer.mode

		soft := m.Flow == port.FlowXONXOFF || m.Flow == port.FlowBoth
		if p.out.soft && !soft {
			p.out.signals = nil
			p.peer.out.stopped = false
		}
		p.out.soft = soft
	}
	for _, p := range c.ends {
		p.out.free = max(p.out.free, now)
		p.out.step(now)
	}
}

// wakeAll makes every waiting call check again.
func (c *cable) wakeAll() {
	for _, p := range c.ends {
		p.reads.signal()
		p.writes.signal()
		p.writers.signal()
		p.changed.Notify()
	}
}
