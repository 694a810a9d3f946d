package virtual

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// faults models the transmission errors of one wire: characters are lost, bits
// are inverted, and the receiver samples with its own settings.
type faults struct {
	rand   *rand.Rand
	loss   float64
	noise  float64
	strict bool
	clean  int // bits until noise inverts one

	from, to format // of the sender and the receiver
}

// A format has the settings with which a UART sends or samples a character.
type format struct {
	baud   int
	data   int
	parity port.Parity
}

// bits is the length of a character with one stop bit.
func (f format) bits() int {
	if f.parity == port.ParityNone {
		return 1 + f.data + 1
	}
	return 1 + f.data + 1 + 1
}

// newFaults returns the faults of a wire, nil for one without any.
func newFaults(c *config, stream uint64) *faults {
	if c.loss == 0 && c.noise == 0 && !c.strict {
		return nil
	}
	f := &faults{
		rand:   rand.New(rand.NewPCG(c.seed, stream)),
		loss:   c.loss,
		noise:  c.noise,
		strict: c.strict,
	}
	f.clean = f.gap()
	return f
}

// pass puts characters into rx as they arrive, counts their faults, and returns
// how many of b it has processed before rx was full.
func (f *faults) pass(rx *wait.Ring, b []byte, got *counters) int {
	for i, c := range b {
		if rx.Room() == 0 {
			return i
		}
		if f.loss > 0 && f.rand.Float64() < f.loss {
			continue
		}
		if c, ok := f.character(c, got); ok {
			rx.Put([]byte{c})
		}
	}
	return len(b)
}

// character returns c as the receiver samples it, and false if it does not
// detect a character.
func (f *faults) character(c byte, got *counters) (byte, bool) {
	line := f.from.frame(c)

	// Noise inverts a bit after each clean ones.
	n, at := f.from.bits(), 0
	for f.clean < n-at {
		at += f.clean
		line ^= 1 << at
		at++
		f.clean = f.gap()
	}
	f.clean -= n - at

	if line&1 != 0 {
		got.Framing++
		return 0, false
	}
	data, parity, stop := f.to.sample(line, f.from.baud)
	if !stop {
		got.Framing++
	} else if f.to.parity != port.ParityNone && parity != f.to.parityBit(data) {
		got.Parity++
	}
	return data, true
}

// gap draws the number of bits before the next one that noise inverts.
func (f *faults) gap() int {
	switch f.noise {
	case 0:
		return math.MaxInt
	case 1:
		return 0
	}
	n := math.Log(1-f.rand.Float64()) / math.Log1p(-f.noise)
	return int(min(n, math.MaxInt32))
}

// frame returns the levels of the line from the start bit on, one bit each,
// lowest first; after the character the line is idle, which is 1.
func (f format) frame(c byte) uint64 {
	c &= byte(1<<f.data - 1)
	line := ^uint64(0) << (1 + f.data) // stop bit and idle line
	line |= uint64(c) << 1
	if f.parity != port.ParityNone && !f.parityBit(c) {
		line &^= 1 << (1 + f.data)
	}
	return line
}

// sample reads a line that a sender drives at baud as a receiver with the
// format f does: in the middle of each of its own bits.
func (f format) sample(line uint64, baud int) (data byte, parity, stop bool) {
	at := func(i int) bool {
		k := (2*i + 1) * baud / (2 * f.baud)
		return k > 63 || line>>k&1 != 0
	}
	for i := range f.data {
		if at(1 + i) {
			data |= 1 << i
		}
	}
	if f.parity != port.ParityNone {
		parity = at(1 + f.data)
	}
	return data, parity, at(f.bits() - 1)
}

// parityBit returns the parity bit of c.
func (f format) parityBit(c byte) bool {
	odd := bits.OnesCount8(c)%2 == 1
	switch f.parity {
	case port.ParityOdd:
		return !odd
	case port.ParityEven:
		return odd
	}
	return f.parity == port.ParityMark
}
