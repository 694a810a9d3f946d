package port

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

func TestDrainQueue(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name    string
		queue   []int // what each look finds; the last one stays
		fail    error // of the look after the last
		perByte time.Duration
		limit   time.Duration
		want    error
		took    time.Duration
	}{
		{name: "empty", queue: []int{0}, limit: time.Hour},
		{name: "one byte at 9600", queue: []int{1, 0}, perByte: time.Second / 960, limit: time.Hour, took: time.Second / 960},
		{name: "a long queue is looked at again", queue: []int{4096, 0}, perByte: time.Millisecond, limit: time.Hour, took: maxQueuePoll},
		{name: "an unknown rate", queue: []int{5, 3, 0}, limit: time.Hour, took: 2 * minQueuePoll},
		{name: "held off", queue: []int{7}, limit: time.Minute, want: context.DeadlineExceeded, took: time.Minute},
		{name: "gone", queue: []int{7, 7}, fail: broken, limit: time.Hour, want: broken, took: 2 * minQueuePoll},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				looks := 0
				start := time.Now()
				err := drainQueue(ctx, func() (int, error) {
					if looks == len(tt.queue) && tt.fail != nil {
						return 0, tt.fail
					}
					n := tt.queue[min(looks, len(tt.queue)-1)]
					looks++
					return n, nil
				}, tt.perByte)
				if err != tt.want || time.Since(start) != tt.took {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(start), tt.want, tt.took)
				}
			})
		})
	}
}

// fakeLines is a set of modem lines moved by hand.
type fakeLines struct {
	mu    sync.Mutex
	lines Lines
	err   error
}

func (f *fakeLines) Lines() (Lines, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines, f.err
}

func (f *fakeLines) set(l Lines, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines, f.err = l, err
}

func (f *fakeLines) SetLines(mask, values Lines) error { return nil }

func (f *fakeLines) WaitLines(ctx context.Context, mask Lines) (Lines, error) {
	before, err := f.Lines()
	if err != nil {
		return 0, err
	}
	return waitLines(ctx, mask, lineState{lines: before}, f.state, nil, func() time.Duration { return linePoll })
}

func (f *fakeLines) state() (lineState, error) {
	l, err := f.Lines()
	return lineState{lines: l}, err
}

func TestCarrierWatch(t *testing.T) {
	tests := []struct {
		name  string
		seen  bool
		steps []Lines // one for each tick
		fell  int     // the tick at which the watch strikes, or -1
	}{
		{"never there", false, []Lines{0, DSR, 0}, -1},
		{"there and stays", false, []Lines{DCD, DCD | CTS, DCD}, -1},
		{"falls", false, []Lines{DCD, DCD, DSR, 0}, 2},
		{"comes and falls", false, []Lines{0, DCD, 0}, 2},
		{"was there before the watch", true, []Lines{0, 0, 0}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeLines{lines: tt.steps[0]}
				fell, tick := -1, 0
				c := watchCarrier(f.Lines, tt.seen, func() { fell = tick })
				for tick = 1; tick < len(tt.steps); tick++ {
					f.set(tt.steps[tick], nil)
					<-time.After(carrierTick)
					synctest.Wait()
				}
				if fell != tt.fell {
					t.Errorf("struck at tick %d, want %d", fell, tt.fell)
				}
				c.stop()
			})
		})
	}
}

func TestCarrierWatchStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLines{lines: DCD}
		c := watchCarrier(f.Lines, false, func() { t.Error("struck after stop") })
		c.stop()
		f.set(0, nil)
		<-time.After(time.Second)
		c.stop()
	})
}

func TestAwaitCarrier(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		after time.Duration
		lines Lines
		err   error
		want  error
	}{
		{"there", 0, DCD, nil, nil},
		{"comes at once", 30 * time.Millisecond, DCD | DSR, nil, nil},
		{"comes after a while", 5 * time.Second, DCD, nil, nil},
		{"does not come", time.Minute, DCD, nil, context.DeadlineExceeded},
		{"the device goes", time.Second, 0, broken, broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				f := new(fakeLines)
				if tt.after == 0 {
					f.set(tt.lines, tt.err)
				} else {
					defer time.AfterFunc(tt.after, func() { f.set(tt.lines, tt.err) }).Stop()
				}
				if err := awaitCarrier(ctx, f); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestWaitLines(t *testing.T) {
	pulse := lineState{lines: DSR}
	pulse.counts[5] = 1
	tests := []struct {
		name  string
		mask  Lines
		after lineState
		want  Lines
		err   error
		took  time.Duration
	}{
		{"a line of the mask", CTS, lineState{lines: DSR | CTS}, DSR | CTS, nil, time.Second},
		{"a line that falls", DSR, lineState{}, 0, nil, time.Second},
		{"another line", RI, lineState{lines: CTS}, CTS, context.DeadlineExceeded, time.Minute},
		{"a pulse that is over", RI, pulse, DSR, nil, time.Second},
		{"a pulse of another line", DCD, pulse, DSR, context.DeadlineExceeded, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				before := lineState{lines: DSR}
				start := time.Now()
				got, err := waitLines(ctx, tt.mask, before, func() (lineState, error) {
					if time.Since(start) < time.Second {
						return before, nil
					}
					return tt.after, nil
				}, nil, func() time.Duration { return linePoll })
				if got != tt.want || err != tt.err || time.Since(start) != tt.took {
					t.Errorf("got %v, %v after %v; want %v, %v after %v", got, err, time.Since(start), tt.want, tt.err, tt.took)
				}
			})
		})
	}
}

// TestWaitLinesBetweenCalls lets the carrier fall between the two calls that
// read the lines and the counts, once in each of a wait's first looks.
func TestWaitLinesBetweenCalls(t *testing.T) {
	for fallsAt := 1; fallsAt < 8; fallsAt++ {
		synctest.Test(t, func(t *testing.T) {
			var now lineState
			now.lines = DCD
			calls := 0
			called := func() { // runs after each call
				if calls++; calls == fallsAt {
					now.lines = 0
					now.counts.Count(uint8(DCD))
				}
			}
			state := func() (lineState, error) {
				return readLineState(func() (wait.Edges, error) {
					defer called()
					return now.counts, nil
				}, func() (Lines, error) {
					defer called()
					return now.lines, nil
				})
			}
			before, _ := state()
			got, err := waitLines(t.Context(), DCD, before, state, nil, func() time.Duration { return linePoll })
			if got != 0 || err != nil {
				t.Errorf("a carrier that falls after call %d: %v, %v; want no lines", fallsAt, got, err)
			}
		})
	}
}

func TestWaitLinesIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake := make(chan struct{}, 1)
		f := new(fakeLines)
		time.AfterFunc(time.Second, func() { f.set(RI, nil); wake <- struct{}{} })
		start := time.Now()
		got, err := waitLines(t.Context(), RI, lineState{}, f.state, wake, func() time.Duration { return time.Hour })
		if got != RI || err != nil || time.Since(start) != time.Second {
			t.Errorf("got %v, %v after %v; want RI after a second", got, err, time.Since(start))
		}
	})
}

func TestSettle(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // when the device goes
		want  error
	}{
		{"gone already", 0, ErrRemoved},
		{"goes a moment later", 3 * settleStep, ErrRemoved},
		{"stays", time.Hour, ErrCarrierLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				there := func() bool { return time.Since(start) < tt.after }
				if err := settle(nil, there); err != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			})
		})
	}
	closed := make(chan struct{})
	close(closed)
	if err := settle(closed, func() bool { return true }); err != net.ErrClosed {
		t.Errorf("closed meanwhile: %v, want %v", err, net.ErrClosed)
	}
}

func TestLevels(t *testing.T) {
	tests := []struct {
		dtr, rts     Level
		mask, values Lines
	}{
		{Leave, Leave, 0, 0},
		{Assert, Leave, DTR, DTR},
		{Clear, Assert, Outputs, RTS},
		{Leave, Clear, RTS, 0},
	}
	for _, tt := range tests {
		if mask, values := levels(tt.dtr, tt.rts); mask != tt.mask || values != tt.values {
			t.Errorf("levels(%d, %d) = %v, %v; want %v, %v", tt.dtr, tt.rts, mask, values, tt.mask, tt.values)
		}
	}
}
