package telnet

import (
	"sync"
	"time"
)

// Deadline is a point in time that may be moved and waited for. The zero
// Deadline never passes. Its methods may be called from several goroutines, and
// moving it allocates nothing until it has passed once.
type Deadline struct {
	mu     sync.Mutex
	at     time.Time
	timer  *time.Timer
	done   chan struct{}
	passed bool
}

// Set moves the deadline to t; the zero time means never, and frees the timer.
func (d *Deadline) Set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.passed {
		d.passed, d.done = false, nil
	}
	d.arm()
}

// arm starts the timer for d.at, or marks a deadline that is already behind.
func (d *Deadline) arm() {
	if d.at.IsZero() {
		d.stop()
		return
	}
	wait := time.Until(d.at)
	switch {
	case wait <= 0:
		d.stop()
		d.pass()
	case d.timer == nil:
		d.timer = time.AfterFunc(wait, d.fire)
	default:
		d.timer.Reset(wait)
	}
}

// fire is the timer's. A timer that was moved meanwhile finds d.at ahead.
func (d *Deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !d.passed {
		d.arm()
	}
}

func (d *Deadline) pass() {
	d.passed = true
	close(d.channel())
}

func (d *Deadline) channel() chan struct{} {
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

func (d *Deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// Passed reports whether the deadline is behind.
func (d *Deadline) Passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// Done returns a channel that is closed when the deadline passes. After a Set
// ask for it again.
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
