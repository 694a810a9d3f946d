package port

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// carrierTick is the pause between two looks at DCD.
//
// A kernel can watch the carrier by itself (CLOCAL off), at no cost, but then
// it throws away what was received and not read yet, and many USB drivers do
// not do it. Waiting for the change (TIOCMIWAIT) would cost a thread for each
// port. So a policy costs one short system call per tick, and ports without a
// policy pay nothing.
const carrierTick = 100 * time.Millisecond

// carrierWatch calls fell once when the carrier has been seen and is gone, or
// stops when the lines cannot be read any more.
type carrierWatch struct {
	lines func() (Lines, error)
	fell  func()

	mu    sync.Mutex
	timer *time.Timer // nil after stop
	seen  bool
}

// watchCarrier starts a watch; seen says that the carrier has been there.
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
		// A carrier that came between the two calls is found at the limit.
		look, cancel := context.WithTimeout(ctx, time.Second)
		_, err = p.WaitLines(look, DCD)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("no carrier came: check the cable and the far end: %w", ctx.Err())
		}
		if err != nil && look.Err() == nil {
			return err
		}
	}
}
