package dialup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script"
	"github.com/rasline/rasline/script/modem"
)

// Line is a line of a Pool.
type Line struct {
	// Name is for messages and Stats. Default: the name of the port.
	Name string

	// Port is the line's port, with PortConfig; see portname.Open.
	Port string

	// Class is what the line is for: "analog", "gsm". A dial requests it with
	// Entry.Class.
	Class string

	PortConfig *portname.Config

	// Dialer is for entries that have none. Default: they are dialled without.
	Dialer *modem.Dialer
}

// PoolConfig holds the limits of a Pool. The zero PoolConfig and a nil one work.
type PoolConfig struct {
	// PerNumber bounds how many calls to one telephone number are up or in the
	// making at a time. Default, and for 0 or less: no bound.
	PerNumber int

	// LinePause is how long a line is left alone after a call. Default, and for
	// 0 or less: it is not.
	LinePause time.Duration

	// Rest is how long a line that has failed is left alone, twice as long after
	// each failure in a row, up to MaxRest. Defaults, and for 0: 30 s and 30
	// minutes. Negative: it is not.
	Rest, MaxRest time.Duration

	// ProbeTimeout bounds the AT probe of a line that has rested, before a dial
	// gets it: a line that does not answer rests again. Lines without a Dialer
	// are not probed, and neither is one whose entry brings its own. Default, and
	// for 0: 10 s. Negative: no probe.
	ProbeTimeout time.Duration
}

const (
	defaultRest    = 30 * time.Second
	defaultMaxRest = 30 * time.Minute
	defaultProbe   = 10 * time.Second
)

// Pool shares lines among dials. A dial that finds no free line of its class waits,
// and those that wait are served in the order of their calls. All methods may
// be called from any goroutine.
//
// States of a line:
//
//	free     -> busy      a dial acquires it
//	busy     -> free      its Conn is closed, or the dial has failed for a reason of
//	                      the peer's: BUSY, NO ANSWER, a refused password
//	busy     -> resting   the port or the modem has failed, or LinePause is set
//	resting  -> free      the rest is over; after a failure, the next dial probes it
type Pool struct {
	cfg PoolConfig

	mu      sync.Mutex // guards what follows
	lines   []*line
	waiting []*waiter      // oldest first
	calls   map[string]int // by number
	timer   *time.Timer    // for the end of the next rest
	closed  bool
}

type line struct {
	Line
	busy     bool
	resting  time.Time // until then; zero: not
	failures int       // in a row
	dials    int
	failed   int
	connects int
	last     error
}

var errPanicked = errors.New("a function of the caller has panicked")

var errPoolClosed = fmt.Errorf("the pool was closed: %w", net.ErrClosed)

// waiter is a dial that has no line yet.
type waiter struct {
	class, number string
	not           []*line    // those that have failed for this dial
	got           chan *line // capacity 1; nil: the pool has no line that would do
}

// NewPool returns a pool of lines. A nil cfg means the zero PoolConfig.
func NewPool(cfg *PoolConfig, lines ...Line) *Pool {
	p := &Pool{calls: make(map[string]int)}
	if cfg != nil {
		p.cfg = *cfg
	}
	if p.cfg.Rest == 0 {
		p.cfg.Rest = defaultRest
	}
	if p.cfg.MaxRest == 0 {
		p.cfg.MaxRest = defaultMaxRest
	}
	if p.cfg.ProbeTimeout == 0 {
		p.cfg.ProbeTimeout = defaultProbe
	}
	for _, l := range lines {
		if l.Name == "" {
			l.Name = l.Port
		}
		p.lines = append(p.lines, &line{Line: l})
	}
	return p
}

// Dial waits for a line of the entry's Class, any if that is empty, and dials on
// it: its port replaces the entry's, and its Dialer is used if the entry
// has none. When the line fails, which the peer's answers do not, the dial continues on
// another one; the error is then that of every line. The line is free again
// when the Conn is closed. A dial that ctx has cancelled is no failure of its line,
// unless the line could not be hung up.
//
// ctx bounds the wait too. The error matches net.ErrClosed after Close, and
// errors.ErrUnsupported if the pool has no line of the class.
func (p *Pool) Dial(ctx context.Context, e *Entry, cfg *Config) (*Conn, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	w := &waiter{class: e.Class, number: e.number()}
	var failures error
	for {
		l, err := p.acquire(ctx, w)
		if err != nil {
			return nil, e.fail("dial", errors.Join(failures, err))
		}
		c, err := p.dialOn(ctx, l, w.number, e, cfg)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil || !lineFailed(ctx, err) {
			return nil, err
		}
		failures = errors.Join(failures, fmt.Errorf("line %s: %w", l.Name, err))
		w.not = append(w.not, l)
	}
}

// number returns what an entry dials first.
func (e *Entry) number() string {
	if e.Dialer != nil && len(e.Dialer.Numbers) > 0 {
		return e.Dialer.Numbers[0]
	}
	return e.Params.PhoneNumber
}

// dialOn dials on a line, and gives the line back if that fails. number is what the
// line was given for; the caller may change e while the Conn is up.
func (p *Pool) dialOn(ctx context.Context, l *line, number string, e *Entry, cfg *Config) (*Conn, error) {
	own := *e
	own.Port, own.PortConfig = l.Port, l.PortConfig
	if own.Dialer == nil {
		own.Dialer = l.Dialer
	}
	err := errPanicked // until Dial, or a function of cfg that it calls, returns
	defer func() {
		if err != nil {
			p.giveBack(ctx, l, number, err)
		}
	}()
	if failed := p.probe(ctx, l, cfg); failed != nil {
		err = failed
		return nil, err
	}
	c, failed := Dial(ctx, &own, cfg)
	if err = failed; err != nil {
		return nil, err
	}
	p.mu.Lock()
	l.connects, l.failures, l.last = l.connects+1, 0, nil
	p.mu.Unlock()
	c.mu.Lock()
	c.release = func() { p.giveBack(ctx, l, number, nil) }
	c.mu.Unlock()
	return c, nil
}

// probe checks that the modem of a line that has failed before answers.
func (p *Pool) probe(ctx context.Context, l *line, cfg *Config) error {
	p.mu.Lock()
	needed := l.failures > 0 && l.Dialer != nil && p.cfg.ProbeTimeout > 0
	p.mu.Unlock()
	if !needed {
		return nil
	}
	open := portname.Open
	if cfg != nil && cfg.Open != nil {
		open = cfg.Open
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ProbeTimeout)
	defer cancel()
	fail := func(err error) error { return &Error{Op: "probe", Entry: l.Name, Err: err} }
	q, err := open(ctx, l.Port, l.PortConfig)
	if err != nil {
		return fail(err)
	}
	defer q.Close()
	_, err = script.Run(ctx, q, script.ExecutorFunc(func(ctx context.Context, call *ras.Call) error {
		d := script.NewDialog(call, l.Dialer.Dialog)
		defer d.Close()
		return modem.New(d, l.Dialer.Config).Sync(ctx)
	}), nil)
	if err != nil {
		return fail(err)
	}
	return nil
}

// lineFailed reports whether an error is the line's: that of its port or its
// modem, and not the peer's answer or the script's. A dial that the caller has
// cancelled does not prove one.
func lineFailed(ctx context.Context, err error) bool {
	var e *Error
	errors.As(err, &e)
	switch {
	case ctx.Err() == context.Canceled && !errors.As(err, new(*modem.HangupError)) && !errors.Is(err, port.ErrRemoved):
		return false
	case e != nil && (e.Op == "open" || e.Op == "probe"):
		return true
	case errors.As(err, new(*modem.OutcomeError)), errors.As(err, new(*modem.CarrierError)),
		errors.As(err, new(*modem.InputError)), errors.Is(err, ras.ErrAuthenticationFailure):
		return false
	case errors.As(err, new(*modem.CommandError)), errors.As(err, new(*modem.HangupError)):
		return true
	}
	return errors.Is(err, port.ErrRemoved) || errors.Is(err, port.ErrCarrierLost)
}

// acquire waits for a line.
func (p *Pool) acquire(ctx context.Context, w *waiter) (*line, error) {
	w.got = make(chan *line, 1)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errPoolClosed
	}
	if !slices.ContainsFunc(p.lines, func(l *line) bool { return w.class == "" || l.Class == w.class }) {
		p.mu.Unlock()
		return nil, fmt.Errorf("the pool has no line of the class %q: %w", w.class, errors.ErrUnsupported)
	}
	p.waiting = append(p.waiting, w)
	p.serve()
	p.mu.Unlock()
	select {
	case l, ok := <-w.got:
		switch {
		case !ok:
			return nil, errPoolClosed
		case l == nil:
			return nil, errors.New("no other line is left to try")
		}
		return l, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else if l := <-w.got; l != nil { // it was given one at the same moment
		p.free(l, w.number)
		p.serve()
	}
	return nil, context.Cause(ctx)
}

// serve gives free lines to those that wait, oldest first; one that waits for
// another class, or for its number, does not hold up those after it. p.mu is held.
func (p *Pool) serve() {
	now := time.Now()
	var next time.Time // the end of the next rest
	for _, l := range p.lines {
		if !l.busy && l.resting.After(now) && (next.IsZero() || l.resting.Before(next)) {
			next = l.resting
		}
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		if p.closed {
			close(w.got)
			return true
		}
		left := false
		var best *line
		for _, l := range p.lines {
			if w.class != "" && l.Class != w.class || slices.Contains(w.not, l) {
				continue
			}
			left = true
			// The line with the fewest failures, and of those the one used least.
			if !l.busy && !l.resting.After(now) &&
				(best == nil || l.failures < best.failures || l.failures == best.failures && l.dials < best.dials) {
				best = l
			}
		}
		switch {
		case !left:
			w.got <- nil
			return true
		case best == nil, p.cfg.PerNumber > 0 && w.number != "" && p.calls[w.number] >= p.cfg.PerNumber:
			return false
		}
		best.busy = true
		best.dials++
		p.calls[w.number]++
		w.got <- best
		return true
	})
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if !next.IsZero() && len(p.waiting) > 0 {
		p.timer = time.AfterFunc(next.Sub(now), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.serve()
		})
	}
}

// giveBack makes a line free again after a dial that has failed, or after its Conn
// was closed.
func (p *Pool) giveBack(ctx context.Context, l *line, number string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		l.failed++
		l.last = err
	}
	rest := max(0, p.cfg.LinePause)
	if err != nil && lineFailed(ctx, err) {
		failed := max(0, p.cfg.Rest)
		for range l.failures {
			if failed < p.cfg.MaxRest {
				failed *= 2
			}
		}
		rest = max(rest, min(failed, p.cfg.MaxRest))
		l.failures++
	}
	if rest > 0 {
		l.resting = time.Now().Add(rest)
	}
	p.free(l, number)
	p.serve()
}

// free notes that a line is not in use. p.mu is held.
func (p *Pool) free(l *line, number string) {
	l.busy = false
	if p.calls[number]--; p.calls[number] <= 0 {
		delete(p.calls, number)
	}
}

// LineStats are the counts of one line of a Pool.
type LineStats struct {
	Name, Class string
	Busy        bool
	Resting     time.Time // until when; zero if it does not rest
	Dials       int       // that have had the line
	Connects    int       // of those, with a connection
	Failed      int       // of those, without
	Failures    int       // of the line itself, in a row
	Err         error     // of the dial that failed last, nil after a connection
}

// PoolStats are the counts of a Pool.
type PoolStats struct {
	Lines   []LineStats
	Waiting int // dials that wait for a line
}

// Stats returns the counts.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PoolStats{Waiting: len(p.waiting)}
	for _, l := range p.lines {
		resting := l.resting
		if !resting.After(time.Now()) {
			resting = time.Time{}
		}
		s.Lines = append(s.Lines, LineStats{Name: l.Name, Class: l.Class, Busy: l.busy, Resting: resting,
			Dials: l.dials, Connects: l.connects, Failed: l.failed, Failures: l.failures, Err: l.last})
	}
	return s
}

// Close makes waiting and further dials fail with net.ErrClosed. Connections that
// are up, and dials that have a line, go on.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.serve()
	return nil
}
