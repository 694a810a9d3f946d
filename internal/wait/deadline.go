package wait

import (
	"sync"
	"time"
)

// Deadline is a point in time that can be moved and waited for. The zero
// Deadline never passes. Its methods may be called from several goroutines, and
// moving it allocates nothing until it has passed once.
//
// A call that obeys a Deadline checks Passed, blocks on Done together with what
// it waits for, and checks again:
//
//	for {
//		if d.Passed() {
//			return os.ErrDeadlineExceeded
//		}
//		select {
//		case <-ready:
//			return nil
//		case <-d.Done():
//		}
//	}
type Deadline struct {
	mu     sync.Mutex // guards what follows
	at     time.Time
	timer  *time.Timer
	done   chan struct{} // nil until Done is called, closed when passed is set
	passed bool
}

// Set moves the deadline to t, for callers that are blocked on Done as well.
// The zero time means never and frees the timer. A time that is not after now
// passes before Set returns.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.passed {
		d.passed, d.done = false, nil
	}
	d.update()
}

// update passes the deadline or arms the timer for it. d.mu is held.
func (d *Deadline) update() {
	if d.at.IsZero() {
		if d.timer != nil {
			d.timer.Stop()
		}
		return
	}
	left := time.Until(d.at)
	switch {
	case left <= 0:
		if d.timer != nil {
			d.timer.Stop()
		}
		d.passed = true
		close(d.channel())
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.fire)
	default:
		d.timer.Reset(left)
	}
}

// fire runs when the timer fires. The deadline may have been moved while fire
// waited for the lock, in which case the timer is armed again.
func (d *Deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.passed {
		d.update()
	}
}

func (d *Deadline) channel() chan struct{} {
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

// Passed reports whether the deadline has passed.
func (d *Deadline) Passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// Done returns a channel that is closed when the deadline passes. Set keeps the
// channel of a deadline that has not passed; of one that has, it makes a new
// one.
func (d *Deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

// Time returns the deadline as it was set.
func (d *Deadline) Time() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}
