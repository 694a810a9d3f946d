package virtual

import (
	"math"
	"time"

	"github.com/rasline/rasline/port"
)

// An Option configures Pair. It applies to both ends.
type Option func(*config)

type config struct {
	names   [2]string
	mode    port.Mode
	buffer  int
	paced   bool
	rate    int
	delay   time.Duration
	loss    float64
	noise   float64
	seed    uint64
	strict  bool
	overrun bool
	breaks  bool
	noLines bool
	carrier port.CarrierPolicy
}

// Names sets the names of the two ends, which errors contain. Default: "virtual-a"
// and "virtual-b".
func Names(a, b string) Option {
	return func(c *config) { c.names = [2]string{a, b} }
}

// Mode sets the mode that both ends begin with; zero fields keep the default,
// 115200,8N1,none. Pair panics if no serial line has the mode.
func Mode(m port.Mode) Option {
	return func(c *config) { c.mode = m.Merge(c.mode) }
}

// BufferSize sets the size of each end's input buffer and output queue in
// bytes, at least 1. Default: 4096 each. A Write blocks when the peer's
// input buffer and its own output queue are full.
func BufferSize(n int) Option {
	return func(c *config) { c.buffer = max(n, 1) }
}

// LineSpeed sets the transmission time of a character to that of a serial line:
// start, data, parity and stop bits of the sender's mode at rate bits a second,
// or at the sender's Mode.Baud if rate is 0 or less. Default: no time.
func LineSpeed(rate int) Option {
	return func(c *config) { c.paced, c.rate = true, max(rate, 0) }
}

// Delay sets how long a character is on the line after it has been transmitted.
// Bytes on the line count against the input buffer, so buffer size and delay
// bound the throughput. Default, and for less than 0: none.
func Delay(d time.Duration) Option {
	const most = 1 << 60 // 36 years; sums of times stay in range
	return func(c *config) { c.delay = min(max(d, 0), most) }
}

// Loss makes the line lose characters without an error count, each with
// probability p from 0 to 1. Default: 0.
func Loss(p float64) Option {
	return func(c *config) { c.loss = probability(p) }
}

// Noise makes the line invert bits, each with probability p from 0 to 1.
// What the receiver can detect is counted: a wrong parity bit in Stats.Parity,
// a missing stop bit in Stats.Framing. The damaged character is delivered
// nevertheless; one without its start bit is lost and counts as a framing
// error. Default: 0.
func Noise(p float64) Option {
	return func(c *config) { c.noise = probability(p) }
}

func probability(p float64) float64 {
	if math.IsNaN(p) {
		return 0
	}
	return min(max(p, 0), 1)
}

// Seed sets the seed of the random numbers of Loss and Noise; the same seed
// and the same bytes give the same faults. Default: 1.
func Seed(n uint64) Option {
	return func(c *config) { c.seed = n }
}

// StrictModes makes the modes matter: data bits that the sender's mode does
// not have are cleared, and while the receiver's bit rate, data bits or parity
// differ from the sender's, each character arrives as a UART with the wrong
// settings would read it, with framing and parity errors counted. Default:
// bytes pass unchanged whatever the modes are.
func StrictModes() Option {
	return func(c *config) { c.strict = true }
}

// Overrun makes a full input buffer drop further bytes and count them in
// Stats.Buffer, as long as the sender's mode has no flow control. Default: a
// full buffer stops the sender, and nothing is dropped.
func Overrun() Option {
	return func(c *config) { c.overrun = true }
}

// BreakAsNUL makes a break arrive as a NUL byte too, in order with the data,
// which is how most drivers report it; a full input buffer loses it. Default:
// a break is only counted, see Port.AwaitBreak.
func BreakAsNUL() Option {
	return func(c *config) { c.breaks = true }
}

// Carrier gives both ends a carrier policy, as port.Config.Carrier does: once DCD
// has been seen and falls, because the peer drops its DTR or by its
// Drive, reads return what has arrived and then fail with port.ErrCarrierLost for
// good, which writes do immediately. DCD is asserted when the pair is made.
// Default: port.CarrierIgnore.
func Carrier(policy port.CarrierPolicy) Option {
	return func(c *config) { c.carrier = policy }
}

// NoLines makes ports without modem lines, as pseudo-terminals are: Lines,
// SetLines and WaitLines return errors.ErrUnsupported.
func NoLines() Option {
	return func(c *config) { c.noLines = true }
}
