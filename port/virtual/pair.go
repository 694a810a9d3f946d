package virtual

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// never is the time of an event that does not occur.
const never = time.Duration(math.MaxInt64)

// A cable holds the state that the two ends of a pair share.
type cable struct {
	config
	epoch time.Time // times within the package count from here

	// mu guards all that follows, and all of both ports. No call blocks while
	// holding it.
	mu   sync.Mutex
	hung bool // HangUp was called
	ends [2]*Port
}

// Pair returns the two ends of a null-modem cable. DTR and RTS are asserted at
// both, so that CTS, DSR and DCD are as well. Without options bytes arrive
// immediately, in order and undamaged.
//
// Under testing/synctest call Pair within the bubble that uses the ports.
func Pair(opts ...Option) (a, b *Port) {
	c := &cable{
		config: config{
			names:  [2]string{"virtual-a", "virtual-b"},
			mode:   port.Mode{Baud: 115200, DataBits: 8, Parity: port.ParityNone, StopBits: port.StopOne, Flow: port.FlowNone},
			buffer: 4096,
			seed:   1,
		},
		epoch: time.Now(),
	}
	for _, opt := range opts {
		opt(&c.config)
	}
	if err := c.mode.Validate(); err != nil {
		panic(fmt.Sprintf("virtual: mode of a new pair: %v", err))
	}
	a, b = newPort(c, 0), newPort(c, 1)
	a.peer, b.peer = b, a
	c.ends = [2]*Port{a, b}
	for i, p := range c.ends {
		p.out.sent, p.out.got = &p.stats, &p.peer.stats
		p.seen = p.lines()
		p.seenDCD = p.seen.Has(port.DCD)
		p.tune()
		p.out.faults = newFaults(&c.config, uint64(i))
	}
	a.out.rev, b.out.rev = &b.out, &a.out
	a.out.wake, b.out.wake = c.wakeAll, c.wakeAll
	c.match()
	c.flow()
	return a, b
}

func newPort(c *cable, i int) *Port {
	return &Port{
		cable:   c,
		name:    c.names[i],
		mode:    c.mode,
		outputs: port.Outputs,
		readBy:  never,
		writeBy: never,
		reads:   newGate(),
		writes:  newGate(),
		writers: newGate(),
		out:     wire{tx: wait.Ring{Max: c.buffer}, rx: wait.Ring{Max: c.buffer}, delay: c.delay},
	}
}

// now is the time since the pair was made.
func (c *cable) now() time.Duration { return time.Since(c.epoch) }

// propagate applies a change of a port's state: it stops and starts the
// transmitters, counts the lines that have changed, and makes every waiting call
// check again. A caller that changes the state of a port calls it before it
// releases mu.
func (c *cable) propagate() {
	now := c.now()
	for _, p := range c.ends {
		if held := p.heldOff(); held != p.out.held {
			p.out.step(now)
			p.out.held = held
			p.out.free = max(p.out.free, now)
			p.out.step(now)
		}

		lines := p.lines()
		p.edges.Count(uint8(lines ^ p.seen))
		p.seen = lines
		if c.carrier != port.CarrierIgnore && !c.noLines {
			p.fell = p.fell || p.seenDCD && !lines.Has(port.DCD)
			p.seenDCD = p.seenDCD || lines.Has(port.DCD)
		}
	}
	c.wakeAll()
}

// update adjusts RTS, under RTS/CTS flow control, after bytes have moved.
func (c *cable) update() {
	a, b := &c.ends[0].out, &c.ends[1].out
	if !a.watched && !b.watched {
		return
	}
	changed := a.throttle()
	if b.throttle() || changed {
		c.propagate()
	}
}

// match sets the formats of both wires from the modes of their ends.
func (c *cable) match() {
	for _, p := range c.ends {
		if f := p.out.faults; f != nil {
			// Unless modes matter, the receiver has the sender's mode and all
			// characters have 8 bits.
			from, to := p.mode, p.peer.mode
			f.from = format{from.Baud, from.DataBits, from.Parity}
			f.to = format{to.Baud, to.DataBits, to.Parity}
			if !f.strict {
				f.from.data = 8
				f.to = f.from
			}
		}
	}
}
