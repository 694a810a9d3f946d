package dialup

import (
	"errors"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/script/modem"
)

const (
	lookEvery       = 100 * time.Millisecond
	defaultDebounce = 200 * time.Millisecond
)

// carrierWatch looks at the carrier of a connection ten times a second, on a
// timer, so that thousands of connections take no goroutine and no thread each.
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
	w.timer = time.AfterFunc(lookEvery, w.look)
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

func (w *carrierWatch) look() {
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
		w.timer.Reset(lookEvery)
	}
	w.mu.Unlock()
	if cause != nil {
		w.lost(cause)
	}
}
