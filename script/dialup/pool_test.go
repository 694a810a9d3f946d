package dialup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/peertest"
	"github.com/rasline/rasline/port"
	"github.com/rasline/rasline/port/capture"
	"github.com/rasline/rasline/port/portname"
	"github.com/rasline/rasline/ras"
	"github.com/rasline/rasline/script/dialup"
	"github.com/rasline/rasline/script/modem"
	"github.com/rasline/rasline/script/scripttest"
)

// bank is several modems; the port names are their indexes.
type bank struct {
	exchanges []*exchange
	lines     []dialup.Line

	mu     sync.Mutex
	broken map[string]bool // ports that cannot be opened
	opened []string
}

func newBank(t *testing.T, n int, cfg *scripttest.ModemConfig) *bank {
	b := &bank{broken: make(map[string]bool)}
	for i := range n {
		b.exchanges = append(b.exchanges, newExchange(t, cfg, nil))
		b.lines = append(b.lines, dialup.Line{Port: fmt.Sprint(i), Class: "analog", Dialer: &modem.Dialer{}})
	}
	return b
}

func (b *bank) open(ctx context.Context, name string, cfg *portname.Config) (port.Port, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = append(b.opened, name)
	if b.broken[name] {
		return nil, errors.New("broken")
	}
	var i int
	fmt.Sscan(name, &i)
	return b.exchanges[i].open(ctx, name, cfg)
}

// pooled is an entry that leaves port and dialler to the line.
func pooled() *dialup.Entry {
	e := entry()
	e.Dialer, e.Port = nil, ""
	return e
}

// TestPool makes forty calls over four lines.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 4, nil)
		pool := dialup.NewPool(nil, b.lines...)
		defer pool.Close()
		var mu sync.Mutex
		up, most := 0, 0
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				c, err := pool.Dial(t.Context(), pooled(), &dialup.Config{Open: b.open})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				up++
				most = max(most, up)
				mu.Unlock()
				peertest.Pass(10 * time.Second)
				mu.Lock()
				up--
				mu.Unlock()
				c.Close()
			})
		}
		wg.Wait()
		if most != 4 {
			t.Errorf("%d calls at a time, want 4", most)
		}
		for _, l := range pool.Stats().Lines {
			if l.Busy || l.Dials != 10 || l.Connects != 10 || l.Failed != 0 {
				t.Errorf("%+v", l)
			}
		}
	})
}

// TestPoolIsFair serves dials in the order of their calls.
func TestPoolIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 1, nil)
		pool := dialup.NewPool(nil, b.lines...)
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				c, err := pool.Dial(t.Context(), pooled(), &dialup.Config{Open: b.open})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				c.Close()
			})
			synctest.Wait()
		}
		wg.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7}; !slices.Equal(order, want) {
			t.Errorf("order %v", order)
		}
	})
}

// TestPoolGoesOnToAnotherLine when a line has failed, which then rests, longer
// each time, and is probed before it is used again.
func TestPoolGoesOnToAnotherLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 2, nil)
		pool := dialup.NewPool(nil, b.lines...)
		b.broken["0"] = true
		dial := func() {
			t.Helper()
			c, err := pool.Dial(t.Context(), pooled(), &dialup.Config{Open: b.open})
			must(t, err)
			must(t, c.Close())
		}
		dial()
		if l := pool.Stats().Lines[0]; l.Failures != 1 || time.Until(l.Resting) <= 0 || time.Until(l.Resting) > 30*time.Second || l.Err == nil {
			t.Errorf("%+v", l)
		}
		b.opened = nil
		dial()
		if !slices.Equal(b.opened, []string{"1"}) {
			t.Errorf("opened %q while line 0 rests", b.opened)
		}
		// Both lines fail.
		b.broken["1"] = true
		peertest.Pass(time.Minute)
		_, err := pool.Dial(t.Context(), pooled(), &dialup.Config{Open: b.open})
		if err == nil {
			t.Fatal("dialled")
		}
		if l := pool.Stats().Lines[0]; l.Failures != 2 || time.Until(l.Resting) < 45*time.Second {
			t.Errorf("%+v", l)
		}
		b.broken = map[string]bool{}
		start := time.Now()
		dial() // waits for a rest to end
		if took := time.Since(start); took < 20*time.Second || took > 2*time.Minute {
			t.Errorf("waited %v", took)
		}
	})
}

// TestPoolStopsAtAPeer: the peer's answer is no failure of the line.
func TestPoolStopsAtAPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 2, &scripttest.ModemConfig{Numbers: map[string]scripttest.Answer{number: {Result: "BUSY"}}})
		pool := dialup.NewPool(nil, b.lines...)
		_, err := pool.Dial(t.Context(), pooled(), &dialup.Config{Open: b.open})
		wantErr(t, "Dial", err, ras.ErrLineBusy)
		s := pool.Stats()
		if s.Lines[0].Dials+s.Lines[1].Dials != 1 || s.Lines[0].Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestPoolLimits keeps the limits of a number and of a line, and lets others pass.
func TestPoolLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 3, nil)
		b.lines[2].Class = "gsm"
		pool := dialup.NewPool(&dialup.PoolConfig{PerNumber: 1, LinePause: 20 * time.Second}, b.lines...)
		cfg := &dialup.Config{Open: b.open}
		one, err := pool.Dial(t.Context(), pooled(), cfg)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = pool.Dial(ctx, pooled(), cfg)
		wantErr(t, "a second call to the number", err, context.DeadlineExceeded)
		other := pooled()
		other.Params.PhoneNumber = "5550199"
		other.Class = "gsm"
		two, err := pool.Dial(t.Context(), other, cfg)
		must(t, err)
		if b.opened[len(b.opened)-1] != "2" {
			t.Errorf("opened %q for the class gsm", b.opened)
		}
		must(t, two.Close())
		start := time.Now()
		two, err = pool.Dial(t.Context(), other, cfg)
		must(t, err)
		if time.Since(start) < 20*time.Second {
			t.Error("the line had no pause")
		}
		must(t, two.Close())
		must(t, one.Close())
		if s := pool.Stats(); s.Waiting != 0 || s.Lines[0].Busy {
			t.Errorf("%+v", s)
		}
		other.Class = "satellite"
		_, err = pool.Dial(t.Context(), other, cfg)
		wantErr(t, "an unknown class", err, errors.ErrUnsupported)
	})
}

// TestPoolCancel removes a dial that waits from the queue, and Close removes all of them.
func TestPoolCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 1, nil)
		pool := dialup.NewPool(nil, b.lines...)
		cfg := &dialup.Config{Open: b.open}
		c, err := pool.Dial(t.Context(), pooled(), cfg)
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 2)
		go func() { _, err := pool.Dial(ctx, pooled(), cfg); result <- err }()
		synctest.Wait()
		if n := pool.Stats().Waiting; n != 1 {
			t.Errorf("%d wait", n)
		}
		cancel()
		wantErr(t, "a cancelled dial", <-result, context.Canceled)
		go func() { _, err := pool.Dial(t.Context(), pooled(), cfg); result <- err }()
		synctest.Wait()
		pool.Close()
		wantErr(t, "a dial of a closed pool", <-result, net.ErrClosed)
		must(t, c.Close())
		_, err = pool.Dial(t.Context(), pooled(), cfg)
		wantErr(t, "a later dial", err, net.ErrClosed)
		e := pooled()
		e.Class = "gsm"
		_, err = pool.Dial(t.Context(), e, cfg)
		wantErr(t, "a later dial for a class that the pool does not have", err, net.ErrClosed)
	})
}

// TestPoolCancelledDial cancels a dial at every moment: that is no failure of the line,
// which must not rest for it.
func TestPoolCancelledDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after := time.Millisecond; after < 8*time.Second; after += 500 * time.Millisecond {
			b := newBank(t, 1, nil)
			pool := dialup.NewPool(nil, b.lines...)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			cfg := &dialup.Config{Open: func(ctx context.Context, name string, cfg *portname.Config) (port.Port, error) {
				select {
				case <-time.After(2 * time.Second): // a server that is far away
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				return b.open(ctx, name, cfg)
			}}
			c, err := pool.Dial(ctx, pooled(), cfg)
			if err == nil {
				must(t, c.Close())
			}
			if l := pool.Stats().Lines[0]; l.Busy || l.Failures != 0 || !l.Resting.IsZero() {
				t.Errorf("cancelled after %v (%v): %+v", after, err, l)
			}
			cancel()
		}
	})
}

// TestPoolEntryChanges uses one Entry for several calls, one after the other.
func TestPoolEntryChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 1, nil)
		pool := dialup.NewPool(&dialup.PoolConfig{PerNumber: 1}, b.lines...)
		e := pooled()
		for _, number := range []string{"5550101", "5550102", "5550101"} {
			e.Params.PhoneNumber = number
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			c, err := pool.Dial(ctx, e, &dialup.Config{Open: b.open})
			cancel()
			if err != nil {
				t.Fatalf("%s: %v", number, err)
			}
			e.Params.PhoneNumber = "5550199"
			must(t, c.Close())
		}
	})
}

// TestPoolAfterAPanic gives a line back when a function of the caller panics.
func TestPoolAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, 1, nil)
		pool := dialup.NewPool(&dialup.PoolConfig{PerNumber: 1}, b.lines...)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for _, panics := range []func(dialup.State) bool{
			func(s dialup.State) bool { return s.Conn == ras.StateOpenPort },
			func(s dialup.State) bool { return s.Conn == ras.StateConnected },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				pool.Dial(ctx, pooled(), &dialup.Config{Open: b.open, OnState: func(s dialup.State) {
					if panics(s) {
						panic("out of order")
					}
				}})
			}()
		}
		c, err := pool.Dial(ctx, pooled(), &dialup.Config{Open: b.open})
		if err != nil {
			t.Fatalf("%v, %+v", err, pool.Stats())
		}
		must(t, c.Close())
	})
}

// TestPoolPersist keeps a recorded connection on the lines of a pool until that is
// closed.
func TestPoolPersist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, nil, nil)
		var file bytes.Buffer
		w, err := capture.NewWriter(&file, nil)
		must(t, err)
		p := dialup.NewPool(nil, dialup.Line{Port: "line"})
		uses := 0
		e := entry()
		err = p.Persist(t.Context(), e, &dialup.Config{Open: x.open, Record: w}, func(ctx context.Context, c *dialup.Conn) error {
			if uses++; uses == 3 {
				must(t, p.Close())
			}
			return nil
		})
		wantErr(t, "Persist", err, net.ErrClosed)
		if s := p.Stats(); uses != 3 || s.Lines[0].Connects != 3 || s.Lines[0].Busy {
			t.Errorf("%d uses, %+v", uses, s)
		}
		must(t, w.Close())
		if bytes.Contains(file.Bytes(), []byte(e.Params.Password.Reveal())) {
			t.Error("the password is in the recording")
		}
	})
}
