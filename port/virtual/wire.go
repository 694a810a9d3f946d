package virtual

import (
	"time"

	"github.com/rasline/rasline/internal/wait"
	"github.com/rasline/rasline/port"
)

// A wire carries bytes in one direction. It has the sender's output queue, the
// bytes on the line, and the receiver's input buffer:
//
//	Write -> tx -> (rate, faults, delay) -> rx -> Read
//
// Nothing runs in the background. Each call first brings the wire up to the
// present with step, and a call that has to wait computes from the wire when to
// check again. The pair's mutex guards everything.
//
// The flags, by their effect on the transmission:
//
//	held        stops it: a break, or CTS or DSR is off under flow control
//	stopped     stops it: the sender has received an XOFF
//	hard        stops it at highWater of rx; otherwise a full rx stops it
//	overrun     a full rx does not stop it, and drops bytes
//	soft        XON and XOFF set stopped of rev, after delay
//	watched     throttled follows rx: set at highWater, cleared at a quarter
//	throttled   the sender's CTS is off, so that held follows
type wire struct {
	tx wait.Ring // written, not transmitted
	rx wait.Ring // transmitted; the first ready bytes have arrived

	ready   int      // bytes of rx that can be read
	flights []flight // the other bytes of rx, in order
	first   int      // index of the first flight on the line

	char  time.Duration // time to send one character; 0: none
	delay time.Duration // time on the line
	free  time.Duration // when the transmission of the first character of tx began
	held  bool          // the transmitter is stopped

	// XON/XOFF, see flow.go.
	rev     *wire    // the other direction
	soft    bool     // the receiver removes XON and XOFF from the data
	stopped bool     // by an XOFF that the sender has received
	signals []signal // XON and XOFF on the line, in order
	wake    func()   // wakes the calls that wait on either wire

	// RTS/CTS: the receiver clears RTS when its buffer is nearly full.
	watched   bool // the receiver has RTS/CTS flow control
	hard      bool // the sender has it as well
	throttled bool // the receiver's RTS is cleared for that reason

	overrun bool      // bytes that find rx full are dropped
	faults  *faults   // nil: every byte arrives as it was sent
	sent    *counters // of the sender
	got     *counters // of the receiver
}

// counters is a port's Stats.
type counters = port.Stats

// A flight is a run of bytes on the line. The first arrives at at, the others
// follow every gap.
type flight struct {
	n       int
	at, gap time.Duration
}

// send queues as much of b as the wire has room for and returns how much.
func (w *wire) send(b []byte, now time.Duration) int {
	w.step(now)
	n := 0
	if w.tx.Len() == 0 {
		w.free = max(w.free, now)
		if w.char == 0 && !w.held && !w.joint() {
			n = w.carry(b, now)
		}
	}
	n += w.tx.Put(b[n:])
	if w.joint() {
		w.advance(now)
		n += w.tx.Put(b[n:])
	}
	return n
}

// resume starts a transmitter that stopped for lack of room. The character
// that it could not send is transmitted immediately.
func (w *wire) resume(now time.Duration) {
	if w.tx.Len() > 0 {
		w.free = max(w.free, now-w.char)
		w.step(now)
	}
}

// step brings the wire up to the present.
func (w *wire) step(now time.Duration) {
	if w.joint() {
		w.advance(now)
		return
	}
	if !w.held {
		// Move the characters that have been transmitted by now from tx to rx.
		n := w.tx.Len()
		if w.char > 0 {
			n = int(min(int64(n), int64((now-w.free)/w.char)))
		}
		for n > 0 {
			k := w.carry(w.tx.Peek(n), w.free+w.char)
			if k == 0 {
				break
			}
			w.tx.Skip(k)
			w.free += time.Duration(k) * w.char
			n -= k
		}
	}
	w.arrive(now)
}

// arrive makes readable what has arrived.
func (w *wire) arrive(now time.Duration) {
	for ; w.first < len(w.flights); w.first++ {
		f := &w.flights[w.first]
		if f.at > now {
			break
		}
		n := f.n
		if f.gap > 0 {
			n = int(min(int64(n), int64((now-f.at)/f.gap)+1))
		}
		w.ready += n
		f.n -= n
		f.at += time.Duration(n) * f.gap
		if f.n > 0 {
			break
		}
	}
	if w.first == len(w.flights) {
		w.flights, w.first = w.flights[:0], 0
	}
}

// carry puts characters on the line, the first of which was transmitted by the
// time sent, and returns how many of b the line has accepted.
func (w *wire) carry(b []byte, sent time.Duration) int {
	before := w.rx.Len()
	n := 0
	if w.hard {
		b = b[:min(len(b), max(w.highWater()-before, 0))]
	}
	if w.faults == nil {
		n = w.rx.Put(b)
	} else {
		n = w.faults.pass(&w.rx, b, w.got)
	}
	if w.overrun && n < len(b) {
		w.got.Buffer += uint64(len(b) - n)
		n = len(b)
	}
	w.sent.Sent += uint64(n)
	w.launch(w.rx.Len()-before, sent)
	return n
}

// launch makes the last n bytes of rx arrive after the delay.
func (w *wire) launch(n int, sent time.Duration) {
	w.got.Received += uint64(n)
	if w.delay == 0 {
		w.ready += n
		return
	}
	if n == 0 {
		return
	}
	at := sent + w.delay
	if last := len(w.flights) - 1; last >= w.first {
		f := &w.flights[last]
		if f.gap == w.char && f.at+time.Duration(f.n)*f.gap == at {
			f.n += n
			return
		}
	}
	if w.first > len(w.flights)/2 {
		w.flights = w.flights[:copy(w.flights, w.flights[w.first:])]
		w.first = 0
	}
	w.flights = append(w.flights, flight{n, at, w.char})
}

// nextLeaving is when the k-th of the characters that can be transmitted has
// been, or the last if they are fewer; never while the transmitter is stopped.
func (w *wire) nextLeaving(k int) time.Duration {
	if !w.overrun {
		k = min(k, w.room())
	}
	k = min(k, w.tx.Len())
	if w.joint() {
		// Each character may be an XOFF, in either direction.
		return min(w.nextEvent(), w.rev.nextEvent())
	}
	if k == 0 || w.held {
		return never
	}
	return w.free + time.Duration(k)*w.char
}

// nextArrival is when the k-th of the bytes of the next flight arrives, or the
// last if they are fewer.
func (w *wire) nextArrival(k int) time.Duration {
	if w.first < len(w.flights) {
		f := &w.flights[w.first]
		return f.at + time.Duration(min(k, f.n)-1)*f.gap
	}
	if w.joint() {
		return w.nextLeaving(k)
	}
	if at := w.nextLeaving(k); at != never {
		return at + w.delay
	}
	return never
}

// flush drops what has arrived.
func (w *wire) flush() {
	w.rx.Skip(w.ready)
	w.ready = 0
}
