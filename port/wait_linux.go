package port

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// safetyLook is how often a waiter looks at the lines although a thread sits in
// TIOCMIWAIT: a change between two calls of that is not reported.
const safetyLook = 100 * time.Millisecond

func (t *tty) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	before, err := t.lineState()
	if err != nil {
		return 0, err
	}
	ctx, stop := t.bound(ctx)
	defer stop()
	wake := make(chan struct{}, 1)
	t.watch.join(t, wake)
	defer t.watch.leave(wake)
	l, err := waitLines(ctx, mask, before, t.lineState, wake, func() time.Duration {
		if mask&Outputs == 0 && t.watch.reporting() {
			return safetyLook
		}
		return linePoll
	})
	if err != nil && ctx.Err() != nil {
		err = t.ended(ctx)
	}
	return l, err
}

func (t *tty) lineState() (s lineState, err error) {
	if s.lines, err = t.Lines(); err != nil {
		return s, err
	}
	var c icounter
	err = t.control(func(fd int) error { return getCounts(fd, &c) })
	if err != nil && !isRefusal(err) {
		return s, err // the port ended in between, which is no change
	}
	s.counts = [6]uint32{2: c.cts, c.dsr, c.dcd, c.rng}
	return s, nil
}

// lineWatch is the thread that sits in TIOCMIWAIT while at least one goroutine
// waits for the lines of a port.
type lineWatch struct {
	mu      sync.Mutex
	waiters []chan struct{}
	thread  *sleeper
	wait    func(fd int) error // waitForModem, but for tests
	dead    bool               // the thread got an error: there is nothing to expect from it
	refused bool               // the driver does not know TIOCMIWAIT: never start one again
}

// join adds a waiter and starts the thread for the first one. If it cannot be
// started the waiters poll.
func (w *lineWatch) join(t *tty, wake chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters = append(w.waiters, wake)
	if w.thread != nil || w.refused || t.closing.Load() {
		return
	}
	fd := -1
	if t.control(func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
		return err
	}) != nil {
		return
	}
	w.dead = false
	w.thread = startSleeper(fd, w.wait, w.report)
}

func waitForModem(fd int) error {
	return unix.IoctlSetInt(fd, unix.TIOCMIWAIT, unix.TIOCM_CTS|unix.TIOCM_DSR|unix.TIOCM_CD|unix.TIOCM_RI)
}

// report wakes all waiters; the thread calls it after each TIOCMIWAIT.
func (w *lineWatch) report(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = err != nil
	w.refused = w.refused || err != nil && isRefusal(err)
	for _, c := range w.waiters {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (w *lineWatch) reporting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.thread != nil && !w.dead
}

// leave removes a waiter and stops the thread after the last one.
func (w *lineWatch) leave(wake chan struct{}) {
	w.mu.Lock()
	w.waiters = slices.DeleteFunc(w.waiters, func(c chan struct{}) bool { return c == wake })
	w.stopAndUnlock(len(w.waiters) == 0)
}

// halt stops the thread if there is one.
func (w *lineWatch) halt() {
	w.mu.Lock()
	w.stopAndUnlock(true)
}

// stopAndUnlock waits for the thread without the lock, which that may want.
func (w *lineWatch) stopAndUnlock(stop bool) {
	s := w.thread
	if stop {
		w.thread = nil
	}
	w.mu.Unlock()
	if stop && s != nil {
		s.stop()
	}
}
