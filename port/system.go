package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

// systemPort is what a system provides under a Serial: a ttyPort on Linux, a
// comPort on Windows, an adapter elsewhere. Its errors are bare causes, which
// Serial wraps. What these ports share follows.
type systemPort interface {
	Port
	ModeSetter
	LineController
	Breaker
	Drainer
	Counter
	QueueCounter
	BreakSetter
	Detacher
	syscall.Conn

	// lacks returns abilities that AbilitiesOf cannot find out to be missing.
	lacks() Abilities
}

// The shortest and the longest pause between two polls of an output queue.
const (
	minQueuePoll = time.Millisecond
	maxQueuePoll = 20 * time.Millisecond
)

// drainQueue polls a queue until left reports it empty. perByte is the time that
// a byte takes on the line, or 0 if that is not known.
func drainQueue(ctx context.Context, left func() (int, error), perByte time.Duration) error {
	for {
		n, err := left()
		if err != nil || n == 0 {
			return err
		}
		pause := min(max(time.Duration(n)*perByte, minQueuePoll), maxQueuePoll)
		if err := wait.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// untilLate runs f with a context that ends when the deadline by, in nanoseconds
// since 1970 or 0 for none, has passed, wherever it moves meanwhile. The error
// is then os.ErrDeadlineExceeded. A deadline is looked at every maxQueuePoll: its
// setters have no list of those to wake, for the few calls that wait so.
func untilLate(by *atomic.Int64, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	late := func() bool {
		at := by.Load()
		return at != 0 && time.Now().UnixNano() >= at
	}
	if late() {
		return os.ErrDeadlineExceeded
	}
	go func() { // ends with ctx, that is after f
		for wait.Sleep(ctx, maxQueuePoll) == nil {
			if late() {
				cancel(os.ErrDeadlineExceeded)
			}
		}
	}()
	err := f(ctx)
	if err != nil && context.Cause(ctx) == os.ErrDeadlineExceeded {
		err = os.ErrDeadlineExceeded
	}
	return err
}

// setDeadlineIn stores a deadline where untilLate reads it.
func setDeadlineIn(by *atomic.Int64, t time.Time) {
	if t.IsZero() {
		by.Store(0)
	} else {
		by.Store(t.UnixNano())
	}
}

// linePoll is the pause between two polls of lines whose changes the driver does
// not report.
const linePoll = 20 * time.Millisecond

// lineState is what can be known about the lines at one moment.
type lineState struct {
	lines  Lines
	counts wait.Edges // where a driver counts them
}

// readLineState reads the counts before the lines. A line that changes between
// the two is then seen as it is, and its count at the next look; the other way
// round its count would report a change together with the line as it was before.
func readLineState(counts func() (wait.Edges, error), lines func() (Lines, error)) (s lineState, err error) {
	if s.counts, err = counts(); err == nil {
		s.lines, err = lines()
	}
	return s, err
}

// waitLines polls the lines at every wake-up and at every pause until one of
// mask has changed from what it was before. A nil wake is never ready.
func waitLines(ctx context.Context, mask Lines, before lineState, state func() (lineState, error),
	wake <-chan struct{}, pause func() time.Duration) (Lines, error) {

	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		now, err := state()
		// The counts show a change also of a line that has changed back.
		if err != nil || (now.lines^before.lines)&mask != 0 || now.counts.Since(&before.counts, uint8(mask)) {
			return now.lines, err
		}
		select {
		case <-ctx.Done():
			return now.lines, ctx.Err()
		case <-wake:
		case <-timer.C:
			timer.Reset(pause())
		}
	}
}

// pollLines is WaitLines of a port whose driver neither reports nor counts
// changes, by its Lines. life ends when the port is closed.
func pollLines(ctx, life context.Context, mask Lines, lines func() (Lines, error)) (Lines, error) {
	before, err := lines()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	l, err := waitLines(ctx, mask, lineState{lines: before}, func() (lineState, error) {
		now, err := lines()
		return lineState{lines: now}, err
	}, nil, func() time.Duration { return linePoll })
	if err != nil && life.Err() != nil {
		err = net.ErrClosed
	}
	return l, err
}

// carrierTick is the pause between two checks of DCD.
//
// A kernel can watch the carrier by itself (CLOCAL off), at no cost, but then
// it throws away what was received and not read yet, and many USB drivers do
// not do it. Waiting for the change (TIOCMIWAIT) would cost a thread for each
// port. So a policy costs one short system call per tick, and ports without a
// policy pay nothing.
const carrierTick = 100 * time.Millisecond

// carrierWatch calls fell once when the carrier has been seen and is lost, or
// stops when the lines cannot be read any more.
type carrierWatch struct {
	lines func() (Lines, error)
	fell  func()

	mu    sync.Mutex  // guards what follows; fell is called with it, and so never after stop
	timer *time.Timer // nil after stop
	seen  bool
}

// watchCarrier starts a watch; seen specifies that the carrier was on before.
func watchCarrier(lines func() (Lines, error), seen bool, fell func()) *carrierWatch {
	c := &carrierWatch{lines: lines, fell: fell}
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := lines()
	c.seen = seen || err == nil && now.Has(DCD)
	c.timer = time.AfterFunc(carrierTick, c.look)
	return c
}

func (c *carrierWatch) look() {
	now, err := c.lines()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.timer == nil {
		return
	}
	if c.seen && !now.Has(DCD) {
		c.fell()
		return
	}
	c.seen = c.seen || now.Has(DCD)
	c.timer.Reset(carrierTick)
}

// stop ends the watch. fell is not called after it.
func (c *carrierWatch) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// followCarrier carries out the policy of a port that is being opened. The watch
// is nil if there is nothing to watch; fell runs once the carrier is lost.
func followCarrier(ctx context.Context, policy CarrierPolicy, p LineController, fell func()) (*carrierWatch, error) {
	if policy == CarrierIgnore {
		return nil, nil
	}
	_, err := p.Lines()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err == nil && policy == CarrierRequire {
		err = awaitCarrier(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return watchCarrier(p.Lines, policy == CarrierRequire, fell), nil
}

// awaitCarrier blocks until the carrier is there.
func awaitCarrier(ctx context.Context, p LineController) error {
	for {
		now, err := p.Lines()
		if err != nil || now.Has(DCD) {
			return err
		}
		// A carrier that rose between the two calls is found at the limit.
		look, cancel := context.WithTimeout(ctx, time.Second)
		_, err = p.WaitLines(look, DCD)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("no carrier was detected: check the cable and the peer: %w", ctx.Err())
		}
		if err != nil && look.Err() == nil {
			return err
		}
	}
}

// The node of a pulled adapter goes a moment after the line is hung up, so
// settle checks this often and this many times before it believes that the node
// stays.
const (
	settleStep  = 10 * time.Millisecond
	settleSteps = 15
)

// settle finds out why a line ended: ErrRemoved if the device is not there any
// more, ErrCarrierLost if it stays, net.ErrClosed if the port is closed
// meanwhile.
func settle(closed <-chan struct{}, there func() bool) error {
	for range settleSteps {
		if !there() {
			return ErrRemoved
		}
		select {
		case <-closed:
			return net.ErrClosed
		case <-time.After(settleStep):
		}
	}
	return ErrCarrierLost
}

// freeBound is how long Close waits for the calls that it has freed, before it
// closes what they use.
const freeBound = 250 * time.Millisecond
