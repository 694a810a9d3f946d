package script

import (
	"context"
	"errors"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/ras"
)

const (
	pollLimit = time.Millisecond
	tooEarly  = 20 * time.Millisecond // how early the timers of a host may be
)

// Match is what a wait found. Its slices are valid until the next call on the
// Dialog.
type Match struct {
	Index  int    // of the pattern among those awaited
	Before []byte // what came before it in this wait
	Text   []byte // what matched; Before and Text together hold History bytes or more, if as many came
}

// Watch is a standing pattern of a Dialog.
type Watch struct {
	dialog   *Dialog
	pattern  Pattern
	handler  func(m Match) error
	observer bool
	stopped  bool
}

// Watch adds a pattern that every wait checks besides those it awaits, such as
// a text on which the script must give up. When it completes and no awaited
// pattern completes on the same byte, f is called: with nil the wait goes on,
// an error ends it and is what the wait returns, wrapped. Of several that
// complete on one byte, those added first are called first.
//
// A watch that is added while a wait runs, by another's function, takes effect
// at the next wait. The empty pattern completes on the first byte of each wait.
func (d *Dialog) Watch(p Pattern, f func(m Match) error) *Watch {
	return d.watch(&Watch{dialog: d, pattern: p, handler: f})
}

// Observe adds a pattern like Watch, whose f is called whenever it completes,
// also on the byte that ends the wait, and before anything else is decided.
func (d *Dialog) Observe(p Pattern, f func(m Match)) *Watch {
	return d.watch(&Watch{dialog: d, pattern: p, observer: true,
		handler: func(m Match) error { f(m); return nil }})
}

func (d *Dialog) watch(w *Watch) *Watch {
	d.watches = append(d.watches[:len(d.watches):len(d.watches)], w)
	d.sets.drop()
	return w
}

// Stop removes the watch, at once.
func (w *Watch) Stop() {
	if w.stopped {
		return
	}
	w.stopped = true
	var rest []*Watch
	for _, o := range w.dialog.watches {
		if o != w {
			rest = append(rest, o)
		}
	}
	w.dialog.watches = rest
	w.dialog.sets.drop()
}

// WaitFor reads until one of the patterns has come. The first to complete wins,
// and of several that complete on the same byte the one named first. Everything
// up to the end of the match is consumed, nothing beyond it.
//
// The limit runs from the call on, and traffic does not push it back; 0 or less
// is no limit. When it passes, the error is a *TimeoutError, and what came in
// the wait has been consumed. Any other error is an *Error with the cause: the
// context's, a watch's, or the port's. Without patterns, WaitFor serves the
// watches until the limit passes.
func (d *Dialog) WaitFor(ctx context.Context, limit time.Duration, p ...Pattern) (Match, error) {
	return d.wait(ctx, waitClock{start: time.Now(), limit: limit, idle: d.cfg.Idle}, p)
}

// Poll is WaitFor for what has arrived already: it waits for a millisecond at
// most where nothing is there.
func (d *Dialog) Poll(ctx context.Context, p ...Pattern) (Match, error) {
	return d.WaitFor(ctx, pollLimit, p...)
}

// Quiet reads and drops input until nothing has come for the time quiet, and
// fails with a *TimeoutError if the line still talks when limit has passed.
// Watches are served.
func (d *Dialog) Quiet(ctx context.Context, quiet, limit time.Duration) error {
	_, err := d.wait(ctx, waitClock{start: time.Now(), limit: limit, idle: quiet}, nil)
	var t *TimeoutError
	if errors.As(err, &t) && t.Idle {
		return nil
	}
	return err
}

// NextByte consumes the next byte. It waits for it as WaitFor does; watches are
// not served.
func (d *Dialog) NextByte(ctx context.Context, limit time.Duration) (byte, error) {
	d.window.reset()
	if len(d.line.in) == 0 {
		clock := waitClock{start: time.Now(), limit: limit}
		if err := d.fill(ctx, &clock, 1); err != nil {
			return 0, d.waitError(err, &clock, nil)
		}
	}
	b := d.line.in[0]
	d.line.in = d.line.in[1:]
	if d.cfg.Strip7 {
		b &= 0x7F
	}
	d.logByte(ctx, b)
	if d.cfg.Tap != nil {
		d.one[0] = b
		d.cfg.Tap(d.one[:])
	}
	return b, nil
}

func (d *Dialog) wait(ctx context.Context, clock waitClock, p []Pattern) (Match, error) {
	d.flushLog(ctx)
	standing := d.watches
	set, err := d.sets.get(p, standing)
	if err != nil {
		return Match{}, &Error{Op: waiting(d.names(p)), Err: err}
	}
	d.window.reset()
	if i := set.Empty(); i >= 0 && i < len(p) {
		return Match{Index: i}, nil
	}
	d.scanner.Reset(set)
	for {
		m, found, err := d.scan(len(p), standing)
		if err == nil && !found {
			err = d.fill(ctx, &clock, d.scanner.Need())
		}
		if err != nil {
			err = d.waitError(err, &clock, p)
			d.logFailure(ctx, err, clock.silent)
			return Match{}, err
		}
		if found {
			d.logMatch(ctx, m)
			return m, nil
		}
	}
}

// scan consumes input up to a match or to its end.
func (d *Dialog) scan(awaited int, standing []*Watch) (m Match, found bool, err error) {
	for len(d.line.in) > 0 {
		in := d.visible()
		n, hit := d.scanner.Scan(in)
		d.window.consume(in, n)
		d.line.in = d.line.in[n:]
		if d.cfg.Tap != nil {
			d.cfg.Tap(in[:n])
		}
		if !hit {
			continue
		}
		if m, found, err = d.decide(awaited, standing); found || err != nil {
			return m, found, err
		}
	}
	return Match{}, false, nil
}

// visible returns the input as patterns see it.
func (d *Dialog) visible() []byte {
	if !d.cfg.Strip7 {
		return d.line.in
	}
	d.window.settle() // it may lie in the memory that is written next
	d.stripped = append(d.stripped[:0], d.line.in...)
	for i := range d.stripped {
		d.stripped[i] &= 0x7F
	}
	return d.stripped
}

// decide acts on the patterns that completed on the byte consumed last.
func (d *Dialog) decide(awaited int, standing []*Watch) (m Match, found bool, err error) {
	hits := d.scanner.Hits()
	for _, hit := range hits {
		if hit >= awaited && standing[hit-awaited].observer {
			d.call1(standing, hit, awaited)
		}
	}
	if hits[0] < awaited {
		return d.match(hits[0], hits[0]), true, nil
	}
	for _, hit := range hits {
		if standing[hit-awaited].observer {
			continue
		}
		if err := d.call1(standing, hit, awaited); err != nil {
			return Match{}, false, err
		}
	}
	return Match{}, false, nil
}

// call1 calls the function of one watch.
func (d *Dialog) call1(standing []*Watch, hit, awaited int) error {
	w := standing[hit-awaited]
	if w.stopped {
		return nil
	}
	return w.handler(d.match(hit, 0))
}

// match describes the hit that ends with the byte consumed last.
func (d *Dialog) match(hit, index int) Match {
	all := d.window.bytes()
	cut := len(all) - min(d.scanner.Len(hit), len(all))
	return Match{Index: index, Before: all[:cut], Text: all[cut:]}
}

// waitClock holds the limits of one wait.
type waitClock struct {
	start       time.Time
	limit, idle time.Duration // 0 or less: none
	now         time.Time     // when next was called last
	silent      bool          // the idle limit ended the wait
}

// next returns how long the next receive may take, 0 for no limit, and false if
// the total has passed.
func (c *waitClock) next() (time.Duration, bool) {
	if c.now.IsZero() {
		c.now = c.start // the first receive follows at once
	} else {
		c.now = time.Now()
	}
	if c.limit <= 0 {
		return max(c.idle, 0), true
	}
	left := c.limit - c.now.Sub(c.start)
	if left <= 0 {
		return 0, false
	}
	if c.idle > 0 {
		left = min(left, c.idle)
	}
	return left, true
}

// passed decides what a receive's time-out means: whether the wait is over.
func (c *waitClock) passed(limit time.Duration) bool {
	if c.limit > 0 && time.Since(c.start) >= c.limit {
		return true
	}
	c.silent = c.idle > 0 && limit >= c.idle
	return c.silent
}

var errWaitOver = errors.New("the wait's limit has passed")

// fill receives more input. It returns errWaitOver when a limit has passed.
func (d *Dialog) fill(ctx context.Context, c *waitClock, need int) error {
	d.window.settle() // the receive may use the chunk's memory again
	for {
		limit, ok := c.next()
		if !ok {
			return errWaitOver
		}
		err := d.line.receive(ctx, limit, need)
		switch {
		case err == nil && len(d.line.in) == 0:
			continue
		case !errors.Is(err, ras.ErrRequestTimeout) || ctx.Err() != nil || limit <= 0:
			return err
		case c.passed(limit):
			return errWaitOver
		case limit-time.Since(c.now) > tooEarly:
			return err // not our limit: the whole run's
		}
	}
}

// waitError gives the error of a failed wait its context.
func (d *Dialog) waitError(err error, c *waitClock, p []Pattern) error {
	tail := string(d.call.MaskTail(d.window.tail()))
	if err != errWaitOver {
		return &Error{Op: waiting(d.names(p)), Tail: tail, Err: err}
	}
	t := &TimeoutError{Want: d.names(p), Tail: tail, Elapsed: time.Since(c.start), Limit: c.limit, Idle: c.silent}
	if c.silent {
		t.Limit = c.idle
	}
	if counter, ok := d.call.Line().(port.Counter); ok {
		if stats, err := counter.Stats(); err == nil {
			t.Damaged = stats.Errors()
		}
	}
	return t
}

// logFailure logs a wait that found nothing. One that ended because the line
// fell silent has often found what it was after.
func (d *Dialog) logFailure(ctx context.Context, err error, silent bool) {
	switch tail := d.window.tail(); {
	case !silent:
		d.logData(ctx, "wait failed", tail, "error", err)
	case len(tail) > 0:
		d.logData(ctx, "received", tail)
	}
}

func (d *Dialog) logMatch(ctx context.Context, m Match) {
	if d.logs(ctx) {
		d.logData(ctx, "received", d.window.tail(), "pattern", m.Index)
	}
}

// names returns the patterns as messages show them.
func (d *Dialog) names(p []Pattern) []string {
	out := make([]string, len(p))
	for i := range p {
		out[i] = p[i].shown(d.call.Mask)
	}
	return out
}
