package port

import (
	"sync"
	"time"
)

// deadline is a moment that can be moved while others wait for it. The zero
// deadline never comes.
type deadline struct {
	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
	news  chan struct{} // closed when the moment comes and when it moves
}

// look reports whether the moment has come, and returns a channel that is
// closed when it is time to look again.
func (d *deadline) look() (passed bool, news <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.news == nil {
		d.news = make(chan struct{})
	}
	return !d.at.IsZero() && !time.Now().Before(d.at), d.news
}

// set moves the moment. The zero time means never.
func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.news != nil {
		close(d.news)
	}
	d.at, d.news = at, make(chan struct{})
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, d.come(d.news))
	}
}

// come returns what the timer of one setting does, which is nothing if another
// has taken its place.
func (d *deadline) come(news chan struct{}) func() {
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.news == news {
			close(news)
			d.news = nil
		}
	}
}
