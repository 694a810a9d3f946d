package wait_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rasline/rasline/internal/wait"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d wait.Deadline
		passed := func() bool {
			synctest.Wait()
			select {
			case <-d.Done():
				return d.Passed()
			default:
				return false
			}
		}
		steps := []struct {
			why  string
			set  time.Duration // from now; 0 is never
			wait time.Duration
			want bool
		}{
			{"never", 0, time.Hour, false},
			{"ahead", time.Minute, 59 * time.Second, false},
			{"pushed back", time.Minute, 59 * time.Second, false},
			{"passes", time.Second, time.Second, true},
			{"set again after that", time.Minute, 59 * time.Second, false},
			{"cleared", 0, time.Hour, false},
			{"in the past", -time.Second, 0, true},
			{"in the past again", -time.Second, 0, true},
			{"and ahead again", time.Second, 2 * time.Second, true},
		}
		for _, s := range steps {
			var at time.Time
			if s.set != 0 {
				at = time.Now().Add(s.set)
			}
			d.Set(at)
			<-time.After(s.wait)
			if got := passed(); got != s.want {
				t.Errorf("%s: passed = %v, want %v", s.why, got, s.want)
			}
			if !d.Time().Equal(at) {
				t.Errorf("%s: Time = %v, want %v", s.why, d.Time(), at)
			}
		}
	})
}

// TestDeadlineMovesForBlockedCalls moves a deadline in both directions while a
// call waits for it.
func TestDeadlineMovesForBlockedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []time.Duration{0, time.Second, time.Hour} {
			const last = time.Minute
			var d wait.Deadline
			begin := time.Now()
			if first != 0 {
				d.Set(begin.Add(first))
			}
			if first == time.Second {
				<-time.After(first / 2) // before it passes
			}
			freed := make(chan time.Duration)
			go func() {
				for !d.Passed() {
					<-d.Done()
				}
				freed <- time.Since(begin)
			}()
			synctest.Wait()
			d.Set(begin.Add(last))
			if got := <-freed; got != last {
				t.Errorf("a deadline after %v that was moved to %v freed its call after %v", first, last, got)
			}
		}
	})
}

func TestDeadlineAllocations(t *testing.T) {
	var d wait.Deadline
	d.Set(time.Now().Add(time.Hour))
	if n := testing.AllocsPerRun(100, func() {
		d.Set(time.Now().Add(time.Hour))
		d.Passed()
		d.Done()
	}); n != 0 {
		t.Errorf("moving a deadline takes %v allocations, want 0", n)
	}
	d.Set(time.Time{})
}
