package virtual

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// never is the time of what does not happen.
const never = time.Duration(math.MaxInt64)

// A cable is what the two ends of a pair share.
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
// both, so that each sees CTS, DSR and DCD. Without options bytes arrive at
// once, in order and undamaged.
//
// Under testing/synctest call Pair within the bubble that uses the ports.
func Pair(opts ...Option) (a, b *Port) {
	c := &cable{config: defaults(), epoch: time.Now()}
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
		turns:   newGate(),
		out:     wire{tx: wait.Ring{Max: c.buffer}, rx: wait.Ring{Max: c.buffer}, delay: c.delay},
	}
}

// now is the time since the pair was made.
func (c *cable) now() time.Duration { return time.Since(c.epoch) }

// settle makes every waiting call check again and reports the lines that have
// changed. A caller that changes the state of a port calls it before it releases mu.
func (c *cable) settle() {
	now := c.now()
	for _, p := range c.ends {
		p.out.hold(p.heldOff(), now)
		p.noteEdges()
	}
	c.wakeAll()
}

// update does what follows when bytes have moved: RTS may follow a buffer.
func (c *cable) update() {
	a, b := &c.ends[0].out, &c.ends[1].out
	if !a.watched && !b.watched {
		return
	}
	changed := a.throttle()
	if b.throttle() || changed {
		c.settle()
	}
}

// match sets the modes that both wires join.
func (c *cable) match() {
	for _, p := range c.ends {
		if f := p.out.faults; f != nil {
			// Set the modes of the wire's two ends. Unless modes matter the receiver
			// has the sender's and all characters are 8 bits wide.
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
