package dialup

import (
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/modem"
)

// The carrier is polled every pollEvery, and again when it has been off for the
// debounce time. The timers expire at multiples of pollGrid, so that thousands of
// connections wake the processor a hundred times a second and not thousands of times.
const (
	pollEvery       = 250 * time.Millisecond
	pollGrid        = 10 * time.Millisecond
	defaultDebounce = 200 * time.Millisecond
)

// carrierWatch polls the carrier of a connection on a timer, so that thousands of
// connections take no goroutine and no thread each. A driver that reports changes
// would need a thread for each line that waits for one.
//
// A loss is noticed within pollEvery, the debounce time and pollGrid. A carrier that
// is off for less than pollEvery may go unnoticed, as one does that is off for less
// than the debounce time.
//
// There is no goroutine for all connections: it would wait for the slowest
// driver, and it could not serve tests on fake time (testing/synctest) side by side.
type carrierWatch struct {
	port     port.Forward
	debounce time.Duration
	lost     func(error)

	mu    sync.Mutex // guards what follows; lost is called without it
	timer *time.Timer
	seen  bool      // DCD has been on
	fell  time.Time // when it went off; zero: it is on
	ended bool
}

// startCarrierWatch returns nil if p has no DCD. seen is whether DCD has been on
// before. lost is called once, with a *modem.CarrierError or the error of the port.
func startCarrierWatch(p port.Port, c *modem.CarrierConfig, seen bool, lost func(error)) *carrierWatch {
	w := &carrierWatch{port: port.Forward{Port: p}, debounce: c.Debounce, seen: seen, lost: lost}
	if w.debounce == 0 {
		w.debounce = defaultDebounce
	}
	l, err := w.port.Lines()
	if err != nil {
		return nil
	}
	w.seen = seen || l.Has(port.DCD)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(onGrid(pollEvery), w.poll)
	return w
}

// stop ends the watch. A nil watch can be stopped.
func (w *carrierWatch) stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}

// onGrid returns d, or a little more.
func onGrid(d time.Duration) time.Duration {
	over := time.Duration(time.Now().Add(d).UnixNano()) % pollGrid
	return d + (pollGrid-over)%pollGrid
}

func (w *carrierWatch) poll() {
	l, err := w.port.Lines()
	w.mu.Lock()
	cause := err
	switch {
	case w.ended:
		cause = nil
	case errors.Is(err, errors.ErrUnsupported):
		cause, w.ended = nil, true // a remote port that does not report its lines any more
	case err != nil:
		w.ended = true
	case l.Has(port.DCD):
		w.seen, w.fell = true, time.Time{}
	case w.seen && w.fell.IsZero():
		w.fell = time.Now()
	}
	if !w.ended && !w.fell.IsZero() && time.Since(w.fell) >= w.debounce {
		w.ended = true
		cause = &modem.CarrierError{Step: "connection", Time: w.fell}
	}
	if !w.ended {
		next := pollEvery
		if !w.fell.IsZero() {
			next = min(next, w.debounce-time.Since(w.fell))
		}
		w.timer.Reset(onGrid(next))
	}
	w.mu.Unlock()
	if cause != nil {
		w.lost(cause)
	}
}
